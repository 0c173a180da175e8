# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM end a command's work in order: its tasks are cancelled and clean up, then it says "stopped"."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.abc
import click

__all__ = ("run_until_stopped",)

_T = TypeVar("_T")


def run_until_stopped(
    work: Callable[[], Awaitable[_T]], *, last_words: Callable[[], str] = lambda: "stopped"
) -> _T:
    """Run ``work`` on an event loop to its end; ``last_words`` are for whoever has stopped it.

    Exits with status 128 + the signal's number when a signal stopped it; the signals that follow the first change
    nothing, so that an impatient second Ctrl-C cannot leave processes behind.
    """
    return anyio.run(_supervised, work, last_words, backend_options={"use_uvloop": sys.platform != "win32"})


async def _supervised(work: Callable[[], Awaitable[_T]], last_words: Callable[[], str]) -> _T:
    received: list[signal.Signals] = []
    failure: Exception | None = None
    results: list[_T] = []

    async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if not received:
                    click.echo("stopping …", err=True)
                received.append(number)
                scope.cancel()

    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()
        await group.start(listen)
        with scope:
            try:
                results.append(await work())
            except Exception as error:  # noqa: BLE001 - raised again below, without this group's wrapping
                failure = error
        group.cancel_scope.cancel()
    if received:
        click.echo(last_words(), err=True)
        raise SystemExit(128 + received[0])
    if failure is not None:
        raise failure
    return results[0]
