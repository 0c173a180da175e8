# SPDX-License-Identifier: Apache-2.0
"""A sweep as people see it: progress, tables, figures, report."""
