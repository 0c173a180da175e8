# SPDX-License-Identifier: Apache-2.0
"""The directory that a run leaves: its files, the form of its event log, digests, and the run again from the log."""
