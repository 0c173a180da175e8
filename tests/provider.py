# SPDX-License-Identifier: Apache-2.0
"""A small proxy before a node that behaves as providers do, and worse: tests reach it through the ``providers`` fixture."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any

import websockets
from eth_utils.crypto import keccak
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import Server, ServerConnection, serve

__all__ = ("Provider",)

_Message = dict[str, Any]
_NO_LIMIT = 1 << 30


class Provider:
    """Passes JSON-RPC on to the node at ``url``; its loop has a thread of its own.

    What it does beside that is told by its attributes, at any time.
    """

    def __init__(self, url: str) -> None:
        self.asked: list[str] = []
        """Methods, as they came."""
        self.busy = False
        """Every call is answered by 429."""
        self.closed: HTTPStatus | None = None
        """Who knocks is answered by this."""
        self.widest: int | None = None
        """A range of more blocks than this is refused."""
        self.longest: int | None = None
        """A longer answer, in bytes, is refused."""
        self.unknown: frozenset[str] = frozenset()
        """Kinds of subscription that are not offered."""
        self.rings = True
        """Subscribers are told of anything."""
        self.shuffles = False
        """Of two heads the newer comes first."""
        self.delay_s = 0.0
        """That long is every message under way, in both directions."""
        self.loses = 0
        """So many transactions from now on are answered as if they were taken, and are not."""
        self.doubles = 0
        """So many transactions from now on are handed to the node twice."""
        self.refusals = 0
        """Calls that were answered by 429, or as too long."""
        self._url = url
        self._open: set[ServerConnection | ClientConnection] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider", daemon=True)
        self._thread.start()
        self._server: Server = self._do(self._listen())
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    @property
    def url(self) -> str:
        """Where the node seems to be."""
        return f"ws://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection."""
        self._do(self._cut())

    def hang(self) -> None:
        """Connections stay, and nothing goes through until ``heal``."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def heal(self) -> None:
        """Behave as a node would."""
        self.busy, self.closed, self.widest, self.longest = False, None, None, None
        self.unknown, self.rings, self.shuffles, self.delay_s = frozenset(), True, False, 0.0
        self.loses = self.doubles = 0
        self._loop.call_soon_threadsafe(self._flowing.set)

    def close(self) -> None:
        """End it."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    async def _listen(self) -> Server:
        return await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._knock,
            max_size=_NO_LIMIT,
            compression=None,
            ping_interval=None,
        )

    async def _knock(self, connection: ServerConnection, _: object) -> Any:
        return None if self.closed is None else connection.respond(self.closed, f"{self.closed.phrase}\n")

    async def _cut(self) -> None:
        for connection in self._open:
            connection.transport.abort()

    async def _end(self) -> None:
        self._flowing.set()
        await self._cut()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, near: ServerConnection) -> None:
        try:
            far = await dial(
                self._url,
                max_size=_NO_LIMIT,
                compression=None,
                proxy=None,
                ping_interval=None,
                open_timeout=5,
            )
        except (OSError, TimeoutError, websockets.WebSocketException):
            return  # the node is away, and so are we
        self._open |= {near, far}
        try:
            async with asyncio.TaskGroup() as group:
                outwards = group.create_task(self._ask(near, far))
                group.create_task(self._answer(far, near, outwards))
        except* (websockets.ConnectionClosed, OSError):
            pass
        finally:
            self._open -= {near, far}
            far.transport.abort()
            near.transport.abort()

    async def _ask(self, near: ServerConnection, far: ClientConnection) -> None:
        async for text in near:
            await self._on_its_way()
            message = json.loads(text)
            self.asked.append(message["method"])
            answer = self._own_answer(message)
            if answer is not None:
                await near.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}))
                continue
            await far.send(text)
            if message["method"] == "eth_sendRawTransaction" and self.doubles > 0:
                self.doubles -= 1
                await far.send(json.dumps({**message, "id": "again"}))
        far.transport.abort()

    def _own_answer(self, message: _Message) -> _Message | None:
        method, params = message["method"], message.get("params") or []
        if self.busy:
            self.refusals += 1
            return {"error": {"code": 429, "message": "Too Many Requests"}}
        if method == "eth_subscribe" and params[0] in self.unknown:
            return {"error": {"code": -32601, "message": f"no {params[0]!r} subscription in eth namespace"}}
        if method == "eth_getLogs" and self.widest is not None and "fromBlock" in params[0]:
            blocks = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            if blocks > self.widest:
                self.refusals += 1
                return {"error": {"code": -32005, "message": f"more than {self.widest} blocks"}}
        if method == "eth_sendRawTransaction" and self.loses > 0:
            self.loses -= 1
            return {"result": f"0x{keccak(hexstr=params[0]).hex()}"}
        return None

    async def _answer(
        self, far: ClientConnection, near: ServerConnection, outwards: asyncio.Task[None]
    ) -> None:
        held: str | None = None
        async for text in far:
            await self._on_its_way()
            assert isinstance(text, str)
            message = json.loads(text)
            if message.get("id") == "again":
                continue
            if message.get("method") == "eth_subscription":
                if not self.rings:
                    continue
                if self.shuffles and held is None:
                    held = text
                    continue
            elif self.longest is not None and len(text) > self.longest:
                self.refusals += 1
                error = {"code": -32008, "message": "Response is too big"}
                text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error})
            await near.send(text)
            if held is not None and message.get("method") == "eth_subscription":
                await near.send(held)
                held = None
        outwards.cancel()
        near.transport.abort()

    async def _on_its_way(self) -> None:
        await self._flowing.wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)


@contextlib.contextmanager
def providers() -> Any:
    """``make(url)`` gives one more; all end with the block."""
    made: list[Provider] = []

    def make(url: str) -> Provider:
        made.append(Provider(url))
        return made[-1]

    maker: Callable[[str], Provider] = make
    try:
        yield maker
    finally:
        for one in made:
            one.close()
