# SPDX-License-Identifier: Apache-2.0
"""Who was found out: each suspension and ejection in words, newest first, with the numbers that decided it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from html import escape

from bcfl.contracts.crowd_state import CrowdRound, evaluators_of
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.scenarios.following.watched import Sanction, Watched
from bcfl.views.dashboard.names import Names
from bcfl.views.kit.numbers import number
from bcfl.views.kit.verdicts import reason_words
from bcfl.views.run.evidence import measured_table

__all__ = ("found_section", "objections_section")

_MOST = 40
_MOST_KINDS = 30
_DECIDING = {
    "no_new_work": ("freshness", "new"),
    "copied": ("freshness", "freshness_alone"),
    "harmful": ("suspicion", "marginal"),
}


def found_section(watched: Watched, names: Names) -> str:
    """HTML: one paragraph a sanction, with its evidence to unfold; evaluators that were removed come last."""
    parts = [_case(watched, one, names) for one in reversed(watched.sanctions[-_MOST:])]
    if len(watched.sanctions) > _MOST:
        parts.append(f"<p class=sub>… and {len(watched.sanctions) - _MOST:,} earlier ones</p>")
    parts += [
        f"<p>The evaluator {escape(names.text(one.account))} was removed.</p>"
        for one in evaluators_of(watched.state)
        if one.removed
    ]
    return "".join(parts) or "<p>Nobody was suspended or thrown out.</p>"


def _case(watched: Watched, one: Sanction, names: Names) -> str:
    name = names.member(watched.state, one.index)
    what = "thrown out" if one.until is None else f"suspended until round {one.until}"
    kind = "ejected" if one.until is None else "suspended"
    identity = f"case-{one.round}-{one.index}"
    return (
        f'<article class="case {kind}" data-index="{one.index}" data-round="{one.round}"><p><b>{escape(name)}</b> was {what} in round {one.round}, '
        f"because it {escape(reason_words(one.reason))}."
        f' <time class="sub" datetime="{one.block.timestamp}">block {one.block.number}</time></p>'
        f"{_evidence(watched, one, identity)}</article>"
    )


def _evidence(watched: Watched, one: Sanction, identity: str) -> str:
    report = watched.evidence_of(one)
    if report is None:
        awaits = watched.awaits_evidence_of(one)
        if awaits is False:
            return ""  # a vote, or nothing was handed in that could be measured: what the chain itself saw
        said = (
            "The store does not give its evaluation."
            if awaits is None
            else "Its evaluation is being fetched."
        )
        return f"<p class=sub>{said}</p>"
    # By place, since two accounts may look alike.
    name = str(one.index)
    measured: dict[str, dict[str, float | None]] = {}
    for index, found in report.evidence.items():
        if index in watched.state.members:
            score = report.scores.get(index)
            measured[str(index)] = {
                "score": None if score is None else score / SCORE_UNIT,
                "validation loss": report.validation_loss.get(index),
                **dict(list(found.items())[:_MOST_KINDS]),
            }
    shown = measured_table(name, {report.round: measured})
    return (
        f'<details id="{identity}"><summary>evidence of round {report.round}: {escape(_brief(one, name, measured))}</summary>'
        f'<div class="wide" id="{identity}-numbers">{shown}</div></details>'
    )


def _brief(one: Sanction, name: str, measured: Mapping[str, Mapping[str, float | None]]) -> str:
    """The numbers that weigh most for such a reason, beside the median of the others."""
    own = measured[name]
    kinds = [kind for kind in _DECIDING.get(one.reason, ()) if own.get(kind) is not None] or ["score"]
    parts = []
    for kind in kinds:
        others = [
            value for who, row in measured.items() if who != name and (value := row.get(kind)) is not None
        ]
        beside = number(statistics.median(others), places=3) if others else "–"
        parts.append(f"{kind} {number(own.get(kind), places=3)} (the others {beside})")
    return ", ".join(parts)


def objections_section(watched: Watched, names: Names) -> str:
    """HTML: evaluations that members objected to; empty where nobody did."""
    parts = []
    for played, record in sorted(watched.state.rounds.items(), reverse=True):
        if isinstance(record, CrowdRound) and record.objections:
            who = ", ".join(names.member(watched.state, index) for index in record.objections[:8])
            more = f" and {len(record.objections) - 8:,} more" if len(record.objections) > 8 else ""
            upheld = "upheld: its model does not count" if record.reverted else "not upheld"
            blame = (
                f", {len(record.blaming)} of them blame the evaluator"
                if record.blaming
                else ", blaming nobody"
            )
            parts.append(f"<li>Round {played}: {escape(who)}{more} objected{blame}; {upheld}.</li>")
    return f"<ul>{''.join(parts)}</ul>" if parts else ""
