# SPDX-License-Identifier: Apache-2.0
"""What every view is made of: tables, plots, words for verdicts."""
