# SPDX-License-Identifier: Apache-2.0
"""How experiments are told: scenario files, their runner and what a run leaves."""
