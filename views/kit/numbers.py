# SPDX-License-Identifier: Apache-2.0
"""Numbers as every view writes them; a measure that is missing is a dash."""

from __future__ import annotations

__all__ = ("MISSING", "number", "percent")

MISSING = "–"


def number(value: float | None, *, places: int = 4, sign: bool = False) -> str:
    """With so many decimal places; a small negative number is no negative zero."""
    if value is None:
        return MISSING
    return f"{value:+.{places}f}" if sign else f"{value:z.{places}f}"


def percent(value: float | None, *, places: int = 2) -> str:
    """A share of 1 in percent."""
    return MISSING if value is None else f"{value:.{places}%}"
