# SPDX-License-Identifier: Apache-2.0
"""What a run came to, as a terminal or a file keeps it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.consortium.member_columns import columns_of
from bcfl.views.consortium.members import MEMBERS
from bcfl.views.consortium.words import notes
from bcfl.views.kit.numbers import number, percent
from bcfl.views.kit.verdicts import eventful, found_in_words, verdict
from bcfl.views.run.money import as_sum
from bcfl.views.run.unpaid import unpaid_words

__all__ = ("final_table",)

_MOST_UNPAID = 8
_MOST_ROWS = 24


def final_table(summary: Summary) -> RenderableType:
    """What stays on the terminal: one line a round, one line a participant, and where the money went."""
    rounds = Table(
        title=f"{summary.scenario} · seed {summary.seed} · {summary.status}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for column in ("round", "loss", "accuracy", "scored", "rejected", "tokens", "gas"):
        rounds.add_column(column, justify="right")
    rounds.add_row("genesis", number(summary.genesis.loss), percent(summary.genesis.accuracy), "", "", "", "")
    for done in summary.rounds:
        judging = {} if done.agreement is None else done.agreement.evaluation_tokens
        paid = sum(map(int, (*done.tokens.values(), *judging.values())))
        rounds.add_row(
            str(done.round),
            number(done.global_loss),
            percent(done.global_accuracy),
            str(len(done.scores)),
            str(len(done.rejected)),
            format_tokens(paid),
            f"{sum(done.gas.values()):,}",
        )
    money = Text(f"tokens: {as_sum(summary.tokens)}")
    cost = Text(
        f"gas: {summary.gas.total:,} ({summary.gas.per_trainer_round:,.0f} a {'member' if summary.members else 'trainer'} "
        f"and round), {summary.timings.total_s:.1f} s"
    )
    if summary.members:
        return Group(rounds, Text(), _members(summary), Text(), money, cost)
    found = summary.detection if eventful(summary) else None
    words = [] if found is None else [Text(found_in_words(found))]
    unpaid = [Text(line) for line in unpaid_words(summary.rounds, most=_MOST_UNPAID)]
    last = [Text(summary.conclusion, style="yellow")] if summary.conclusion else []
    return Group(rounds, Text(), _people(summary), Text(), *words, *unpaid, money, cost, *last)


def _members(summary: Summary) -> RenderableType:
    """A consortium's members, in place of the participants."""
    columns = columns_of(summary, MEMBERS)
    table = Table(box=None, pad_edge=False)
    for column in columns:
        widest = max(map(len, (*column.cells, *column.head.split())))  # headings may be broken, cells not
        table.add_column(column.head, justify="left" if column.text else "right", width=widest)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    known = {name: " ".join(notes(name, summary)) for name in summary.members}
    return Group(table, *(Text(f"{name}: {told}") for name, told in known.items() if told))


def _people(summary: Summary) -> Table:
    judged = eventful(summary)
    people = Table(box=None, pad_edge=False)
    for column in ("participant", "role", "behaviour", *(["verdict"] if judged else [])):
        people.add_column(column)
    people.add_column("tokens", justify="right")
    shown = sorted(summary.participants.items(), key=lambda item: -int(item[1].tokens))[:_MOST_ROWS]
    for name, participant in shown:
        people.add_row(
            Text(name),
            Text(participant.role),
            Text(participant.behaviour),
            *([Text(verdict(summary, name))] if judged else []),
            format_tokens(participant.tokens),
        )
    if len(summary.participants) > _MOST_ROWS:
        people.add_row(f"… {len(summary.participants) - _MOST_ROWS:,} more", "", "", "")
    return people
