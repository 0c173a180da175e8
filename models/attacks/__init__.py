# SPDX-License-Identifier: Apache-2.0
"""Attacks as pure functions of what an adversary knows: on its update, or on its data."""
