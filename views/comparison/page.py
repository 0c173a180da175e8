# SPDX-License-Identifier: Apache-2.0
"""One page with several runs: curves over each other, what each came to, and in which keys they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bcfl.views.comparison.runs import HEADS, ComparedRun, called, differences, rows
from bcfl.views.kit import pages
from bcfl.views.kit.canvas import COLOURS, STYLE, by_round, figure_of, legend, plain
from bcfl.views.kit.tables import table

__all__ = ("curves", "render_comparison")

_BODY = """\
<h1>{title}</h1>
<h2>Loss and accuracy by round</h2>
{curves}
<h2>What they came to</h2>
<div class="wide">{results}</div>
<h2>In what they differ</h2>
{differences}
"""


def render_comparison(runs: Sequence[ComparedRun]) -> str:
    """The page, whole."""
    apart = differences(runs)
    told = (
        f'<div class="wide">{table(("key", *called(runs)), apart)}</div>'
        if apart
        else "<p>Their scenarios say the same, name and description aside.</p>"
    )
    title = f"{len(runs)} runs"
    body = _BODY.format(
        title=title,
        curves=pages.figure(partial(curves, runs)),
        results=table(HEADS, rows(runs)),
        differences=told,
    )
    return pages.document(title, body)


def curves(runs: Sequence[ComparedRun]) -> Figure:
    """Loss and accuracy of the global models by round, a line a run."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = figure_of(2, height=3.6)
        for place, (name, run) in enumerate(zip(called(runs), runs, strict=True)):
            summary = run.summary
            numbers = [0, *(done.round for done in summary.rounds)]
            losses = [summary.genesis.loss, *(done.global_loss for done in summary.rounds)]
            accuracies = [summary.genesis.accuracy, *(done.global_accuracy for done in summary.rounds)]
            line: dict[str, Any] = {
                "marker": "o",
                "linestyle": ("-", "--", ":")[place // len(COLOURS) % 3],
                "color": COLOURS[place % len(COLOURS)],
                "label": plain(name),
            }
            left.plot(numbers, [math.nan if one is None else one for one in losses], **line)
            right.plot(numbers, [math.nan if one is None else one for one in accuracies], **line)
        by_round(left, "loss of the global model (mean cross-entropy)")
        by_round(right, "its accuracy")
        left.set_ylim(bottom=0)
        legend(figure, *left.get_legend_handles_labels(), columns=3)
        return figure
