# SPDX-License-Identifier: Apache-2.0
"""A run on a terminal while it goes on: round, phase, and every participant's state, loss, score and tokens."""

from __future__ import annotations

import time
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.running.progress import AFTER_TRAINING, RunEvent
from bcfl.views.kit.numbers import number, percent
from bcfl.views.run.board import Board, Row, watched
from bcfl.views.run.final_table import final_table
from bcfl.views.run.lines import LineView
from bcfl.views.run.pace import Pace, clock_words

__all__ = ("LiveView", "RunView", "open_view", "screen")

_REFRESHES_PER_SECOND = 8
_MOST_ROWS = 24
_STEPS = {
    "enrolment": "enrolling",
    "training": "training",
    "reveal": "revealing",
    "evaluation": "scoring",
    "score_reveal": "opening",
    "aggregation": "agreeing",
    "closing": "closing",
}
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
        self._pace = Pace()
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
        self._pace = self._pace.following(self._board, time.monotonic())

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        if self._board.summary is not None:
            self._console.print(final_table(self._board.summary))

    def _screen(self) -> RenderableType:
        return screen(self._board, self._pace, time.monotonic())


def screen(board: Board, pace: Pace | None = None, now: float = 0.0) -> RenderableType:
    """The whole live screen; with a pace also how long what is under way has taken at ``now``, and will take."""
    where = f"round {min(board.round, board.rounds)}/{board.rounds}" if board.rounds else ""
    phase = board.phase.replace("_", " ")
    head = Text.assemble((board.name, "bold"), f"  {where}  ", (phase, "cyan"), _quality(board), no_wrap=True)
    pace = pace or Pace(step=(board.round, board.phase), began=now)
    bars = Table.grid(padding=(0, 1))
    if not board.rounds:
        bars.add_row(*_under_way(board, pace, now, done=0, of=0))
        return Group(head, bars)
    bars.add_row(*_bar("rounds", board.settled, board.rounds))
    members = [row for row in board.rows.values() if row.role == "member"]
    if members:
        trained, judged = sum(map(_done_training, members)), sum(map(_done_judging, members))
        bars.add_row(*_bar("trained", trained, len(members)))
        bars.add_row(*_bar("judged", judged, len(members)))
        done, of = (trained if board.phase == "training" else judged), len(members)
    else:
        trainers = [row for row in board.rows.values() if row.role == "trainer"]
        done, of = sum(map(_done_training, trainers)), len(trainers)
        bars.add_row(*_bar("trainers", done, of))
        if board.phase == "evaluation":
            done = of = 0  # one scores for all, and says nothing until that is done
    bars.add_row(*_under_way(board, pace, now, done=done, of=of))
    gas = "  ".join(f"{role} {used:,}" for role, used in sorted(board.gas.items()))
    foot = Text(f"gas  {gas}" if gas else "", style="dim")
    told = [Text(f"data: {note}", style="dim", no_wrap=True, overflow="ellipsis") for note in board.notes]
    return Group(head, bars, *told, _participants(board), foot)


def _bar(what: str, done: int, of: int) -> tuple[str, ProgressBar, str]:
    return what, ProgressBar(total=max(of, 1), completed=done, width=40), f"{done}/{of}"


def _under_way(
    board: Board, pace: Pace, now: float, *, done: int, of: int
) -> tuple[str, ProgressBar | str, str]:
    """What takes its time now: a bar by what is known of it, one that moves where nothing is."""
    if board.summary is not None:
        return "", "", ""
    spent, left = pace.so_far(now), pace.left(now, done=done, of=of)
    bar = (
        ProgressBar(total=None, pulse=True, width=40, animation_time=now)
        if left is None
        else ProgressBar(total=spent + left, completed=spent, width=40)
    )
    words = clock_words(spent) + ("" if left is None else f", about {clock_words(left)} left")
    return _STEPS.get(board.phase.lower(), "waiting" if board.rounds else "preparing"), bar, words


def _quality(board: Board) -> str:
    """The global model's; of a consortium while it runs, on the members' own samples and a round back."""
    quality = "" if board.loss is None else f"  loss {board.loss:.4f}"
    quality += "" if board.accuracy is None else f"  accuracy {board.accuracy:.2%}"
    if not quality or not board.before:
        return quality
    model = f"model of round {board.settled - 1}" if board.settled > 1 else "first model"
    return f"{quality} ({model}, on members' own samples)"


def _done_judging(row: Row) -> bool:
    return row.activity in _AFTER_JUDGING


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
