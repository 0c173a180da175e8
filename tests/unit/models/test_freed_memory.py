# SPDX-License-Identifier: Apache-2.0
"""Freed memory goes back to the system, and a C library that cannot do it stops nobody."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

from bcfl.models import freed_memory


def _resident():
    """MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_holes_between_what_lasts_are_given_back():
    # below the size from which each array would be a mapping of its own
    made = [np.ones(12_000, dtype=np.float64) for _ in range(2_000)]
    lasting = made[::50]
    before = _resident()
    del made
    freed_memory.give_back()
    assert len(lasting) == 40
    assert _resident() < before - 100


def test_another_c_library_stops_nobody(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    freed_memory._trim.cache_clear()
    try:
        freed_memory.give_back()
    finally:
        freed_memory._trim.cache_clear()
