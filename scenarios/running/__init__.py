# SPDX-License-Identifier: Apache-2.0
"""Runs a scenario: its chain, its population, the agents hosted in this process, and the log of all they did."""
