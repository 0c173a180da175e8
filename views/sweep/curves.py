# SPDX-License-Identifier: Apache-2.0
"""Curves of a sweep: how well models learn round by round, and against more and more adversaries, with 95 % intervals by seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bcfl.scenarios.definition.tokens import BASE_UNITS
from bcfl.scenarios.sweeping.file import ABSENT, AS_BASE
from bcfl.scenarios.sweeping.intervals import Observation, ratio
from bcfl.scenarios.sweeping.measures import Measured
from bcfl.scenarios.sweeping.sweep import Outcome
from bcfl.views.kit.canvas import COLOURS, STYLE, by_round, figure_of, headed, legend, plain

__all__ = ("accuracy_by_round", "gap_by_fraction", "loss_by_round", "tokens_by_round")

_MOST_PANELS = 3
_MOST_LINES = 8
_FOOT = 0.02
_ALPHA = 0.2

Points = Mapping[float, Sequence[Observation]]
"""Observations by where they stand on the horizontal axis."""


def accuracy_by_round(outcomes: Sequence[Outcome]) -> Figure:
    """The global model's accuracy by round, a panel a defence, a line a fraction of adversaries; means over attacks and seeds."""
    rows: dict[str, dict[float, dict[float, list[Observation]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for outcome in outcomes:
        labels, summary = outcome.cell.labels, outcome.result.summary
        if summary is None or labels.attack == ABSENT:
            continue
        for done in summary.rounds:
            if done.global_accuracy is not None:
                seen = Observation(seed=labels.seed, value=done.global_accuracy)
                rows[labels.defence][labels.fraction][done.round].append(seen)
    shown = _commonest(rows)
    with mpl.rc_context(STYLE):
        figure, panels = figure_of(max(len(shown), 1), height=3.4)
        for axes, defence in zip(panels, shown, strict=False):
            for place, (fraction, points) in enumerate(sorted(rows[defence].items())[:_MOST_LINES]):
                _line(
                    axes, points, place, f"{100 * fraction:g} % adversaries" if fraction else "nobody attacks"
                )
            by_round(axes, f"{plain(defence)}: accuracy")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        if shown:
            labels_of = {
                label: line
                for axes in panels
                for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
            }
            legend(figure, list(labels_of.values()), list(labels_of))
        return figure


def loss_by_round(outcomes: Sequence[Outcome]) -> Figure:
    """The global model's loss from the genesis on, a line a scenario (or heterogeneity) and defence, means over seeds."""
    rows: dict[str, dict[float, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        summary, seed = outcome.result.summary, outcome.cell.labels.seed
        if summary is None:
            continue
        losses = {0: summary.genesis.loss} | {done.round: done.global_loss for done in summary.rounds}
        for number, loss in losses.items():
            if loss is not None:
                rows[_named(outcome)][number].append(Observation(seed=seed, value=loss))
    return _lines(rows, "loss (mean cross-entropy)")


def tokens_by_round(outcomes: Sequence[Outcome]) -> Figure:
    """What a round paid all trainers together, as ``loss_by_round``; a round that paid nothing has a cross at the foot of the scale."""
    nothing: dict[str, list[float]] = defaultdict(list)
    rows: dict[str, dict[float, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        summary, seed = outcome.result.summary, outcome.cell.labels.seed
        for done in summary.rounds if summary is not None else ():
            paid = sum(int(amount) for amount in done.tokens.values()) / BASE_UNITS
            if paid:
                rows[_named(outcome)][done.round].append(Observation(seed=seed, value=paid))
            else:
                nothing[_named(outcome)].append(done.round)
    return _lines(rows, "tokens that the round paid", nothing)


def _named(outcome: Outcome) -> str:
    labels = outcome.cell.labels
    return labels.heterogeneity if labels.defence == AS_BASE else f"{labels.heterogeneity}, {labels.defence}"


def _lines(
    rows: Mapping[str, Points], title: str, nothing: Mapping[str, Collection[float]] | None = None
) -> Figure:
    """A line each on a logarithmic scale; ``nothing``: where a line's values are zero, which that scale does not have."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=3.6)
        for place, name in enumerate(list(rows)[:_MOST_LINES]):
            _line(axes, rows[name], place, plain(name))
            zeros = sorted(set((nothing or {}).get(name, ())))
            foot = axes.get_xaxis_transform()
            axes.plot(zeros, [_FOOT] * len(zeros), "x", color=COLOURS[place % len(COLOURS)], transform=foot)
        title += " (×: a run that paid nothing)" if nothing else ""
        more = f"; the first {_MOST_LINES} of {len(rows)}" if len(rows) > _MOST_LINES else ""
        by_round(axes, f"{title}{more}")
        axes.set_yscale("log")
        if rows:
            legend(figure, *axes.get_legend_handles_labels(), beside=True)
        return figure


def gap_by_fraction(measured: Sequence[Measured]) -> Figure:
    """What attacks cost in accuracy, in points, against the fraction of adversaries: a line a defence, means over attacks."""
    rows: dict[str, dict[float, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for one in measured:
        gap = one.values.get("accuracy_gap")
        if gap is not None and one.labels.fraction:
            rows[one.labels.defence][100 * one.labels.fraction].append(
                Observation(seed=one.labels.seed, value=100 * gap)
            )
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=3.6)
        for place, defence in enumerate(_commonest(rows, most=_MOST_LINES)):
            _line(axes, rows[defence], place, plain(defence))
        headed(axes, "accuracy lost, in points: the mean over attacks")
        axes.set_xlabel("adversaries, % of the trainers")
        if rows:
            legend(figure, *axes.get_legend_handles_labels(), beside=True)
        return figure


def _commonest(rows: Mapping[str, Mapping[float, object]], *, most: int = _MOST_PANELS) -> list[str]:
    """The defences with the most points: those that a sweep is about."""
    return [
        name for name, _ in Counter({name: len(points) for name, points in rows.items()}).most_common(most)
    ]


def _line(axes: Axes, points: Points, place: int, label: str) -> None:
    found = [(at, estimate) for at, seen in sorted(points.items()) if (estimate := ratio(seen)) is not None]
    colour = COLOURS[place % len(COLOURS)]
    places = [at for at, _ in found]
    axes.plot(places, [one.value for _, one in found], marker="o", color=colour, label=label)
    axes.fill_between(
        places,
        [one.low for _, one in found],
        [one.high for _, one in found],
        color=colour,
        alpha=_ALPHA,
        linewidth=0,
    )
