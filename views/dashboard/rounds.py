# SPDX-License-Identifier: Apache-2.0
"""The rounds of a task that are over: how good the model was, what was paid, and the curve of both measures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.figure import Figure

from bcfl.contracts.consortium_state import ConsortiumRound
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.state import RoundRecord
from bcfl.scenarios.following.watched import Watched
from bcfl.storage.content_id import cid_text
from bcfl.views.dashboard.members import tokens
from bcfl.views.kit.canvas import COLOURS, STYLE, by_round, figure_of
from bcfl.views.kit.numbers import number, percent
from bcfl.views.kit.tables import Html, table

__all__ = ("quality_figure", "rounds_section")

_MOST = 30
_BEYOND = 1e12
"""No measure of a model; a stranger may report anything."""


def rounds_section(watched: Watched) -> str:
    """HTML: one row a round that is over, newest first."""
    state = watched.state
    done = [record for _, record in sorted(state.rounds.items(), reverse=True) if record.finalized]
    if not done:
        return "<p>No round is over yet.</p>"
    quality = watched.quality
    measured = bool(quality)
    heads = ["round", *(["loss", "accuracy"] if measured else []), "handed in", "not in the model"]
    heads += ["paid", "sent away", "model"]
    rows = []
    for record in done[:_MOST]:
        loss, accuracy = quality.get(record.number, (None, None))
        rows.append(
            [
                str(record.number),
                *([number(loss), percent(accuracy)] if measured else []),
                f"{len(record.updates)} of {len(record.cohort)}",
                _left_out(watched, record),
                tokens(record.payout + _judging(record)),
                _sent_away(record),
                Html(
                    f"<code>{cid_text(record.model)[:14]}…</code>"
                    if record.model is not None and not _overturned(record)
                    else "does not count"
                ),
            ]
        )
    more = len(done) - _MOST
    rest = f"<p class=sub>… and {more:,} earlier ones</p>" if more > 0 else ""
    text = tuple(heads.index(name) for name in ("not in the model", "sent away", "model"))
    return f'<div class="wide" id="rounds">{table(heads, rows, text=text)}</div>{rest}'


def quality_figure(quality: Mapping[int, tuple[float, float]]) -> Figure:
    """Loss and accuracy of the global model by round, as the evaluator reported them."""
    numbers = sorted(quality)
    with mpl.rc_context(STYLE):
        figure, (left, right) = figure_of(2, height=2.6)
        for axes, place, title in (
            (left, 0, "loss of the global model, on the evaluator's data"),
            (right, 1, "its accuracy"),
        ):
            values = [
                quality[one][place] if abs(quality[one][place]) < _BEYOND else math.nan for one in numbers
            ]
            axes.plot(numbers, values, marker="o" if len(numbers) <= 60 else None, color=COLOURS[0])
            by_round(axes, title)
        return figure


def _left_out(watched: Watched, record: RoundRecord) -> str:
    report = (
        watched.reports.get(record.report)
        if isinstance(record, CrowdRound) and record.report is not None
        else None
    )
    if report is None:
        return ""
    counted = Counter(word.replace("_", " ") for word in report.rejected.values())
    return ", ".join(f"{count} {word}" for word, count in counted.most_common())


def _sent_away(record: RoundRecord) -> str:
    suspended = len(record.suspended) if isinstance(record, CrowdRound) else 0
    words = [
        f"{count} {word}"
        for count, word in ((len(record.ejected), "thrown out"), (suspended, "suspended"))
        if count
    ]
    return ", ".join(words)


def _judging(record: RoundRecord) -> int:
    return sum(record.evaluation_pay.values()) if isinstance(record, ConsortiumRound) else 0


def _overturned(record: RoundRecord) -> bool:
    return isinstance(record, CrowdRound) and record.reverted
