# SPDX-License-Identifier: Apache-2.0
"""Parts of one piece of work, done at the same time by several workers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import anyio

__all__ = ("all_of",)


async def all_of(
    do: Callable[[int, list[int]], Coroutine[Any, Any, None]], parts: Sequence[list[int]]
) -> None:
    """Do the parts side by side."""
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as group:
            for number, part in enumerate(parts):
                group.start_soon(do, number, part)
    except* Exception as errors:  # noqa: BLE001 - the first is raised as itself, for callers that name it
        failure = _first(errors)
    if failure is not None:
        raise failure


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, Exception)  # noqa: S101 - a group of exceptions holds nothing else
    return found
