# SPDX-License-Identifier: Apache-2.0
"""A run as people see it: live on a terminal, as lines, as a report."""
