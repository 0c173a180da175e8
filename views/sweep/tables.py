# SPDX-License-Identifier: Apache-2.0
"""The tables of a sweep as cells of text, for a terminal, a page and a Markdown file alike."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bcfl.scenarios.sweeping.file import ABSENT, NONE
from bcfl.scenarios.sweeping.intervals import Estimate, Observation, quantile, ratio
from bcfl.scenarios.sweeping.measures import Measured
from bcfl.scenarios.sweeping.targets import TargetResult

__all__ = ("TextTable", "failures", "markdown", "results", "targets_table")

_MOST_PAID = 10


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A title, heads and rows; the columns at ``text`` stand left."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: tuple[int, ...] = ()


def targets_table(findings: Sequence[TargetResult]) -> TextTable:
    """Every target, the missed first, with what was measured, its 95 % interval and, where it is known, why it is missed."""
    missed = sum(not finding.met for finding in findings)
    heads: tuple[str, ...] = ("target", "", "wanted", "measured", "95 % interval", "of", "cells", "clients")
    causes = tuple("" if finding.met else finding.target.cause for finding in findings)
    rows = tuple(_target(finding) for finding in findings)
    text: tuple[int, ...] = (1, 5)
    if any(causes):
        heads = (*heads[:5], "why it is missed", *heads[5:])
        rows = tuple((*row[:5], cause, *row[5:]) for row, cause in zip(rows, causes, strict=True))
        text = (1, 5, 6)
    return TextTable(
        title=f"Targets: {len(findings) - missed} met, {missed} missed", heads=heads, rows=rows, text=text
    )


def results(measured: Sequence[Measured]) -> TextTable:
    """One row a defence, attack, fraction, heterogeneity and number of trainers, over its seeds; what it tells depends on whether anybody attacks."""
    nobody = all(one.labels.attack == NONE for one in measured)
    groups: dict[tuple[str, str, float, str, int], list[Measured]] = defaultdict(list)
    for one in measured:
        labels = one.labels
        if labels.attack != ABSENT and one.status != "failed":
            point = (labels.defence, labels.attack, labels.fraction, labels.heterogeneity, labels.trainers)
            groups[point].append(one)
    if nobody:
        return TextTable(
            title="Results",
            heads=("data", "defence", "trainers", "seeds", "genesis loss", "loss", "accuracy", "last round's pay ÷ first's", "tokens of each", "seconds"),
            rows=tuple(tuple(_learnt(point, part)) for point, part in groups.items()),
            text=(1, 8),
        )  # fmt: skip
    return TextTable(
        title="Results",
        heads=(
            "defence", "attack", "adversaries", "data", "trainers", "seeds",
            "recall", "honest ejected", "rounds to eject", "reward share", "accuracy", "gap, points", "seconds",
        ),
        rows=tuple(tuple(_result(point, part)) for point, part in sorted(groups.items())),
        text=(1, 3),
    )  # fmt: skip


def failures(measured: Sequence[Measured]) -> TextTable:
    """The cells that failed, with the sentence."""
    rows = tuple((one.labels.name, one.sentence or "") for one in measured if one.status == "failed")
    return TextTable(title=f"Failed cells: {len(rows)}", heads=("cell", "why"), rows=rows, text=(1,))


def markdown(tables: Sequence[TextTable]) -> str:
    """The tables as GitHub shows them."""
    return "\n".join(line for table in tables for line in _markdown(table))


def _markdown(table: TextTable) -> Iterator[str]:
    yield f"## {table.title}\n"
    yield "| " + " | ".join(head or " " for head in table.heads) + " |"
    marks = ("---" if place == 0 or place in table.text else "---:" for place in range(len(table.heads)))
    yield "|" + "|".join(marks) + "|"
    for row in table.rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def _target(finding: TargetResult) -> tuple[str, ...]:
    target, estimate = finding.target, finding.estimate
    over = f" (worst: {finding.worst})" if finding.worst else ""
    failed = f", {finding.failed} failed" if finding.failed else ""
    return (
        target.name,
        "met" if finding.met else "MISSED",
        target.bound,
        "no cells" if estimate is None else _number(estimate.value),
        "–" if estimate is None else f"{_number(estimate.low)} to {_number(estimate.high)}",
        f"{target.statistic} {target.metric}{over}",
        f"{finding.cells}{failed}",
        str(finding.clients),
    )


def _result(point: tuple[str, str, float, str, int], part: Sequence[Measured]) -> Iterator[str]:
    defence, attack, fraction, heterogeneity, trainers = point
    yield from (defence, attack, f"{100 * fraction:g} %", heterogeneity, str(trainers))
    yield str(len({one.labels.seed for one in part}))
    yield _share(_pooled(part, lambda one: (one.ejected_adversaries, len(one.adversaries))))
    yield _share(_pooled(part, lambda one: (one.ejected_honest, one.joined_honest)))
    rounds = [
        Observation(seed=one.labels.seed, value=number) for one in part for number in one.rounds_to_eject
    ]
    middle, late = quantile(rounds, 0.5), quantile(rounds, 0.95)
    yield "–" if middle is None or late is None else f"{_number(middle.value)} / {_number(late.value)}"
    nobody = attack == NONE
    for metric, scale, shown in (
        ("reward_share", 100, "{:.1f} %"),
        ("accuracy", 100, "{:.2f} %"),
        ("accuracy_gap", 100, "{:.2f}"),
        ("wall_s", 1, "{:.0f}"),
    ):
        values = [value for one in part if (value := one.values[metric]) is not None]
        empty = not values or (nobody and metric in ("reward_share", "accuracy_gap"))
        yield "–" if empty else shown.format(scale * sum(values) / len(values))


def _learnt(point: tuple[str, str, float, str, int], part: Sequence[Measured]) -> Iterator[str]:
    """Means over seeds, of everybody's tokens too, in the scenario's order."""
    defence, _, _, heterogeneity, trainers = point
    yield from (heterogeneity, defence, str(trainers), str(len({one.labels.seed for one in part})))
    for metric, shown in (
        ("genesis_loss", "{:.4g}"),
        ("loss", "{:.4g}"),
        ("accuracy", "{:.2%}"),
        ("last_round_pay", "{:.3g}"),
    ):
        values = [value for one in part if (value := one.values[metric]) is not None]
        yield shown.format(sum(values) / len(values)) if values else "–"
    names = list(part[0].tokens)[:_MOST_PAID]
    means = (sum(one.tokens.get(name, 0.0) for one in part) / len(part) for name in names)
    more = " …" if len(part[0].tokens) > _MOST_PAID else ""
    yield " ".join(f"{mean:.3g}" for mean in means) + more
    yield f"{sum(one.values['wall_s'] or 0.0 for one in part) / len(part):.0f}"


def _pooled(part: Sequence[Measured], counts: Callable[[Measured], tuple[int, int]]) -> Estimate | None:
    pairs = [(one.labels.seed, *counts(one)) for one in part]
    return ratio([Observation(seed=seed, value=some, of=whole) for seed, some, whole in pairs])


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.0f}–{100 * estimate.high:.0f})"


def _number(value: float) -> str:
    if math.isinf(value):
        return "never"
    return f"{value:.4g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"
