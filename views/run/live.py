# SPDX-License-Identifier: Apache-2.0
"""A run on a terminal while it goes on: round, phase, and every participant's state, loss, score and tokens."""

from __future__ import annotations

from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import Summary
from bcfl.scenarios.running.progress import AFTER_TRAINING, RunEvent
from bcfl.views.consortium.member_columns import columns_of
from bcfl.views.consortium.members import MEMBERS
from bcfl.views.consortium.words import notes
from bcfl.views.kit.numbers import number, percent
from bcfl.views.kit.verdicts import eventful, found_in_words, verdict
from bcfl.views.run.board import Board, Row, watched
from bcfl.views.run.lines import LineView
from bcfl.views.run.money import as_sum
from bcfl.views.run.unpaid import unpaid_words

__all__ = ("LiveView", "RunView", "final_table", "open_view", "screen")

_REFRESHES_PER_SECOND = 8
_MOST_UNPAID = 8
_MOST_ROWS = 24
_AFTER_JUDGING = frozenset({"judged", "aggregated"})
_AFTER_REVEALING = _AFTER_JUDGING | {"judging"}
"""What a member of a consortium is at once its update is out."""


class RunView(Protocol):
    """Where a run's events go; entered before the first, left after the last."""

    def on_event(self, event: RunEvent) -> None:
        """Show an event."""
        ...

    def __enter__(self) -> Self:
        """Start showing."""
        ...

    def __exit__(self, *_: object) -> None:
        """Leave what should stay on the screen."""
        ...


def open_view(stream: TextIO, *, as_json: bool = False) -> RunView:
    """The live view on a terminal, plain lines elsewhere, JSON lines where wanted."""
    if as_json:
        return LineView(stream, as_json=True)
    console = Console(file=stream)
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else LineView(stream)


class LiveView:
    """Redraws at most eight times a second, however many events come; leaves the final table."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Board()
        self._live = Live(
            console=console,
            get_renderable=self._screen,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=True,  # log lines appear above the screen instead of through it
        )

    def on_event(self, event: RunEvent) -> None:
        """Take an event in; the next redraw shows it."""
        self._board = watched(self._board, event)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        if self._board.summary is not None:
            self._console.print(final_table(self._board.summary))

    def _screen(self) -> RenderableType:
        return screen(self._board)


def screen(board: Board) -> RenderableType:
    """The whole live screen."""
    where = f"round {min(board.round, board.rounds)}/{board.rounds}" if board.rounds else ""
    phase = board.phase.replace("_", " ")
    head = Text.assemble((board.name, "bold"), f"  {where}  ", (phase, "cyan"), _quality(board), no_wrap=True)
    bars = Table.grid(padding=(0, 1))
    bars.add_row(*_bar("rounds", board.settled, board.rounds))
    members = [row for row in board.rows.values() if row.role == "member"]
    if members:
        bars.add_row(*_bar("trained", sum(_done_training(row) for row in members), len(members)))
        bars.add_row(*_bar("judged", sum(row.activity in _AFTER_JUDGING for row in members), len(members)))
    else:
        trainers = [row for row in board.rows.values() if row.role == "trainer"]
        bars.add_row(*_bar("trainers", sum(_done_training(row) for row in trainers), len(trainers)))
    gas = "  ".join(f"{role} {used:,}" for role, used in sorted(board.gas.items()))
    foot = Text(f"gas  {gas}" if gas else "", style="dim")
    told = [Text(f"data: {note}", style="dim", no_wrap=True, overflow="ellipsis") for note in board.notes]
    return Group(head, bars, *told, _participants(board), foot)


def _bar(what: str, done: int, of: int) -> tuple[str, ProgressBar, str]:
    return what, ProgressBar(total=max(of, 1), completed=done, width=40), f"{done}/{of}"


def _quality(board: Board) -> str:
    """The global model's; of a consortium while it runs, on the members' own samples and a round back."""
    quality = "" if board.loss is None else f"  loss {board.loss:.4f}"
    quality += "" if board.accuracy is None else f"  accuracy {board.accuracy:.2%}"
    if not quality or not board.before:
        return quality
    model = f"model of round {board.settled - 1}" if board.settled > 1 else "first model"
    return f"{quality} ({model}, on members' own samples)"


def _done_training(row: Row) -> bool:
    return row.activity in AFTER_TRAINING or (row.role == "member" and row.activity in _AFTER_REVEALING)


def _participants(board: Board) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("participant", no_wrap=True)
    table.add_column("state", no_wrap=True)
    rows = list(board.rows.values())
    score = "contribution" if any(row.role == "member" for row in rows) else "score"
    for column in ("loss", score, "tokens"):
        table.add_column(column, justify="right", no_wrap=True)
    judged = any(row.verdict or row.unpaid for row in rows)
    if judged:
        table.add_column("why", no_wrap=True, overflow="ellipsis")
    for row in rows[:_MOST_ROWS]:
        table.add_row(
            Text(row.name),
            Text(row.activity),
            number(row.loss),
            percent(row.score, places=1) if row.role == "member" else number(row.score, sign=True),
            format_tokens(row.tokens),
            *(
                [Text(row.verdict or row.unpaid, style="red" if row.activity == "ejected" else "yellow")]
                if judged
                else []
            ),
        )
    if len(rows) > _MOST_ROWS:
        table.add_row(f"… {len(rows) - _MOST_ROWS:,} more", "", "", "", "")
    return table


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
