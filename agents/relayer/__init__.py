# SPDX-License-Identifier: Apache-2.0
"""Bringing many members' signed messages to the chain in few transactions, and handing such messages in."""
