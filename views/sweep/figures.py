# SPDX-License-Identifier: Apache-2.0
"""Figures of a sweep: the worst case over attacks, attacks against defences, who is paid, and what fast ejection costs.

The heatmap of fraction × heterogeneity with the worst attack of each is byzfl's (El-Mhamdi et al. 2025, arXiv 2505.24802).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bcfl.scenarios.sweeping.file import ABSENT, NONE
from bcfl.scenarios.sweeping.measures import Measured, at_least
from bcfl.scenarios.sweeping.sweep import Outcome
from bcfl.views.kit.canvas import COLOURS, INK, STYLE, by_round, figure_of, headed, legend, plain
from bcfl.views.kit.trajectories import score_trajectories

__all__ = (
    "attacked",
    "attacks_by_defence",
    "defences",
    "ejections",
    "reward_shares",
    "telling",
    "trajectory",
    "worst_case",
)

_MOST_PANELS = 3
_MOST_DEFENCES = 8
_MOST_NAMED = 2
_DARK = "#111111"
_DIM = 0.45
"""Luminance below which writing has to be white."""


def attacked(measured: Sequence[Measured]) -> list[Measured]:
    """The cells that ran with an attack: neither references nor failures."""
    return [one for one in measured if one.labels.attack not in (NONE, ABSENT) and one.status != "failed"]


def defences(measured: Sequence[Measured]) -> list[str]:
    """The defences, that with the most attacked cells first."""
    counted = Counter(one.labels.defence for one in attacked(measured))
    return [name for name, _ in counted.most_common()]


def worst_case(measured: Sequence[Measured]) -> Figure:
    """The largest mean accuracy gap of any attack, in percentage points, by fraction and heterogeneity."""
    shown = defences(measured)[:_MOST_PANELS]
    cells = [one for one in attacked(measured) if one.values["accuracy_gap"] is not None]
    fractions = sorted({one.labels.fraction for one in cells})
    rows = sorted({one.labels.heterogeneity for one in cells})
    with mpl.rc_context(STYLE):
        figure, panels = figure_of(max(len(shown), 1), height=1.3 + 0.5 * max(len(rows), 1), stacked=True)
        for axes, defence in zip(panels, shown, strict=False):
            gaps = np.full((len(rows), len(fractions)), math.nan)
            words: dict[tuple[int, int], str] = {}
            for place, row in enumerate(rows):
                for column, fraction in enumerate(fractions):
                    by_attack = _grouped(
                        (
                            one
                            for one in cells
                            if (one.labels.defence, one.labels.heterogeneity, one.labels.fraction)
                            == (defence, row, fraction)
                        ),
                        lambda one: one.labels.attack,
                    )
                    means = {name: 100 * _mean(part, "accuracy_gap") for name, part in by_attack.items()}
                    if means:
                        worst = max(means, key=lambda name: means[name])
                        gaps[place, column] = means[worst]
                        words[place, column] = f"{means[worst]:.1f}\n{plain(worst)}"
            _cells(
                axes, gaps, words, low=0.0, high=max(float(np.nanmax(gaps, initial=0.0)), 3.0), cmap="YlOrRd"
            )
            axes.set_xticks(range(len(fractions)), [f"{100 * fraction:g} %" for fraction in fractions])
            axes.set_yticks(range(len(rows)), [plain(row) for row in rows])
            headed(axes, f"{plain(defence)}: gap in points, worst attack (hatched: not run)")
            axes.set_xlabel("adversaries")
        return figure


def attacks_by_defence(measured: Sequence[Measured]) -> Figure:
    """Pooled F1 of ejections, and the adversaries' mean share of the rewards, for every attack under every defence."""
    cells = attacked(measured)
    shown = defences(measured)[:_MOST_DEFENCES]
    # judges who misbehave are nobody's to eject, and earn no rewards
    names = sorted({one.labels.attack for one in cells if one.adversaries or one.ejected_adversaries})
    with mpl.rc_context(STYLE):
        figure, (left, right) = figure_of(2, height=1.5 + 0.33 * max(len(names), 1))
        for axes, title, value, cmap in (
            (left, "F1 of ejections", _f1, "RdYlGn"),
            (right, "share of the rewards", lambda part: _mean(part, "reward_share"), "YlOrRd"),
        ):
            values = np.full((len(names), len(shown)), math.nan)
            for row, name in enumerate(names):
                for column, defence in enumerate(shown):
                    part = [
                        one for one in cells if (one.labels.attack, one.labels.defence) == (name, defence)
                    ]
                    values[row, column] = value(part)
            words = {
                (row, column): f"{values[row, column]:.2f}"
                for row, column in np.ndindex(values.shape)
                if not math.isnan(values[row, column])
            }
            _cells(axes, values, words, low=0.0, high=1.0 if axes is left else 0.4, cmap=cmap)
            slanted: dict[str, Any] = {"rotation": 35, "ha": "right"} if len(shown) > _MOST_PANELS else {}
            axes.set_xticks(range(len(shown)), [plain(name) for name in shown], **slanted)
            axes.set_yticks(range(len(names)), [plain(name) for name in names] if _begins_a_row(axes) else [])
            headed(axes, title)
        return figure


