# SPDX-License-Identifier: Apache-2.0
"""Amounts of tokens: decimal text as people write it, whole numbers of base units (10⁻¹⁸) as contracts count."""

from __future__ import annotations

import re

__all__ = ("BASE_UNITS", "CREDIT_UNIT", "format_tokens", "parse_tokens")

BASE_UNITS = 10**18
"""Base units in one token."""

CREDIT_UNIT = 10**9
"""Base units in the smallest credit: the contract counts credits in 10⁻⁹ token, as uint64."""

_DECIMAL = re.compile(r"(\d{1,11})(?:\.(\d{1,9}))?", re.ASCII)
_LARGEST = (2**64 - 1) * CREDIT_UNIT


def parse_tokens(text: str) -> int:
    """Base units of a decimal amount such as ``"100"`` or ``"0.25"``.

    Raises:
        ValueError: not a plain decimal with at most 9 places, or more than a uint64 of credits can hold.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError('write a decimal of at most 9 places in quotes, for example "100" or "0.25"')
    units = int(match[1]) * BASE_UNITS + int((match[2] or "").ljust(18, "0"))
    if units > _LARGEST:
        raise ValueError("write at most 18446744073 tokens: credits are 64 bits of 10⁻⁹ token")
    return units


def format_tokens(base_units: int | str, *, places: int = 4) -> str:
    """An amount in base units as decimal text, rounded half up to ``places`` decimals."""
    scale = 10**places
    value = int(base_units)
    sign, value = ("-", -value) if value < 0 else ("", value)
    scaled = (value * scale + BASE_UNITS // 2) // BASE_UNITS
    whole, rest = divmod(scaled, scale)
    return f"{sign}{whole:,}" + (f".{rest:0{places}d}" if places else "")
