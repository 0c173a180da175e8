# SPDX-License-Identifier: Apache-2.0
"""Runs as rows of a table, and what they were told to do differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bcfl.scenarios.definition.differing import differing
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.kit.numbers import number, percent

__all__ = ("HEADS", "ComparedRun", "called", "differences", "facts", "rows")

HEADS = ("run", "seed", "rounds", "loss", "accuracy", "tokens", "thrown out", "honest ones", "gas", "seconds")


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """A run with what it was told and what it came to."""

    directory: Path
    scenario: Scenario
    summary: Summary


def called(runs: Sequence[ComparedRun]) -> tuple[str, ...]:
    """A name for each: its scenario's where these differ, else the directory's, else the path's."""
    for names in ([run.scenario.name for run in runs], [run.directory.resolve().name for run in runs]):
        if len(set(names)) == len(runs):
            return tuple(names)
    return tuple(str(run.directory) for run in runs)


def rows(runs: Sequence[ComparedRun]) -> list[tuple[str, ...]]:
    """What each came to, in the order of ``HEADS``."""
    return [(name, *_numbers(run.summary)) for name, run in zip(called(runs), runs, strict=True)]


def _numbers(summary: Summary) -> tuple[str, ...]:
    found = summary.detection
    return (
        str(summary.seed),
        f"{len(summary.rounds)}{'' if summary.status == 'completed' else f' ({summary.status})'}",
        number(summary.final.loss),
        percent(summary.final.accuracy),
        format_tokens(int(summary.tokens.paid)),
        "–" if found is None else f"{found.ejected_adversaries} of {found.adversaries}",
        "–" if found is None else f"{found.ejected_honest} of {found.honest}",
        f"{summary.gas.total / 1e6:.3g} M",
        f"{summary.timings.total_s:.1f}",
    )


def facts(runs: Sequence[ComparedRun]) -> list[dict[str, Any]]:
    """What each came to, for programs: numbers as ``summary.json`` has them, amounts in base units."""
    return [
        {
            "run": name,
            "directory": str(run.directory),
            "seed": run.summary.seed,
            "status": run.summary.status,
            "rounds": len(run.summary.rounds),
            "final": run.summary.final.model_dump(mode="json"),
            "paid": run.summary.tokens.paid,
            "detection": None
            if run.summary.detection is None
            else run.summary.detection.model_dump(mode="json"),
            "gas": run.summary.gas.total,
            "seconds": run.summary.timings.total_s,
        }
        for name, run in zip(called(runs), runs, strict=True)
    ]


def differences(runs: Sequence[ComparedRun]) -> list[tuple[str, ...]]:
    """Keys of their scenarios that are not the same in all, and what each says; a dash where it lacks the key."""
    found = differing([run.scenario for run in runs])
    return [(key, *("–" if value is None else _written(value) for value in values)) for key, values in found]


def _written(value: object) -> str:
    if isinstance(value, Mapping | list):
        return str(value) if value else "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
