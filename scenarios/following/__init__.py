# SPDX-License-Identifier: Apache-2.0
"""Tasks as somebody sees who takes no part: from a run's directory, or from a chain and a store alone."""
