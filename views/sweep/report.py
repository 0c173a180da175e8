# SPDX-License-Identifier: Apache-2.0
"""``report.html`` and ``report.md`` of a sweep: the targets first, those that were missed before the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path

from bcfl.scenarios.sweeping.file import NONE, Sweep
from bcfl.scenarios.sweeping.measures import Measured
from bcfl.scenarios.sweeping.sweep import Outcome
from bcfl.scenarios.sweeping.targets import TargetResult
from bcfl.views.kit import pages
from bcfl.views.kit.tables import table
from bcfl.views.sweep import curves, figures
from bcfl.views.sweep.tables import TextTable, failures, markdown, results, targets_table

__all__ = ("render_sweep", "write_sweep_report")

_STYLE = """\
td:first-child, td.text { white-space: normal; }
td:first-child { min-width: 13rem; }
td.text:nth-child(6) { min-width: 18rem; font-size: .82rem; }
"""
_BODY = """\
<h1>{name}</h1>
<p class="sub">{description}</p>
<p>{words}</p>
{first}
{figures}
{last}
"""


def write_sweep_report(
    sweep: Sweep,
    outcomes: Sequence[Outcome],
    measured: Sequence[Measured],
    findings: Sequence[TargetResult],
    directory: Path,
) -> Path:
    """Write ``report.html`` and ``report.md`` into the sweep's directory; returns the path of the former."""
    first, last = _tables(measured, findings)
    page = render_sweep(
        sweep=sweep, words=_words(outcomes), first=first, figures=_drawn(outcomes, measured), last=last
    )
    text = f"# {sweep.name}\n\n{sweep.description}\n\n{_words(outcomes)}\n\n{markdown([*first, *last])}"
    (directory / "report.md").write_text(text, encoding="utf-8")
    report = directory / "report.html"
    report.write_text(page, encoding="utf-8")
    return report


def render_sweep(
    *,
    sweep: Sweep,
    words: str,
    first: Sequence[TextTable],
    figures: Mapping[str, str],
    last: Sequence[TextTable],
) -> str:
    """The page; ``figures`` are HTML by title, everything else is escaped."""
    body = _BODY.format(
        name=escape(sweep.name),
        description=escape(sweep.description),
        words=escape(words),
        first="".join(map(_html, first)),
        figures="".join(f"<h2>{escape(title)}</h2>{drawn}" for title, drawn in figures.items()),
        last="".join(map(_html, last)),
    )
    return pages.document(sweep.name, body, style=_STYLE)


def _tables(
    measured: Sequence[Measured], findings: Sequence[TargetResult]
) -> tuple[list[TextTable], list[TextTable]]:
    failed = failures(measured)
    first = [targets_table(findings)] if findings else []
    return [*first, *([failed] if failed.rows else [])], [results(measured)]


def _words(outcomes: Sequence[Outcome]) -> str:
    done = sum(outcome.result.status != "failed" for outcome in outcomes)
    seeds = {outcome.cell.labels.seed for outcome in outcomes}
    hours = sum(outcome.result.wall_s for outcome in outcomes) / 3600
    told = (
        f"{done:,} of {len(outcomes):,} cells ran, each with real contracts on a chain of its own, over {len(seeds)} "
        f"seed{'s' if len(seeds) != 1 else ''}; together they took {hours:.2f} hours of one worker. Intervals are 95 %, clustered by seed "
        "(bootstrap over seeds, 2,000 draws)."
    )
    if all(outcome.cell.labels.attack == NONE for outcome in outcomes):
        return told
    return (
        f"{told} An accuracy gap is to the same defence, seed and members with the adversaries absent. Rounds to "
        "eject count the round of the first misbehaviour as 1; who is never ejected counts as later than any round."
    )


def _drawn(outcomes: Sequence[Outcome], measured: Sequence[Measured]) -> dict[str, str]:
    if all(outcome.result.summary is None for outcome in outcomes):
        return {}
    if not figures.attacked(measured):
        curves_of: dict[str, pages.Draw] = {
            "Loss by round": partial(curves.loss_by_round, outcomes),
            "Tokens by round": partial(curves.tokens_by_round, outcomes),
        }
        return {title: pages.figure(draw) for title, draw in curves_of.items()}
    drawn: dict[str, pages.Draw] = {
        "Worst case over attacks": partial(figures.worst_case, measured),
        "Attacks against defences": partial(figures.attacks_by_defence, measured),
        "Accuracy by round": partial(curves.accuracy_by_round, outcomes),
        "More and more adversaries": partial(curves.gap_by_fraction, measured),
        "Who is paid": partial(figures.reward_shares, outcomes),
        "What fast ejection costs": partial(figures.ejections, measured),
    }
    chosen = figures.telling(outcomes)
    if chosen is not None:
        drawn[f"Scores in one cell: {chosen.cell.labels.name}"] = partial(figures.trajectory, chosen)
    return {title: pages.figure(draw) for title, draw in drawn.items()}


def _html(shown: TextTable) -> str:
    return f'<h2>{escape(shown.title)}</h2><div class="wide">{table(shown.heads, shown.rows, text=shown.text)}</div>'