def reward_shares(outcomes: Sequence[Outcome]) -> Figure:
    """Of all tokens credited up to a round, what adversaries had: the mean of all cells (area) and of each attack (lines)."""
    found = _shares_by_round(outcomes)
    shown = [name for name, _ in Counter({name: len(rows) for name, rows in found.items()}).most_common()][
        :_MOST_PANELS
    ]
    with mpl.rc_context(STYLE):
        figure, panels = figure_of(max(len(shown), 1), height=3.4)
        for axes, defence in zip(panels, shown, strict=False):
            rows = found[defence]
            length = max(len(row) for _, row in rows)
            numbers = range(1, length + 1)
            mean = _columns(rows, length)
            axes.stackplot(
                numbers,
                mean,
                1 - mean,
                labels=["adversaries", "honest"],
                colors=[COLOURS[5], COLOURS[2]],
                alpha=0.75,
            )
            for _, part in sorted(_grouped(rows, lambda row: row[0]).items()):
                axes.plot(numbers, _columns(part, length), color=INK, linewidth=0.7, alpha=0.6)
            axes.set_ylim(0, 1)
            axes.set_xlim(1, max(length, 2))
            by_round(axes, f"{plain(defence)}: share of all rewards so far")
        if shown:
            handles, labels = panels[0].get_legend_handles_labels()
            legend(figure, handles, labels, columns=2)
        return figure


def telling(outcomes: Sequence[Outcome]) -> Outcome | None:
    """One cell to look into: of those where most adversaries were ejected the first; None without an attack."""
    candidates = [
        outcome
        for outcome in outcomes
        if outcome.result.summary is not None and outcome.cell.labels.attack not in (NONE, ABSENT)
    ]

    def ejected(outcome: Outcome) -> int:
        detection = outcome.result.summary.detection if outcome.result.summary else None
        return 0 if detection is None else detection.ejected_adversaries

    return max(candidates, key=ejected, default=None)


def trajectory(outcome: Outcome) -> Figure:
    """Scores by round of one cell, which must not have failed."""
    assert outcome.result.summary is not None  # noqa: S101 - for mypy: telling gives no other
    return score_trajectories(outcome.result.summary, outcome.result.misbehaved)


