# SPDX-License-Identifier: Apache-2.0
"""Where two JSON values differ, by dotted key. Pure."""

from __future__ import annotations

from typing import Any

__all__ = ("differences",)


def differences(said: Any, found: Any, where: str = "") -> list[tuple[str, Any, Any]]:  # noqa: ANN401 - JSON values
    """Key, value and value of each difference; items of lists are numbered from 1, a missing value is None."""
    if isinstance(said, dict) and isinstance(found, dict):
        keys = [*said, *(key for key in found if key not in said)]
        pairs = [(str(key), said.get(key), found.get(key)) for key in keys]
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        pairs = [(str(place), a, b) for place, (a, b) in enumerate(zip(said, found, strict=True), start=1)]
    else:
        return [] if said == found else [(where, said, found)]
    return [part for key, a, b in pairs for part in differences(a, b, f"{where}.{key}" if where else key)]
