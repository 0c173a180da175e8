# SPDX-License-Identifier: Apache-2.0
"""What a follower is told of a task: how it began, each round that was settled, how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bcfl.models.card import ModelCard
from bcfl.scenarios.outcome.summary import RoundSummary

__all__ = ("Began", "Ended", "Tell", "Told", "flat", "safe_name")


@dataclass(frozen=True, kw_only=True)
class Began:
    """A task.

    Attributes:
        name: of the scenario, or the specification's title; as ``safe_name`` leaves it.
        key: what is this task's alone, however often it is followed: the task's address, and the chain's genesis.
        parameters: what it was to do, by dotted key.
        facts: where and with what: task, chain, program.
    """

    name: str
    key: str
    parameters: Mapping[str, str]
    facts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A task that is over, as ``status`` says how.

    Attributes:
        facts: of its end, the final model's CID among them.
        metrics: of the final model and the whole task.
        scores: of all rounds, by trainer, in units of loss.
        model: the final model's bytes, safetensors; None where nobody has them.
        card: how it is used; None where that is not known.
        files: what else the run left.
    """

    status: str
    facts: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    model: bytes | None = None
    card: ModelCard | None = None
    files: tuple[Path, ...] = ()


Told = Began | RoundSummary | Ended
Tell = Callable[[Told], Awaitable[None]]
"""Whoever is told; the next thing waits for it."""


def safe_name(name: str, otherwise: str) -> str:
    """A stranger's name as part of a path or of a terminal's line: letters, digits and ``-_.``, 64 at most."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    return kept.strip("-.")[:64] or otherwise


def flat(value: object, prefix: str = "") -> dict[str, str]:
    """Nested mappings as text by dotted key; lists as they are written."""
    if isinstance(value, Mapping) and value:
        return {
            key: text
            for name, inner in value.items()
            for key, text in flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: str(value)}
