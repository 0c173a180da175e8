# SPDX-License-Identifier: Apache-2.0
"""Who misbehaved, how it was scored, and when it was sent away: as lines of scores, and as one lane a trainer.

Dots are rounds in which a trainer misbehaved (the ground truth), triangles suspensions, crosses ejections.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.kit.canvas import COLOURS, INK, STYLE, by_round, figure_of, legend, plain
from bcfl.views.kit.plots import MOST_LINES, per_round

__all__ = ("lanes", "score_trajectories")

_HONEST = "#7F7F7F"
_MOST_NAMED = 8
_MOST_LANES = 40
_MOST_CELLS = 200
"""In a lane: a page must not hold millions of them."""
_MOST_EDGED = 60
_EMPTY = "#DADADA"
_DARK = "#111111"
"""Of marks on cells: those are light on a dark page too."""
_SUSPENDED, _EJECTED, _MISBEHAVED, _REJECTED = "v", "X", "o", "_"


def score_trajectories(summary: Summary, misbehaved: Mapping[str, Sequence[int]]) -> Figure:
    """Scores by round; honest trainers thin and grey, or a band above a dozen.

    Args:
        summary: of the run.
        misbehaved: the rounds in which each adversary misbehaved.
    """
    numbers = [done.round for done in summary.rounds]
    rows, relative = per_round(
        {name: [done.scores.get(name, math.nan) for done in summary.rounds] for name in _trainers(summary)}
    )
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=3.8)
        by_round(axes, "score by round, of the round's largest" if relative else "score by round")
        _honest(axes, numbers, [row for name, row in rows.items() if name not in misbehaved])
        for place, name in enumerate(name for name in rows if name in misbehaved):
            colour = COLOURS[place % len(COLOURS)]
            label = f"{plain(name)}: {plain(summary.participants[name].behaviour)}"
            axes.plot(
                numbers, rows[name], color=colour, label=label if place < _MOST_NAMED else None, zorder=2.5
            )
            dots = [rows[name][numbers.index(at)] if at in numbers else math.nan for at in misbehaved[name]]
            axes.plot(misbehaved[name], dots, _MISBEHAVED, color=colour, zorder=2.6)
            _sanctions(axes, numbers, rows[name], summary, name, colour)
        for name in rows:
            if name not in misbehaved:
                _sanctions(axes, numbers, rows[name], summary, name, _HONEST)
        handles, labels = axes.get_legend_handles_labels()
        handles += [_mark(marker) for marker in (_MISBEHAVED, _SUSPENDED, _EJECTED)]
        labels += ["misbehaved in this round", "suspended", "thrown out"]
        legend(figure, handles, labels, beside=True)
        return figure


def lanes(summary: Summary, misbehaved: Mapping[str, Sequence[int]]) -> Figure:
    """One lane a trainer, one cell a round: blue for a score above zero, red below, grey where nothing was handed in.

    Adversaries come first. Of many trainers those are left out who were honest and stayed, only the first rounds are drawn of many.

    Args:
        summary: of the run.
        misbehaved: the rounds in which each adversary misbehaved.
    """
    names = _trainers(summary)
    names.sort(key=lambda name: (name not in misbehaved, not _sanctioned(summary, name)))
    names = names[:_MOST_LANES]
    shown = summary.rounds[:_MOST_CELLS]
    numbers = [done.round for done in shown]
    rows, relative = per_round({name: [done.scores.get(name, math.nan) for done in shown] for name in names})
    scores = np.array([rows[name] for name in names]).reshape(len(names), len(numbers))
    most = float(np.nanmax(np.abs(scores), initial=0.0)) or 1.0
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=1.3 + 0.27 * max(len(names), 1))
        axes.grid(visible=False)
        axes.set_facecolor(_EMPTY)
        if scores.size:
            edges = [number - 0.5 for number in (*numbers, numbers[-1] + 1)]
            image = axes.pcolormesh(
                edges,
                np.arange(len(names) + 1) - 0.5,
                np.ma.masked_invalid(scores),
                cmap="RdBu",
                norm=TwoSlopeNorm(0.0, -most, most),
                edgecolors="#88888866" if len(numbers) <= _MOST_EDGED else "none",
                linewidth=0.6,
            )
            figure.colorbar(image, ax=axes, label="score ÷ largest" if relative else "score", pad=0.01)
        for lane, name in enumerate(names):
            _marks(axes, lane, name, summary, misbehaved.get(name, ()), frozenset(numbers))
        axes.set_yticks(range(len(names)), [_label(summary, name, misbehaved) for name in names])
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        first = f" (first {_MOST_CELLS} rounds)" if len(shown) < len(summary.rounds) else ""
        by_round(axes, f"what each trainer did, and what was done to it{first}")
        kinds = {
            _MISBEHAVED: "misbehaved",
            _REJECTED: "not counted",
            _SUSPENDED: "suspended",
            _EJECTED: "thrown out",
        }
        legend(figure, [_mark(marker) for marker in kinds], list(kinds.values()), columns=4)
        return figure


def _trainers(summary: Summary) -> list[str]:
    return [name for name, who in summary.participants.items() if who.role == "trainer"]


def _sanctioned(summary: Summary, name: str) -> bool:
    who = summary.participants[name]
    return bool(who.suspensions) or who.ejected_round is not None


def _label(summary: Summary, name: str, misbehaved: Mapping[str, Sequence[int]]) -> str:
    behaviour = summary.participants[name].behaviour
    return plain(f"{name} ({behaviour})") if name in misbehaved else plain(name)


def _marks(
    axes: Axes, lane: int, name: str, summary: Summary, misbehaved: Sequence[int], shown: frozenset[int]
) -> None:
    rejected = [done.round for done in summary.rounds if name in done.rejected]
    who = summary.participants[name]
    ejected = [] if who.ejected_round is None else [who.ejected_round]
    for rounds, marker, shift, size in (
        (misbehaved, _MISBEHAVED, -0.3, 4),
        (rejected, _REJECTED, 0.0, 7),
        ([suspension.round for suspension in who.suspensions], _SUSPENDED, 0.3, 6),
        (ejected, _EJECTED, 0.0, 8),
    ):
        places = [number + shift for number in rounds if number in shown]
        edge = _DARK if marker == _REJECTED else "white"
        axes.plot(
            places,
            [lane] * len(places),
            marker,
            color=_DARK,
            markersize=size,
            markeredgecolor=edge,
            markeredgewidth=0.7,
            zorder=3,
        )


def _honest(axes: Axes, numbers: Sequence[int], rows: Sequence[Sequence[float]]) -> None:
    if len(rows) <= MOST_LINES:
        for place, row in enumerate(rows):
            axes.plot(numbers, row, color=_HONEST, linewidth=1, label=None if place else "honest")
        return
    columns = [[x for x in column if not math.isnan(x)] for column in zip(*rows, strict=True)]
    low = [min(column, default=math.nan) for column in columns]
    high = [max(column, default=math.nan) for column in columns]
    axes.fill_between(numbers, low, high, color=_HONEST, alpha=0.3, linewidth=0, label="honest, all of them")


def _sanctions(
    axes: Axes, numbers: Sequence[int], row: Sequence[float], summary: Summary, name: str, colour: str
) -> None:
    """Marks on the trainer's line, or where it ended: whoever is suspended hands in nothing more."""
    who = summary.participants[name]
    marks = [(suspension.round, _SUSPENDED) for suspension in who.suspensions]
    marks += [(who.ejected_round, _EJECTED)] if who.ejected_round is not None else []
    for at, marker in marks:
        known = [x for n, x in zip(numbers, row, strict=True) if n <= at and not math.isnan(x)]
        height = known[-1] if known else 0.0
        axes.plot([at], [height], marker, color=colour, markersize=9, markeredgecolor="white", zorder=3)


def _mark(marker: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=INK)
