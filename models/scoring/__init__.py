# SPDX-License-Identifier: Apache-2.0
"""Scores: what each update of a round contributed, from the losses of coalitions of updates."""
