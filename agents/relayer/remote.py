# SPDX-License-Identifier: Apache-2.0
"""A relayer somewhere on the network, by the address of its intake."""

from __future__ import annotations

import json

import anyio
import httpx

from bcfl.agents.errors import MessageEarly, RelayerAway
from bcfl.agents.relayer.service import STATUS
from bcfl.agents.relayer.wire import encoded
from bcfl.contracts.ids import Address
from bcfl.contracts.messages import Message
from bcfl.log import public_url

__all__ = ("RemoteRelay",)

_TIMEOUT_S = 10.0
_DEADLINE_S = 30.0
_LONGEST_ANSWER = 4096
_TRIES = 8
_PAUSE_S = 1.0
_ERRORS = {status: error for error, status in STATUS.items()}


class RemoteRelay:
    """Sends messages to an intake (``relayer.service``).

    Args:
        url: of the intake, such as ``http://relayer.example:8800``.
        pause_s: between tries where its chain is behind ours.
    """

    def __init__(self, url: str, *, pause_s: float = _PAUSE_S) -> None:
        self._url = url.rstrip("/")
        self._pause_s = pause_s

    async def hand_in(self, task: Address, message: Message) -> None:
        """Give it a message; one that comes too early is given again for a while.

        Raises:
            RelayError: it does not take it.
            RelayerAway: nobody answers, or nobody who is a relayer.
        """
        kind, data = encoded(message)
        with anyio.move_on_after(_DEADLINE_S):
            await self._handed_in(f"{self._url}/tasks/{task}/{kind}", data)
            return
        raise RelayerAway(f"{public_url(self._url)} has not answered within {_DEADLINE_S:g} s.")

    async def _handed_in(self, url: str, data: bytes) -> None:
        for left in reversed(range(_TRIES)):
            try:
                await self._post(url, data)
            except MessageEarly:
                if not left:
                    raise
                await anyio.sleep(self._pause_s)
            else:
                return

    async def _post(self, url: str, data: bytes) -> None:
        shown = public_url(self._url)
        try:
            async with (
                httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client,
                client.stream(
                    "POST", url, content=data, headers={"Content-Type": "application/json"}
                ) as answer,
            ):
                said = b""
                async for part in answer.aiter_raw():
                    said += part
                    if len(said) > _LONGEST_ANSWER:
                        break
        except httpx.HTTPError as error:
            raise RelayerAway(f"No relayer answers at {shown} ({type(error).__name__}).") from error
        if answer.status_code == httpx.codes.ACCEPTED:
            return
        error_type = _ERRORS.get(answer.status_code)
        if error_type is None:
            raise RelayerAway(f"{shown} is no relayer: it answers {answer.status_code}.")
        raise error_type(_reason(said))


def _reason(said: bytes) -> str:
    """Why, in the relayer's words, as far as they are some."""
    try:
        reason = json.loads(said)["refused"]
    except (ValueError, KeyError, TypeError):
        reason = None
    return reason[:200] if isinstance(reason, str) else "The relayer does not say why."
