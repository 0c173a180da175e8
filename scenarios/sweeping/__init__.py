# SPDX-License-Identifier: Apache-2.0
"""Runs many scenarios: the grid of a sweep, its cells in worker processes, measures, intervals and targets."""
