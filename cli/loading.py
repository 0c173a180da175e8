# SPDX-License-Identifier: Apache-2.0
"""Words on a terminal for the seconds that torch and web3 take to load, before there is a view to say anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ("loading",)

_CLEAR = "\r\x1b[2K"


@contextmanager
def loading() -> Iterator[None]:
    """Say that it is loading for the length of the block, and leave nothing of it; no word where nobody looks."""
    if not sys.stdout.isatty():
        yield
        return
    sys.stdout.write("loading …")
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write(_CLEAR)
        sys.stdout.flush()
