# SPDX-License-Identifier: Apache-2.0
"""Aggregation: integer weights and the fold that anybody can repeat bit for bit."""
