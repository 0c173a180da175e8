# SPDX-License-Identifier: Apache-2.0
"""One page with several runs: curves over each other, what each came to, and in which keys they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bcfl.views.comparison.runs import HEADS, ComparedRun, called, differences, rows
from bcfl.views.kit import pages
from bcfl.views.kit.canvas import COLOURS, STYLE, by_round, figure_of, legend, plain
from bcfl.views.kit.tables import table

__all__ = ("curves", "render_comparison")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{count} runs · bcfl</title>
<style>
:root {{ color-scheme: light dark; --line: #8886; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ margin: 0; font-size: 1.7rem; }}
h2 {{ margin: 2.2rem 0 .6rem; font-size: 1.15rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }}
th, td {{ padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
{style}</style>
</head>
<body>
<h1>{count} runs</h1>
<h2>Loss and accuracy by round</h2>
{curves}
<h2>What they came to</h2>
<div class="wide">{results}</div>
<h2>In what they differ</h2>
{differences}
</body>
</html>
"""


def render_comparison(runs: Sequence[ComparedRun]) -> str:
    """The page, whole."""
    apart = differences(runs)
    told = (
        f'<div class="wide">{table(("key", *called(runs)), apart)}</div>'
        if apart
        else "<p>Their scenarios say the same, name and description aside.</p>"
    )
    return _PAGE.format(
        count=escape(str(len(runs))),
        style=pages.STYLE,
        curves=pages.figure(partial(curves, runs)),
        results=table(HEADS, rows(runs)),
        differences=told,
    )


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
