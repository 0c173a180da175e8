# SPDX-License-Identifier: Apache-2.0
"""The report's section on the final model class by class: which it takes for which, precision, recall and F1."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bcfl.models.confusion import Confusion
from bcfl.scenarios.outcome.summary_classes import Classification, ClassScores
from bcfl.views.kit import pages
from bcfl.views.kit.canvas import STYLE, figure_of, headed, plain
from bcfl.views.kit.numbers import percent
from bcfl.views.kit.tables import table

__all__ = ("confusion_figure", "section")

_MOST_TICKS = 40
_MOST_DRAWN = 200
_MOST_CLASSES = 40
_MOST_NUMBERS = 12
_HALF = 0.5

_SCORE_HEADS = ("on the samples of", "samples", "accuracy", "precision", "recall", "F1")
_CLASS_HEADS = ("class", "samples", "precision", "recall", "F1", "most often taken for")


def section(found: Classification, *, whose: str, files: Path) -> str:
    """HTML.

    Args:
        found: of the summary.
        whose: what is measured on all samples is called.
        files: where the figure is written too, a path without suffix.
    """
    classes = list(_class_rows(found))
    more = len(classes) - _MOST_CLASSES
    rest = f"<p>… and {more:,} more in summary.json</p>" if more > 0 else ""
    return (
        f"<h2>Class by class</h2>{pages.figure(partial(confusion_figure, found), files=files)}"
        f"<h3>Precision, recall and F1</h3><p>Means over the classes that there are.</p>"
        f'<div class="wide">{table(_SCORE_HEADS, list(_score_rows(found, whose)))}</div>'
        f'<h3>Each class</h3><div class="wide">{table(_CLASS_HEADS, classes[:_MOST_CLASSES], text=(5,))}</div>{rest}'
    )


def _score_rows(found: Classification, whose: str) -> Iterator[list[str]]:
    """One row for all, called ``whose``, and one a trainer."""
    yield _scores(whose, found.overall)
    for name, scores in found.trainers.items():
        yield _scores(name, scores)


def _scores(name: str, scores: ClassScores) -> list[str]:
    shares = (scores.accuracy, scores.precision, scores.recall, scores.f1)
    return [name, f"{scores.samples:,}", *map(percent, shares)]


def _class_rows(found: Classification) -> Iterator[list[str]]:
    """One row for each class that samples are of."""
    confusion = Confusion.of_cells(found.overall.confusion, len(found.labels))
    counts, mistakes = confusion.of_class, confusion.mistakes
    shares = (confusion.precision, confusion.recall, confusion.f1)
    for place in np.flatnonzero(counts).tolist():
        other, times = mistakes.get(place, (0, 0))
        mistaken = f"{found.labels[other]} ({times:,})" if times else "–"
        yield [
            found.labels[place],
            f"{counts[place]:,}",
            *(percent(float(one[place])) for one in shares),
            mistaken,
        ]


def confusion_figure(found: Classification) -> Figure:
    """Of the samples of each class, the share that the model says each class of."""
    cells = np.array(found.overall.confusion, dtype=np.int64).reshape(-1, 3)
    there = np.unique(cells[:, :2])
    more = len(there) - _MOST_DRAWN
    if more > 0:  # the most frequent: of thousands nothing could be seen
        frequent = Confusion.of_cells(cells, len(found.labels)).of_class
        there = np.sort(np.argsort(-frequent, kind="stable")[:_MOST_DRAWN])
    places = {int(label): place for place, label in enumerate(there)}
    matrix = np.zeros((len(there), len(there)), dtype=np.int64)
    for true, said, count in cells.tolist():
        if true in places and said in places:
            matrix[places[true], places[said]] = count
    shares = matrix / np.maximum(matrix.sum(axis=1), 1)[:, None]
    with mpl.rc_context(STYLE):
        figure, (axes,) = figure_of(1, height=min(7.0, 2.4 + 0.22 * len(there)))
        drawn = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
        axes.grid(visible=False)
        step = 1 + len(there) // _MOST_TICKS
        ticks = range(0, len(there), step)
        names = [plain(found.labels[place]) for place in there[::step]]
        axes.set_xticks(ticks, names, fontsize=7, rotation=90 if max(map(len, names)) > 2 else 0)
        axes.set_yticks(ticks, names, fontsize=7)
        axes.set_xlabel("what the model says")
        axes.set_ylabel("class")
        headed(
            axes, "of the samples of a class" + (f" (the {_MOST_DRAWN} most frequent)" if more > 0 else "")
        )
        if len(there) <= _MOST_NUMBERS:
            for row, column in np.argwhere(matrix):
                colour = "black" if shares[row, column] > _HALF else "white"
                axes.text(
                    column,
                    row,
                    f"{matrix[row, column]:,}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=colour,
                )
        bar = figure.colorbar(drawn, ax=axes, format=PercentFormatter(1.0))
        bar.outline.set_visible(False)
        return figure
