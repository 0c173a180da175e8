# SPDX-License-Identifier: Apache-2.0
"""A task's members: where each stands, what it is at in the round, what its last update was worth and why, what it has."""

from __future__ import annotations

from html import escape

from bcfl.contracts.consortium_state import ConsortiumRound
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.state import MemberState, RoundRecord, TaskState
from bcfl.scenarios.following.watched import Watched
from bcfl.views.dashboard.names import Names
from bcfl.views.kit.numbers import number
from bcfl.views.kit.tables import Html, table
from bcfl.views.kit.verdicts import standing_words
from bcfl.views.run.evidence import WORDS
from bcfl.views.run.unpaid import why_unpaid

__all__ = ("at_work", "evidence_section", "members_section", "scored_round", "tokens")

_MOST = 60
_MOST_KINDS = 30
_UNIT = 10**9


def tokens(amount: int) -> str:
    """An amount of 10⁻⁹ token as tokens."""
    return f"{amount / _UNIT:,.4f}".rstrip("0").rstrip(".")


def scored_round(state: TaskState) -> RoundRecord | None:
    """The newest round whose updates have scores."""
    scored = (state.rounds[number] for number in range(state.round, 0, -1) if state.rounds[number].scores)
    return next(scored, None)


def at_work(state: TaskState, index: TrainerIndex) -> str:
    """What a member is at in the round under way; empty where there is none or it has no part in it."""
    if state.round == 0 or state.ended or not state.members[index].active:
        return ""
    record = state.current
    if index not in record.cohort:
        return "sits out"
    if isinstance(record, ConsortiumRound):
        for did, words in (
            (record.model_votes, "named the next model"),
            (record.vectors, "opened its scores"),
            (record.score_commitments, "has judged"),
        ):
            if index in did:
                return words
    if index in record.updates:
        return "handed in" if record.updates[index].owned else "handed in somebody else's"
    if index in record.commitments:
        return "committed" if state.phase <= Phase.REVEAL else "did not open"
    return "trains" if state.phase is Phase.TRAINING else "handed in nothing"


def members_section(watched: Watched, names: Names) -> str:
    """HTML: one row a member; of many those who were sent away and those who have most."""
    state = watched.state
    if not state.members:
        return "<p>Nobody has joined yet.</p>"
    scored = scored_round(state)
    order = sorted(state.members, key=lambda index: _rank(state.members[index], index))
    heads = ["member", "standing", "now"]
    heads += [] if scored is None else [f"round {scored.number}: score", "tokens", "why"]
    heads += ["earned", "paid out"]
    rows = []
    for index in order[:_MOST]:
        member = state.members[index]
        standing = standing_words(member)
        word = standing.split(" ", 1)[0]
        row = [
            names.html(member.account),
            Html(f'<span class="standing {word}">{escape(standing)}</span>'),
            at_work(state, index),
        ]
        if scored is not None:
            score = scored.scores.get(index)
            row += [
                number(None if score is None else score / SCORE_UNIT, sign=True),
                tokens(scored.credits[index]) if index in scored.credits else "",
                _why(watched, scored, index),
            ]
        rows.append([*row, tokens(member.earned), tokens(member.withdrawn)])
    text = (1, 2, 5) if scored is not None else (1, 2)
    more = len(order) - _MOST
    rest = f"<p class=sub>… and {more:,} more</p>" if more > 0 else ""
    return f'<div class="wide" id="members">{table(heads, rows, text=text)}</div>{rest}'


def _rank(member: MemberState, index: TrainerIndex) -> tuple[bool, bool, int, int]:
    return member.ejected_round is None, not member.suspended, -member.earned, index


def _why(watched: Watched, scored: RoundRecord, index: TrainerIndex) -> str:
    """What the evaluation says of an update, in words."""
    if index not in scored.updates:
        return ""
    report = _report(watched, scored)
    if report is None:
        reported = isinstance(scored, CrowdRound) and scored.report is not None
        return "no report yet" if reported else ""
    rejected = report.rejected.get(index)
    if rejected is not None:
        return why_unpaid(rejected)
    if not scored.credits.get(index):
        return why_unpaid(None)
    return "in the model" if report.weights.get(index) else ""


def _report(watched: Watched, record: RoundRecord | None) -> EvaluationReport | None:
    if not isinstance(record, CrowdRound) or record.report is None:
        return None
    return watched.reports.get(record.report)


def evidence_section(watched: Watched, names: Names) -> str:
    """HTML: what the defence measured of every update of the last evaluated round, and what the numbers say; empty where there is no report."""
    scored = scored_round(watched.state)
    report = _report(watched, scored)
    if scored is None or report is None or not report.evidence:
        return ""
    kinds = sorted(
        {kind for found in report.evidence.values() for kind in found},
        key=lambda kind: (kind not in WORDS, list(WORDS).index(kind) if kind in WORDS else 0, kind),
    )[:_MOST_KINDS]
    rows = [
        [
            names.html(watched.state.members[index].account),
            *(number(found.get(kind), places=3) for kind in kinds),
        ]
        for index, found in list(report.evidence.items())[:_MOST]
        if index in watched.state.members
    ]
    words = "".join(
        f"<dt>{escape(kind)}</dt><dd>{escape(WORDS[kind])}</dd>" for kind in kinds if kind in WORDS
    )
    return (
        f'<details id="evidence"><summary>What was measured of each update of round {scored.number}</summary>'
        f'<div class="wide" id="measured">{table(["update of", *kinds], rows)}</div><dl class="words">{words}</dl></details>'
    )
