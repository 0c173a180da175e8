# SPDX-License-Identifier: Apache-2.0
"""How many updates are many: of more, what one of them changes is taken from gradients, not from a model without it."""

from __future__ import annotations

__all__ = ("MANY", "is_many")

MANY = 64


def is_many(updates: int) -> bool:
    """Whether so many updates are more than can each be left out and evaluated."""
    return updates > MANY
