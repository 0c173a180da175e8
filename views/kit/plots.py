# SPDX-License-Identifier: Apache-2.0
"""Figures of a run: what the report shows and the documentation prints.

Above a dozen trainers lines become a band (minimum, median, maximum).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from bcfl.scenarios.definition.tokens import BASE_UNITS
from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.kit.canvas import COLOURS, INK, STYLE, by_round, figure_of, legend, plain, say

__all__ = (
    "MOST_LINES",
    "gas_by_role",
    "loss_and_accuracy",
    "per_round",
    "scores_and_tokens",
    "timeline",
)

MOST_LINES = 12
_MOST_MARKS = 5000
_FAR_APART = 20
"""Times: a round that is so much smaller than another cannot be seen on its scale."""


def loss_and_accuracy(summary: Summary) -> Figure:
    """The global model's loss and accuracy by round from the genesis, with the trainers' own losses beside them."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = figure_of(2, height=3.4)
        numbers = [0, *(done.round for done in summary.rounds)]
        losses = [summary.genesis.loss, *(done.global_loss for done in summary.rounds)]
        accuracies = [summary.genesis.accuracy, *(done.global_accuracy for done in summary.rounds)]
        left.plot(numbers, _gaps(losses), marker="o", color=COLOURS[0], label="global model")
        for label, colour, values in (
            (
                "members, own data (median)" if summary.members else "trainers, own data (median)",
                COLOURS[1],
                [done.local_loss.values() for done in summary.rounds],
            ),
            (
                "trainers, validation set (median)",
                COLOURS[2],
                [done.validation_loss.values() for done in summary.rounds],
            ),
        ):
            medians = [_median(row) for row in values]
            if any(not math.isnan(value) for value in medians):
                left.plot(numbers[1:], medians, marker=".", linestyle="--", color=colour, label=label)
        by_round(left, "loss (mean cross-entropy)")
        if all(loss > 0 for loss in _gaps(losses) if not math.isnan(loss)):
            left.set_yscale("log")  # else the first round hides all later ones
            left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            left.yaxis.set_major_formatter("{x:g}")
            left.yaxis.set_minor_locator(NullLocator())
        else:
            left.set_ylim(bottom=0)
        left.legend()
        right.plot(numbers, _gaps(accuracies), marker="o", color=COLOURS[0])
        by_round(right, "accuracy of the global model")
        return figure


def scores_and_tokens(summary: Summary) -> Figure:
    """Each trainer's score by round, and the tokens that it has so far: credited, and not forfeited by an ejection."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = figure_of(2, height=3.6)
        names = [name for name, participant in summary.participants.items() if participant.role == "trainer"]
        numbers = [done.round for done in summary.rounds]
        scores = {name: [done.scores.get(name, math.nan) for done in summary.rounds] for name in names}
        tokens = {name: _running(name, summary) for name in names}
        scores, relative = per_round(scores)
        _lines_or_band(left, numbers, scores)
        left.axhline(0, color=INK, linewidth=0.8)
        by_round(left, "score, of the round's largest" if relative else "score")
        _lines_or_band(right, [0, *numbers], {name: [0.0, *values] for name, values in tokens.items()})
        by_round(right, "tokens so far")
        if names:
            handles, labels = right.get_legend_handles_labels()
            legend(figure, handles, labels)
        return figure


def gas_by_role(summary: Summary) -> Figure:
    """Gas of each role's transactions, stacked by round."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=3.0)
        numbers = [done.round for done in summary.rounds]
        bottom = [0.0] * len(numbers)
        for position, role in enumerate(sorted({role for done in summary.rounds for role in done.gas})):
            used = [done.gas.get(role, 0) / 1e6 for done in summary.rounds]
            axes.bar(
                numbers, used, bottom=bottom, width=0.6, color=COLOURS[position % len(COLOURS)], label=role
            )
            bottom = [low + more for low, more in zip(bottom, used, strict=True)]
        by_round(axes, "gas (millions)")
        if any(bottom):
            legend(figure, *axes.get_legend_handles_labels(), beside=True)
        else:
            say(axes, "no transaction of a round was included")
        return figure


def timeline(events: Iterable[Mapping[str, Any]]) -> Figure:
    """In which blocks each kind of chain event happened.

    By block, not by time: a driven clock jumps over the hours in which nobody acts.
    """
    blocks: dict[str, list[int]] = {}
    for record in events:
        name, block = record.get("event"), record.get("block")
        if record.get("source") == "chain" and isinstance(name, str) and isinstance(block, int):
            blocks.setdefault(name, []).append(block)
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=0.9 + 0.27 * max(len(blocks), 1))
        names = sorted(blocks, key=lambda name: min(blocks[name]), reverse=True)
        for height, name in enumerate(names):
            # a block is drawn once: a thousand trainers must not make a huge page
            row = sorted(set(blocks[name]))
            marks = row[:: 1 + len(row) * len(names) // _MOST_MARKS]
            colour = COLOURS[(len(names) - 1 - height) % len(COLOURS)]
            axes.plot(marks, [height] * len(marks), "|", color=colour, markersize=9, markeredgewidth=1.8)
        axes.set_yticks(range(len(names)), [f"{name} ({len(blocks[name]):,})" for name in names])
        axes.set_ylim(-0.7, max(len(names), 1) - 0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("block")
        return figure


def per_round(rows: Mapping[str, Sequence[float]]) -> tuple[dict[str, list[float]], bool]:
    """Scores by name, each divided by its round's largest where rounds are far apart; and whether they do.

    The first rounds of a task teach most: on one scale all later ones would look like nothing.
    """
    columns = list(zip(*rows.values(), strict=True))
    most = [max((abs(x) for x in column if not math.isnan(x)), default=0.0) for column in columns]
    worth = [one for one in most if one > 0]
    if not worth or max(worth) <= _FAR_APART * min(worth):
        return {name: list(values) for name, values in rows.items()}, False
    return {
        name: [value / largest if largest else value for value, largest in zip(values, most, strict=True)]
        for name, values in rows.items()
    }, True


def _gaps(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _median(values: Iterable[float | None]) -> float:
    known = sorted(value for value in values if value is not None)
    if not known:
        return math.nan
    middle = len(known) // 2
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2


def _running(name: str, summary: Summary) -> list[float]:
    """Tokens after each round; an ejection leaves what had vested, which is all that is paid out in the end."""
    who = summary.participants[name]
    total, values = 0, []
    for done in summary.rounds:
        total += int(done.tokens.get(name, "0"))
        if who.ejected_round is not None and done.round >= who.ejected_round:
            total = int(who.tokens)
        values.append(total / BASE_UNITS)
    return values


def _lines_or_band(axes: Axes, numbers: Sequence[int], rows: Mapping[str, Sequence[float]]) -> None:
    if len(rows) <= MOST_LINES:
        for position, (name, values) in enumerate(rows.items()):
            style = "-" if position < len(COLOURS) else "--"
            axes.plot(
                numbers,
                values,
                style,
                marker="o",
                color=COLOURS[position % len(COLOURS)],
                label=plain(name),
            )
        return
    columns = [
        [value for value in column if not math.isnan(value)] for column in zip(*rows.values(), strict=True)
    ]
    low = [min(column, default=math.nan) for column in columns]
    high = [max(column, default=math.nan) for column in columns]
    axes.fill_between(
        numbers, low, high, color=COLOURS[0], alpha=0.25, linewidth=0, label="minimum to maximum"
    )
    axes.plot(numbers, [_median(column) for column in columns], marker="o", color=COLOURS[0], label="median")
