# SPDX-License-Identifier: Apache-2.0
"""Quantising and packing: scores, bitmaps, token amounts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bcfl.contracts.ids import TrainerIndex

__all__ = (
    "SCORE_UNIT",
    "from_bitmap",
    "pack_scores",
    "quantise",
    "to_bitmap",
    "unpack_amounts",
    "unpack_scores",
)

SCORE_UNIT = 10**9
_LIMIT = 2**63 - 1


def quantise(score: float) -> int:
    """A score in the contract's 10⁻⁹ units, rounded half to even, clipped to int64; a non-finite one is 0."""
    if not math.isfinite(score):
        return 0
    scaled = score * SCORE_UNIT  # may overflow to an infinity, which has no integer
    if abs(scaled) >= _LIMIT:
        return _LIMIT if scaled > 0 else -_LIMIT
    return round(scaled)


def pack_scores(scores: Sequence[int]) -> bytes:
    """int64 big-endian, 8 bytes a score."""
    return b"".join(score.to_bytes(8, "big", signed=True) for score in scores)


def unpack_scores(data: bytes) -> tuple[int, ...]:
    """The inverse of ``pack_scores``."""
    return tuple(int.from_bytes(data[i : i + 8], "big", signed=True) for i in range(0, len(data), 8))


def unpack_amounts(data: bytes) -> tuple[int, ...]:
    """uint64 big-endian, 8 bytes an amount of 10⁻⁹ token."""
    return tuple(int.from_bytes(data[i : i + 8], "big") for i in range(0, len(data), 8))


def to_bitmap(indices: Iterable[int], members: int) -> tuple[int, ...]:
    """Words of 256 members, lowest first, as many as ``members`` take."""
    words = [0] * ((members + 255) // 256)
    for index in indices:
        words[index >> 8] |= 1 << (index & 0xFF)
    return tuple(words)


def from_bitmap(words: Sequence[int]) -> tuple[TrainerIndex, ...]:
    """Indices of the set bits, ascending."""
    return tuple(
        TrainerIndex(place * 256 + bit)
        for place, word in enumerate(words)
        for bit in range(256)
        if word >> bit & 1
    )