def ejections(measured: Sequence[Measured]) -> Figure:
    """What fast ejection costs: each attack under each defence by median rounds to eject and honest trainers ejected."""
    cells = attacked(measured)
    shown = defences(measured)[:_MOST_DEFENCES]
    points: list[tuple[str, str, float, float]] = []
    for (defence, attack), part in _grouped(
        cells, lambda one: (one.labels.defence, one.labels.attack)
    ).items():
        rounds = [number for one in part for number in one.rounds_to_eject]
        honest = sum(one.joined_honest for one in part)
        if rounds and honest and defence in shown:
            points.append(
                (defence, attack, at_least(rounds, 0.5), sum(p.ejected_honest for p in part) / honest)
            )
    reached = [x for _, _, x, _ in points if math.isfinite(x)]
    never = max(reached, default=1.0) + 2
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=4.2)
        for place, defence in enumerate(shown):
            own = [point for point in points if point[0] == defence]
            xs = [min(x, never) for _, _, x, _ in own]
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(xs, [100 * y for *_, y in own], "o", color=colour, label=plain(defence), alpha=0.8)
            for x, at in _grouped(zip(own, xs, strict=True), lambda pair: (pair[1], pair[0][3])).items():
                axes.annotate(
                    _named([attack for (_, attack, _, _), _ in at]),
                    (x[0], 100 * x[1]),
                    xytext=(4, 3 + 9 * place),
                    textcoords="offset points",
                    fontsize=7,
                )
        ticks = [float(tick) for tick in range(1, int(never) - 1, max(1, int(never) // 8))]
        axes.set_xticks([*ticks, never], [*(f"{tick:g}" for tick in ticks), "never"])
        axes.set_xlabel("median rounds to eject an adversary (1: in the round of its first misbehaviour)")
        headed(axes, "honest trainers ejected, %")
        axes.set_ylim(-0.3, max([5.0, *(110 * y for *_, y in points)]))
        if points:
            legend(figure, *axes.get_legend_handles_labels(), beside=True)
        return figure


def _named(attacks: Sequence[str]) -> str:
    more = len(attacks) - _MOST_NAMED
    return plain(", ".join(attacks[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _begins_a_row(axes: Axes) -> bool:
    place = axes.get_subplotspec()
    return place is None or place.is_first_col()


def _cells(
    axes: Axes,
    values: np.ndarray[Any, Any],
    words: Mapping[tuple[int, int], str],
    *,
    low: float,
    high: float,
    cmap: str,
) -> None:
    axes.grid(visible=False)
    for row, column in np.argwhere(np.isnan(values)):  # hatched: not run is not a low value
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                1,
                1,
                hatch="////",
                facecolor="none",
                edgecolor="#88888866",
                linewidth=0,
            )
        )
    if values.size:
        axes.imshow(np.ma.masked_invalid(values), cmap=cmap, vmin=low, vmax=high, aspect="auto")
    scale, shades = Normalize(low, high, clip=True), mpl.colormaps[cmap]
    for (row, column), text in words.items():
        red, green, blue, _ = shades(float(scale(values[row, column])))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < _DIM
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else _DARK)


def _shares_by_round(outcomes: Sequence[Outcome]) -> dict[str, list[tuple[str, list[float]]]]:
    found: dict[str, list[tuple[str, list[float]]]] = defaultdict(list)
    for outcome in outcomes:
        summary, labels = outcome.result.summary, outcome.cell.labels
        if summary is None or summary.detection is None or not summary.detection.adversaries:
            continue
        bad, credited, row = 0, 0, []
        for done in summary.rounds:
            for name, amount in done.tokens.items():
                credited += int(amount)
                bad += int(amount) if name in summary.detection.first_misbehaviour else 0
            row.append(bad / credited if credited else 0.0)
        if row:
            found[labels.defence].append((labels.attack, row))
    return found


def _columns(rows: Sequence[tuple[str, list[float]]], length: int) -> np.ndarray[Any, Any]:
    """The mean row; one that ended early keeps its last value."""
    mean: np.ndarray[Any, Any] = np.mean(
        [[*row, *[row[-1]] * (length - len(row))] for _, row in rows], axis=0
    )
    return mean


def _f1(part: Sequence[Measured]) -> float:
    caught = sum(one.ejected_adversaries for one in part)
    whole = sum(len(one.adversaries) + one.ejected_adversaries + one.ejected_honest for one in part)
    return 2 * caught / whole if whole else math.nan


def _mean(part: Sequence[Measured], metric: str) -> float:
    known = [value for one in part if (value := one.values[metric]) is not None]
    return sum(known) / len(known) if known else math.nan


def _grouped(items: Any, key: Callable[[Any], Any]) -> dict[Any, list[Any]]:  # noqa: ANN401 - any items, any key
    groups: dict[Any, list[Any]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
