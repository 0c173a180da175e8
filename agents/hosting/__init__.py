# SPDX-License-Identifier: Apache-2.0
"""Agents that live outside a scenario: they find tasks, take part in those that suit them, and survive their process."""
