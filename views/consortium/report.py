# SPDX-License-Identifier: Apache-2.0
"""What a consortium's report has beside a crowd's: a first screen for its members, then how they judged and agreed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape

from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.consortium import figures, member_cards, sections
from bcfl.views.consortium.judges import JudgeRecord, judges_of, who_judged_whom
from bcfl.views.consortium.members import gain_of, vocabulary_of
from bcfl.views.kit import pages

__all__ = ("STYLE", "opening")

STYLE = member_cards.STYLE + sections.STYLE


def opening(scenario: Scenario, summary: Summary, results: Results) -> str:
    """HTML of everything that comes before the numbers that every report has."""
    state = ConsortiumState.of(results.state)
    names = {
        index: results.names.get(member.account, member.account) for index, member in state.members.items()
    }
    judges = dict.fromkeys(
        summary.members, JudgeRecord(rounds=0, paid=0, most=0)
    )  # some may never have joined
    judges |= {names[index]: record for index, record in judges_of(state).items()}
    screen = member_cards.first_screen(scenario, summary, judges)
    told = {
        "Who judged whom": sections.judgements(who_judged_whom(state), names),
        "What judging paid": sections.judging_pay(judges, state.config),
        "How each round was agreed": sections.agreement(summary),
        "Who was let in or sent away": sections.membership(state, results.names),
        "Wrong labels and misbehaviour": sections.dishonest(summary),
    }
    parts = [*_drawn(scenario, summary), *((title, html) for title, html in told.items() if html)]
    body = "".join(f"<h2>{escape(title)}</h2>{html}" for title, html in parts)
    return f"{screen}{body}<h2>The run in numbers</h2>"


def _drawn(scenario: Scenario, summary: Summary) -> Iterator[tuple[str, str]]:
    yield "Contribution by round", pages.figure(partial(figures.contributions, summary))
    yield "Tokens", pages.figure(partial(figures.tokens, summary))
    if any(gain_of(member) is not None for member in summary.members.values()):
        words = vocabulary_of(scenario, summary)
        yield "Right answers", pages.figure(partial(figures.right_answers, summary, words))
