# SPDX-License-Identifier: Apache-2.0
"""How many mutants the tests killed, and which they did not: a table for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bcfl.contracts.mutation.laboratory import Outcome
from bcfl.contracts.mutation.mutant import Mutant

__all__ = ("Equivalent", "Result", "as_json", "as_markdown", "judged", "read_equivalents", "score")


@dataclass(frozen=True)
class Equivalent:
    """A mutant that no test can kill, and why, as written by hand in ``equivalents.toml``."""

    file: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class Result:
    """A mutant, what became of it, and the reason if it is equivalent; then its verdict is ``equivalent``."""

    mutant: Mutant
    outcome: Outcome
    reason: str = ""


def read_equivalents(path: Path) -> tuple[Equivalent, ...]:
    """The answers to mutants that survive."""
    return tuple(
        Equivalent(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", ())
    )


def judged(found: Iterable[tuple[Mutant, Outcome]], equivalents: Iterable[Equivalent]) -> list[Result]:
    """Results; a survivor that is told by its lines among the equivalents is one."""
    reasons = {(one.file, one.before, one.after): one.reason for one in equivalents}
    results = []
    for mutant, outcome in found:
        reason = reasons.get((mutant.file, mutant.before, mutant.after))
        if outcome.verdict == "survived" and reason is not None:
            results.append(Result(mutant, Outcome("equivalent"), reason))
        else:
            results.append(Result(mutant, outcome))
    return results


def score(results: Iterable[Result]) -> float:
    """Percentage of those killed among those that could be; 100 where there are none."""
    verdicts = [result.outcome.verdict for result in results]
    counted = verdicts.count("killed") + verdicts.count("survived")
    return 100 * verdicts.count("killed") / counted if counted else 100.0


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Everything, with a summary."""
    return {
        "score": round(score(results), 2),
        "mutants": [
            {
                **dataclasses.asdict(result.mutant),
                **dataclasses.asdict(result.outcome),
                "reason": result.reason,
            }
            for result in results
        ],
    }


_VERDICTS = ("killed", "survived", "equivalent", "same", "invalid")


def as_markdown(results: Sequence[Result]) -> str:
    """A row a file, then every survivor and every equivalent with its change."""
    lines = [
        "| file | mutants | killed | survived | equivalent | same code | not compiled | score |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for file in [*dict.fromkeys(result.mutant.file for result in results), "all"]:
        of_it = [result for result in results if file in {result.mutant.file, "all"}]
        verdicts = [result.outcome.verdict for result in of_it]
        numbers = " | ".join(str(verdicts.count(verdict)) for verdict in _VERDICTS)
        lines.append(f"| {file} | {len(of_it)} | {numbers} | {score(of_it):.1f} % |")
    for verdict, title in (("survived", "Survived"), ("equivalent", "Equivalent")):
        chosen = [result for result in results if result.outcome.verdict == verdict]
        lines += ["", f"## {title}", ""] if chosen else []
        for result in chosen:
            mutant = result.mutant
            reason = f": {result.reason}" if result.reason else ""
            lines += [
                f"{mutant.file}:{mutant.line} ({mutant.operator}){reason}",
                "",
                "```diff",
                f"- {mutant.before}",
                f"+ {mutant.after}",
                "```",
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"
