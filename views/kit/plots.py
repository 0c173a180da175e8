# SPDX-License-Identifier: Apache-2.0
"""Figures of a run: what the report shows and the documentation prints.

Text and axes are drawn in one reserved colour, which the SVG writer replaces by ``currentColor``: the figures take
the page's text colour, in light and dark alike. Above a dozen trainers lines become a band (minimum, median, maximum).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from bcfl.scenarios.definition.tokens import BASE_UNITS
from bcfl.scenarios.outcome.summary import Summary

__all__ = (
    "COLOURS",
    "INK",
    "MOST_LINES",
    "STYLE",
    "as_svg",
    "by_round",
    "figure_of",
    "gas_by_role",
    "loss_and_accuracy",
    "plain",
    "save_png",
    "scores_and_tokens",
    "timeline",
)

# Okabe & Ito 2008: told apart by colour-blind readers, on white and on near-black
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#7F7F7F")
INK = "#010203"
MOST_LINES = 12
_MOST_MARKS = 5000
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bcfl",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": "#8888884D",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
}


def as_svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element that takes the colour of the text around it."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def save_png(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write the figure on white."""
    with mpl.rc_context(STYLE):
        figure.savefig(path, dpi=dpi, facecolor="white", metadata={"Software": None})


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
        _lines_or_band(left, numbers, scores)
        left.axhline(0, color=INK, linewidth=0.8)
        by_round(left, "score")
        _lines_or_band(right, [0, *numbers], {name: [0.0, *values] for name, values in tokens.items()})
        by_round(right, "tokens so far")
        if names:
            handles, labels = right.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=6)
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
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
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


def figure_of(columns: int, *, height: float) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure with panels side by side, ``height`` inches high."""
    # not pyplot: it keeps every figure alive and is bound to one thread
    figure = Figure(figsize=(9.5, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def by_round(axes: Axes, title: str) -> None:
    """Panel of something by round."""
    axes.set_title(title)
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


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


def plain(name: str) -> str:
    """A name as matplotlib's labels need it."""
    # matplotlib reads dollars as mathematics and hides labels that begin with an underscore
    return name.replace("$", r"\$").lstrip("_")
