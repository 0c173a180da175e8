# SPDX-License-Identifier: Apache-2.0
"""The first screen of a consortium's report: what each member gained, what it gave, what it was paid."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import MemberSummary, Summary
from bcfl.views.consortium.judges import JudgeRecord, why
from bcfl.views.consortium.member_columns import columns_of
from bcfl.views.consortium.members import (
    Vocabulary,
    contribution_words,
    everywhere_words,
    gain_of,
    gain_words,
    most_words,
    ranking_words,
    tokens_of,
    vocabulary_of,
)
from bcfl.views.consortium.words import footnote, labels_words, lead, notes
from bcfl.views.kit.tables import table

__all__ = ("STYLE", "first_screen")

_MOST_CARDS = 6
"""More members stand in a table: the first screen must hold them all."""

STYLE = """body { max-width: 76rem; margin-top: 1.1rem; }
h1 + .sub { margin: .1rem 0 0; }
.words.first { max-width: none; font-size: 1rem; line-height: 1.4; margin: .5rem 0; }
.members { display: grid; gap: .6rem; margin: .7rem 0; }
.members.two { grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
.members.three { grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
.member { border: 1px solid var(--line); border-top: 3px solid var(--accent); border-radius: .4rem; padding: .35rem .75rem .5rem; }
.member h2 { margin: 0; font-size: 1.05rem; }
.member h2 small { font-weight: normal; opacity: .75; }
.member dl { display: flex; gap: .8rem; margin: .15rem 0 .3rem; }
.member dl div { flex: 1; display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.member dt { font-size: .78rem; opacity: .8; line-height: 1.25; }
.member dd { margin: 0; white-space: nowrap; font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.member p { margin: .12rem 0 0; font-size: .86rem; line-height: 1.3; }
.three .member p { font-size: .82rem; }
.foot { font-size: .82rem; opacity: .8; line-height: 1.35; margin: .4rem 0; }
.roster table { font-size: .88rem; }
.roster th { white-space: normal; vertical-align: bottom; max-width: 8rem; }
.roster td { padding-top: .12rem; padding-bottom: .12rem; }
.roster td.text:last-child { white-space: normal; font-size: .85rem; }
"""


def first_screen(scenario: Scenario, summary: Summary, judges: Mapping[str, JudgeRecord]) -> str:
    """HTML: some sentences on all, and a card or a row for each member.

    Args:
        scenario: of the run.
        summary: of the run.
        judges: by member, how it judged.
    """
    words = vocabulary_of(scenario, summary)
    if len(summary.members) <= _MOST_CARDS:
        columns = "two" if len(summary.members) <= 4 else "three"
        cards = "".join(_card(name, summary, judges[name], words) for name in summary.members)
        shown = f'<div class="members {columns}">{cards}</div>'
    else:
        shown = f'<div class="wide roster">{_rows(summary, judges, words)}</div>'
    return (
        f'<p class="words first">{escape(lead(summary, words))}</p>'
        f'{shown}<p class="foot">{escape(footnote(summary, words))}</p>'
    )


def _card(name: str, summary: Summary, judge: JudgeRecord, words: Vocabulary) -> str:
    member = summary.members[name]
    figures = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for value, what in _figures(member)
    )
    sentences = [
        gain_words(member, words),
        everywhere_words(member, summary, words),
        ranking_words(member, words),
        _judging(judge),
        labels_words(member),
        *notes(name, summary),
    ]
    told = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
    trained = f"trained on {member.samples:,}, judged others on {member.held_out:,}"
    return (
        f'<section class="member"><h2>{escape(name)} <small>{escape(trained)}</small></h2>'
        f"<dl>{figures}</dl>{told}</section>"
    )


def _figures(member: MemberSummary) -> list[tuple[str, str]]:
    """The numbers of a card, each with what it is."""
    gain, tokens = gain_of(member), tokens_of(member)
    figures = []
    if gain is not None:
        chance = " (may be chance)" if gain.may_be_chance else ""
        figures.append((most_words(gain), f"of {gain.of:,} right than alone{chance}"))
    return [
        *figures,
        (contribution_words(member), "of what the others found useful"),
        (tokens["all"], f"tokens: {tokens['training']} for training, {tokens['judging']} for judging"),
    ]


def _judging(judge: JudgeRecord) -> str:
    reasons = why(judge)
    because = f": {reasons}" if reasons else ""
    paid, most = format_tokens(judge.paid, places=2), format_tokens(judge.most, places=2)
    return f"Judging paid {paid} of at most {most} tokens{because}."


def _rows(summary: Summary, judges: Mapping[str, JudgeRecord], words: Vocabulary) -> str:
    """The same as a table: for many members."""
    columns = columns_of(summary, words, judges)
    rows = list(zip(*(column.cells for column in columns), strict=True))
    text = tuple(place for place, column in enumerate(columns) if column.text)
    return table([column.head for column in columns], rows, text=text)
