# SPDX-License-Identifier: Apache-2.0
"""Aggregation: the rules that make the next model, each of which anybody can repeat bit for bit."""
