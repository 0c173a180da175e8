# SPDX-License-Identifier: Apache-2.0
"""Figures of a consortium: who contributed when, what that was paid, and how many answers are right with which model."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bcfl.scenarios.definition.tokens import BASE_UNITS
from bcfl.scenarios.outcome.summary import MemberSummary, Performance, Summary
from bcfl.views.consortium.members import Vocabulary, right
from bcfl.views.kit.canvas import COLOURS, INK, STYLE, by_round, figure_of, headed, legend, plain, say

__all__ = ("contributions", "right_answers", "tokens")

_MOST_ROUNDS = 300
"""Bars beyond them would be thinner than a pixel."""
_ALONE, _POOLED, _TOGETHER = "alone", "pooled", "federated"
_MODELS = {
    _ALONE: ("trained alone", "o", 12, "none"),
    _POOLED: ("everybody's data in one place", "D", 8, COLOURS[1]),
    _TOGETHER: ("the consortium's", "o", 6, COLOURS[0]),
}
"""By measure of a member: what the model is called, and marks that can be told apart on one spot."""


def contributions(summary: Summary) -> Figure:
    """Each member's settled share of every round, stacked; no bar where nothing was useful, or too few judged."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=3.4)
        shown = summary.rounds[:_MOST_ROUNDS]
        numbers = [done.round for done in shown]
        bottom = [0.0] * len(numbers)
        for place, name in enumerate(summary.members):
            shares = [done.scores.get(name, 0.0) for done in shown]
            axes.bar(
                numbers,
                shares,
                bottom=bottom,
                width=0.8,
                color=COLOURS[place % len(COLOURS)],
                hatch="//" if place >= len(COLOURS) else None,
                edgecolor="white" if place >= len(COLOURS) else "none",
                label=plain(name),
            )
            bottom = [low + share for low, share in zip(bottom, shares, strict=True)]
        first = f" (first {_MOST_ROUNDS} rounds)" if len(shown) < len(summary.rounds) else ""
        by_round(axes, f"share of what the others found useful{first}")
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        if summary.members:
            handles, labels = axes.get_legend_handles_labels()
            legend(figure, handles, labels, beside=True)
        if not any(bottom):
            say(axes, "nothing was useful in any round, or too few judged")
        return figure


def tokens(summary: Summary) -> Figure:
    """What each member was credited for training and for judging, one bar a member."""
    with mpl.rc_context(STYLE):
        names = list(summary.members)
        places = range(len(names))
        figure, (axes,) = figure_of(1, height=_height(names))
        training, judging = (
            [int(amount) / BASE_UNITS for amount in amounts]
            for amounts in (
                [member.training_tokens for member in summary.members.values()],
                [member.judging_tokens for member in summary.members.values()],
            )
        )
        axes.barh(places, training, height=0.6, color=COLOURS[0], label="for training")
        axes.barh(places, judging, left=training, height=0.6, color=COLOURS[1], label="for judging")
        _rows(axes, names)
        axes.set_xlabel("tokens")
        if names:
            legend(figure, *axes.get_legend_handles_labels(), beside=True)
        if not any((*training, *judging)):
            say(axes, "nobody was credited anything")
        return figure


def right_answers(summary: Summary, words: Vocabulary) -> Figure:
    """Right answers with each model, one row a member, the counts at its end; models that were not measured are left out."""
    with mpl.rc_context(STYLE):
        names = list(summary.members)
        figure, (axes,) = figure_of(1, height=_height(names))
        for key, (label, marker, size, face) in _MODELS.items():
            found = [
                (row, performance.accuracy)
                for row, member in enumerate(summary.members.values())
                if (performance := _model(member, key)) is not None and performance.accuracy is not None
            ]
            axes.plot(
                [accuracy for _, accuracy in found],
                [row for row, _ in found],
                marker,
                markersize=size,
                color=INK if face == "none" else face,
                markerfacecolor=face,
                markeredgewidth=1.5,
                label=label if found else None,
            )
        for row, member in enumerate(summary.members.values()):
            axes.annotate(_counts(member), (1.01, row), xycoords=("axes fraction", "data"), va="center")
        _rows(axes, names)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        own = any(member.own_test for member in summary.members.values())
        samples = f"{words.samples}{' of its own' if own else ''}"
        headed(axes, f"{samples} judged rightly; at the right how many, in the order of the legend")
        handles, labels = axes.get_legend_handles_labels()
        legend(figure, handles, labels, columns=len(_MODELS))
        return figure


def _model(member: MemberSummary, key: str) -> Performance | None:
    found: Performance | None = getattr(member, key)
    return found


def _counts(member: MemberSummary) -> str:
    """Right answers as counts, in the order of the legend: ``74, 74, 76 of 100``."""
    found = [performance for key in _MODELS if (performance := _model(member, key)) is not None]
    counts = [right(performance.accuracy, performance.samples) for performance in found]
    known = [f"{count:,}" for count in counts if count is not None]
    return f"{', '.join(known)} of {found[0].samples:,}" if known else ""


def _rows(axes: Axes, names: Sequence[str]) -> None:
    """One row a member, the first on top."""
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)


def _height(names: Sequence[str]) -> float:
    return 1.3 + 0.32 * max(len(names), 1)
