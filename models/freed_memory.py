# SPDX-License-Identifier: Apache-2.0
"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

__all__ = ("give_back",)


def give_back() -> None:
    """Return to the system what the C library holds of freed memory (malloc_trim(3)), where it can.

    Models of a few hundred kilobytes that many threads make and drop leave holes between what lasts: a run of a thousand
    trainers would keep some 60 MiB more with each round.
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return lambda _: None
    return trim
