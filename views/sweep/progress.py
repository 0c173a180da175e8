# SPDX-License-Identifier: Apache-2.0
"""A sweep while it runs: a bar with the time left on a terminal, a line a cell elsewhere."""

from __future__ import annotations

import time
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bcfl.scenarios.sweeping.sweep import CellDone, SweepEvent, SweepStarted

__all__ = ("SweepBar", "SweepLines", "SweepView", "duration", "open_sweep_view")


class SweepView(Protocol):
    """Where a sweep's events go; entered before the first, left after the last."""

    def on_event(self, event: SweepEvent) -> None:
        """Show an event."""
        ...

    def __enter__(self) -> Self:
        """Start showing."""
        ...

    def __exit__(self, *_: object) -> None:
        """Leave what should stay on the screen."""
        ...


def open_sweep_view(stream: TextIO) -> SweepView:
    """The bar on a terminal, plain lines elsewhere."""
    console = Console(file=stream)
    return SweepBar(console) if console.is_terminal and not console.is_dumb_terminal else SweepLines(stream)


def duration(seconds: float) -> str:
    """``2 h 05 min``, ``7 min`` or ``40 s``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class SweepLines:
    """One line a cell."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def on_event(self, event: SweepEvent) -> None:
        """Write the event's line."""
        self._stream.write(f"{_begun(event) if isinstance(event, SweepStarted) else _line(event)}\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lines are written as they come: nothing to close."""


class SweepBar:
    """A bar; failed cells stay above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("cells"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
        )
        self._task: TaskID | None = None

    def on_event(self, event: SweepEvent) -> None:
        """Move the bar."""
        if isinstance(event, SweepStarted):
            self._console.print(_begun(event), markup=False, highlight=False)
            self._task = self._progress.add_task("", total=event.total, completed=event.known)
        elif self._task is not None:
            left = f"about {duration(event.left_s)} left · {event.cell.labels.name}"
            self._progress.update(self._task, completed=event.done, description=left)
            if event.result.status == "failed":
                self._console.print(_line(event), markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _begun(event: SweepStarted) -> str:
    words = f"{event.total:,} cells"
    if event.known:
        words += f", {event.known:,} of them done before"
    if event.other_code:
        words += (
            f", {event.other_code:,} done by other code and run again (--any-code takes them as they are)"
        )
    return f"{words}; {event.jobs} at once"


def _line(event: CellDone) -> str:
    stamp = time.strftime("%H:%M:%S")
    left = f"about {duration(event.left_s)} left"
    head = f"{stamp}  {event.done}/{event.total}  {event.cell.labels.name}  {event.result.status}"
    if event.result.sentence is not None:
        return f"{head}: {event.result.sentence}  {left}"
    return f"{head} in {event.result.wall_s:.1f} s  {left}"
