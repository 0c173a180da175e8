# SPDX-License-Identifier: Apache-2.0
"""Defences: from a round's updates to whom to aggregate, whom to pay and whom to send away, with the evidence."""
