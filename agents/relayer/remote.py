# SPDX-License-Identifier: Apache-2.0
"""A relayer somewhere on the network, by the address of its intake."""

from __future__ import annotations

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
        for left in reversed(range(_TRIES)):
            try:
                await self._post(f"{self._url}/tasks/{task}/{kind}", data)
            except MessageEarly:
                if not left:
                    raise
                await anyio.sleep(self._pause_s)
            else:
                return

    async def _post(self, url: str, data: bytes) -> None:
        shown = public_url(self._url)
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
                answer = await client.post(url, content=data, headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            raise RelayerAway(f"No relayer answers at {shown} ({type(error).__name__}).") from error
        if answer.status_code == httpx.codes.ACCEPTED:
            return
        error_type = _ERRORS.get(answer.status_code)
        if error_type is None:
            raise RelayerAway(f"{shown} is no relayer: it answers {answer.status_code}.")
        raise error_type(_said(answer))


def _said(answer: httpx.Response) -> str:
    """Why, in the relayer's words, as far as they are some."""
    try:
        reason = answer.json()["refused"]
    except (ValueError, KeyError, TypeError):
        reason = None
    return reason[:200] if isinstance(reason, str) else "The relayer does not say why."
