# SPDX-License-Identifier: Apache-2.0
"""In which task something is said: an agent of many tasks has one name in all of them, and one observer hears it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bcfl.agents.runtime.chronicle import Chronicle
from bcfl.contracts.ids import Address

__all__ = ("acting_in", "current_task")

_acting: ContextVar[Chronicle | None] = ContextVar("bcfl_acting_in", default=None)


def current_task() -> Address | None:
    """The task of the agent that speaks; None outside tasks, and before there is one."""
    chronicle = _acting.get()
    return None if chronicle is None or chronicle.seen is None else chronicle.seen.address


@contextmanager
def acting_in(chronicle: Chronicle) -> Iterator[None]:
    """What is said in the block, also by what it starts, is of that task."""
    token = _acting.set(chronicle)
    try:
        yield
    finally:
        _acting.reset(token)
