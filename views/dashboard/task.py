# SPDX-License-Identifier: Apache-2.0
"""One task's part of a page: what goes on now, who takes part, who was found out, what it cost."""

from __future__ import annotations

import json
from html import escape

from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.phases import Kind, Phase
from bcfl.scenarios.following.watched import Watched
from bcfl.storage.content_id import cid_text
from bcfl.views.dashboard.found import found_section, objections_section
from bcfl.views.dashboard.members import evidence_section, members_section, tokens
from bcfl.views.dashboard.names import Names
from bcfl.views.dashboard.rounds import rounds_section
from bcfl.views.kit.numbers import number, percent
from bcfl.views.kit.tables import table

__all__ = ("deadline", "phase_words", "task_fragment", "title_of")

_LONGEST_TITLE = 120
_PHASES = {
    Kind.CROWDSOURCING: (Phase.TRAINING, Phase.REVEAL, Phase.EVALUATION),
    Kind.CONSORTIUM: (
        Phase.TRAINING,
        Phase.REVEAL,
        Phase.EVALUATION,
        Phase.SCORE_REVEAL,
        Phase.AGGREGATION,
    ),
}


def title_of(watched: Watched) -> str:
    """What its publisher calls it; a stranger's word, not escaped, and not longer than a line."""
    return (
        watched.specification.title[:_LONGEST_TITLE]
        if watched.specification is not None
        else watched.state.address
    )


def phase_words(watched: Watched) -> str:
    """Where it stands, in a few words."""
    state = watched.state
    if state.phase is Phase.CANCELLED:
        reason = (
            "" if state.cancel_reason is None else f" ({state.cancel_reason.name.lower().replace('_', ' ')})"
        )
        return f"cancelled{reason} after {_over(watched)} of {state.config.rounds} rounds"
    if state.phase is Phase.COMPLETED:
        return f"completed, {_over(watched)} of {state.config.rounds} rounds"
    if state.phase is Phase.ENROLMENT:
        return f"enrolment, {len(state.active_members)} of {state.config.capacity} members"
    return f"round {state.round} of {state.config.rounds}, {state.phase.name.lower().replace('_', ' ')}"


def deadline(watched: Watched) -> str:
    """HTML: the time that is left of the phase, which the page counts down; empty where there is none."""
    state = watched.state
    if state.ended or not state.deadline:
        return ""
    return f'<span class="deadline" data-deadline="{state.deadline}"></span>'


def task_fragment(watched: Watched, names: Names, *, curve: str = "") -> str:
    """HTML of everything about a task.

    Args:
        watched: the task.
        names: of accounts.
        curve: a figure of the model's quality by round; empty where it comes later, or nothing is known of it.
    """
    state = watched.state
    objections = objections_section(watched, names)
    sections = [
        _head(watched, names),
        _steps(watched),
        _facts(watched),
        _section("Found out", found_section(watched, names)),
        _section("Members", members_section(watched, names) + evidence_section(watched, names)),
        _section("Objections", objections) if objections else "",
        _section("Rounds", f'<div id="curve">{curve}</div>{rounds_section(watched)}'),
        _section("Tokens and gas", _money(watched)),
        _section("Votes on members", _proposals(watched, names))
        if isinstance(state, ConsortiumState)
        else "",
        _section("Terms", _terms(watched)),
    ]
    return "".join(sections)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _head(watched: Watched, names: Names) -> str:
    state = watched.state
    return (
        f"<h1>{escape(title_of(watched))}</h1>"
        f'<p class="sub">{watched.kind.name.lower()} · task <code>{escape(state.address)}</code> · published by {names.html(state.publisher)}</p>'
        f'<p class="now"><b id="phase">{escape(phase_words(watched))}</b> {deadline(watched)}</p>'
    )


def _steps(watched: Watched) -> str:
    state = watched.state
    if state.ended or state.phase is Phase.ENROLMENT:
        return ""
    phases = _PHASES[watched.kind]
    if not state.config.commit_reveal:
        phases = tuple(phase for phase in phases if phase is not Phase.REVEAL)
    if state.phase is Phase.CLOSING:
        phases = (*phases, Phase.CLOSING)
    return (
        '<ol class="steps">'
        + "".join(
            f"<li{' class=here' if phase is state.phase else ' class=done' if phase < state.phase else ''}>"
            f"{phase.name.lower().replace('_', ' ')}</li>"
            for phase in phases
        )
        + "</ol>"
    )


def _facts(watched: Watched) -> str:
    state = watched.state
    facts = [("members", f"{len(state.active_members)} of {state.config.capacity}")]
    if state.round:
        record = state.current
        facts.append(("handed in, this round", f"{len(record.updates)} of {len(record.cohort)}"))
        if record.commitments and len(record.updates) < len(record.commitments):
            facts.append(("committed", str(len(record.commitments))))
        if isinstance(record, ConsortiumRound):
            facts.append(("judged", f"{len(record.score_commitments)} of {len(record.cohort)}"))
            facts.append(("agreed on the model", str(len(record.model_votes))))
    if quality := watched.quality:
        newest = max(quality)
        loss, accuracy = quality[newest]
        facts += [(f"accuracy, round {newest}", percent(accuracy)), ("loss", number(loss))]
    thrown = sum(member.ejected_round is not None for member in state.members.values())
    facts += [("thrown out", str(thrown)), ("tokens left", tokens(state.escrow))]
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{shown}</dl>'


def _money(watched: Watched) -> str:
    state = watched.state
    paid = sum(member.withdrawn for member in state.members.values())
    rows = [
        ("put in escrow", tokens(state.budget)),
        ("earned by members", tokens(state.earned)),
        ("of that paid out", tokens(paid)),
        ("lost by those who broke the rules", tokens(state.slashed)),
        ("left in escrow", tokens(state.escrow)),
    ]
    if state.returned is not None:
        rows.append(("returned to the publisher", tokens(state.returned)))
    gas = [(role, f"{used:,}") for role, used in sorted(watched.gas.items(), key=lambda pair: -pair[1])]
    spent = table(["gas of", "units"], gas) if gas else "<p class=sub>No gas was counted yet.</p>"
    return f'<div class="pair"><div>{table(["tokens", ""], rows)}</div><div>{spent}</div></div>'


def _proposals(watched: Watched, names: Names) -> str:
    state = watched.state
    if not isinstance(state, ConsortiumState) or not state.proposals:
        return "<p>Nobody was put to the vote.</p>"
    rows = [
        [
            names.html(one.account),
            "admit" if one.admit else "expel",
            str(len(one.votes)),
            "passed" if one.passed else "",
        ]
        for one in state.proposals.values()
    ]
    return table(["account", "to", "votes", ""], rows, text=(1, 3))


def _terms(watched: Watched) -> str:
    state = watched.state
    config = state.config
    terms = {
        "rounds": config.rounds,
        "stake": tokens(config.stake),
        "bond": tokens(config.bond),
        "commit–reveal": "yes" if config.commit_reveal else "no",
        "token": state.token,
        "model now": cid_text(state.model),
        "specification": cid_text(config.specification),
    }
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in terms.items())
    if watched.specification is None:
        document = "<p class=sub>The store has not given the specification yet.</p>"
    else:
        text = json.dumps(json.loads(watched.specification.encode()), indent=2, ensure_ascii=False)
        document = (
            f'<details id="specification"><summary>specification</summary><pre>{escape(text)}</pre></details>'
        )
    return f'<dl class="words">{shown}</dl>{document}'


def _over(watched: Watched) -> int:
    return sum(record.finalized for record in watched.state.rounds.values())
