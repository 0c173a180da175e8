# SPDX-License-Identifier: Apache-2.0
"""A provider that is asked too often says so, and is asked again later, by everybody at another moment."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

__all__ = ("asked_too_often", "patiently")

_TOO_OFTEN = 429  # HTTP's number for it; providers use it in JSON-RPC too
_LIMIT_EXCEEDED = (
    -32005
)  # EIP-1474; also of answers that are too long, where asking again helps nobody: the words decide
_WORDS = ("too many requests", "rate limit", "request limit", "per second", "compute unit", "throughput")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0


def asked_too_often(answer: dict[str, Any]) -> bool:
    """Whether a JSON-RPC answer says that its provider did nothing, and would later."""
    error = answer.get("error")
    if not isinstance(error, dict):
        return False
    code, words = error.get("code"), str(error.get("message", "")).lower()
    return code == _TOO_OFTEN or (code == _LIMIT_EXCEEDED and any(word in words for word in _WORDS))


async def patiently(ask: Callable[[], Awaitable[dict[str, Any]]], *, within_s: float) -> dict[str, Any]:
    """The first answer that is another one, or the last of that time in seconds."""
    give_up = anyio.current_time() + within_s
    pause = _FIRST_PAUSE_S
    while True:
        answer = await ask()
        # Who was refused at the same moment would be refused again if all came back at the same moment.
        wait = pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        if not asked_too_often(answer) or anyio.current_time() + wait > give_up:
            return answer
        await anyio.sleep(wait)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
