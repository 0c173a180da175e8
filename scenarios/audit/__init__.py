# SPDX-License-Identifier: Apache-2.0
"""Audits a run directory: its files beside its log, the log beside the chain, and everything computed again."""
