# SPDX-License-Identifier: Apache-2.0
"""What a sweep tells its workers, and what they answer: one JSON line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bcfl.scenarios.outcome.summary import Summary

__all__ = ("Answer", "Order")


class Order(BaseModel):
    """Run this scenario in that directory; without ``keep`` the directory is removed afterwards."""

    scenario: dict[str, Any]
    directory: Path
    data_dir: Path | None
    keep: bool


class Answer(BaseModel):
    """The run's summary, or the sentence that says why there is none; ``wall_s`` is what it took.

    ``misbehaved`` are the rounds in which each adversary did.
    """

    wall_s: float
    summary: Summary | None = None
    misbehaved: dict[str, tuple[int, ...]] = {}
    sentence: str | None = None
