# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC over one WebSocket: calls by id, subscriptions as doorbells.

One socket serves a whole process. A single reader task matches answers to calls and payloads to
subscriptions and never waits for either, so a slow subscriber cannot hold back an answer. web3.py uses the
transport as a provider; its own persistent provider spins while it waits, loses subscriptions and deadlocks
on bursts, which is why it is not used.

Sources: JSON-RPC 2.0; Ethereum execution API, ``eth_subscribe``; EIP-1474 for error codes.
"""

from __future__ import annotations

import asyncio  # web3's provider and the websockets client are asyncio's; the reader task lives beside them
import json
import socket
import urllib.parse
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import structlog
import websockets
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse
from websockets.asyncio.client import ClientConnection

from bcfl.chain.errors import CallTimeout, ConnectionLost, NodeUnreachable, RpcError, WebSocketRequired
from bcfl.chain.json_rpc import answers, result
from bcfl.chain.patience import patiently
from bcfl.log import public_url

__all__ = ("Subscription", "WebSocketTransport", "connect", "dial")

_LARGEST_MESSAGE = (
    1 << 30
)  # a block of 100,000 logs is 60 MB; the library's own cap of 1 MiB closes the socket
_KEPT_PAYLOADS = 64
_CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.0
_PING_TIMEOUT_S = 60.0  # longer than anvil takes to mine its fullest block

_QUICK_ACKNOWLEDGEMENT: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only

_log = structlog.stdlib.get_logger("bcfl.chain.transport")


class _PendingCall:
    """A call that waits for its answer."""

    __slots__ = ("answer", "answered", "on_answer")

    def __init__(self, on_answer: Callable[[dict[str, Any]], None] | None) -> None:
        self.answer: dict[str, Any] | None = None
        self.answered = anyio.Event()
        self.on_answer = on_answer


class Subscription(AsyncIterator[Any]):
    """Payloads of one ``eth_subscribe``: a doorbell, not data.

    It keeps the newest payloads only; when nobody reads them the oldest make room and ``coalesced`` counts them.
    Iteration raises ``ConnectionLost`` when the socket ends and stops after ``aclose``.
    """

    def __init__(self, transport: WebSocketTransport, kind: str, on_ring: Callable[[], None] | None) -> None:
        self.kind = kind
        self.coalesced = 0
        self.id = ""
        self._transport = transport
        self._on_ring = on_ring
        self._payloads: deque[Any] = deque(maxlen=_KEPT_PAYLOADS)
        self._changed = anyio.Event()
        self._closed = False

    async def __anext__(self) -> Any:  # noqa: ANN401 - a payload's shape depends on the kind
        """The next payload."""
        while not self._payloads:
            if self._closed:
                raise StopAsyncIteration
            if self._transport.lost is not None:
                raise self._transport.lost_error()
            await self._changed.wait()
        return self._payloads.popleft()

    def taken(self) -> list[Any]:
        """The payloads that came since they were last taken, oldest first."""
        payloads = list(self._payloads)
        self._payloads.clear()
        return payloads

    async def aclose(self) -> None:
        """Unsubscribe; a socket that has ended is no error."""
        if self._closed:
            return
        self._closed = True
        self._transport.forget(self)
        self.ring()
        try:
            await self._transport.request("eth_unsubscribe", [self.id])
        except (ConnectionLost, CallTimeout, RpcError):
            _log.debug("unsubscribe_failed", kind=self.kind)

    def push(self, payload: Any) -> None:  # noqa: ANN401 - a payload's shape depends on the kind
        """Called by the reader: keep the payload and ring."""
        if len(self._payloads) == _KEPT_PAYLOADS:
            self.coalesced += 1
        self._payloads.append(payload)
        self.ring()

    def ring(self) -> None:
        """Called by the reader: wake whoever waits."""
        self._changed.set()
        self._changed = anyio.Event()
        if self._on_ring is not None:
            self._on_ring()


class WebSocketTransport(AsyncJSONBaseProvider):
    """JSON-RPC over one open WebSocket; ``connect`` makes one.

    Args:
        url: the node's URL as it may be shown.
        connection: open, owned from here on.
        call_timeout_s: deadline of each call in seconds.
    """

    def __init__(self, *, url: str, connection: ClientConnection, call_timeout_s: float) -> None:
        super().__init__()
        self.url = url
        self.lost: str | None = None
        """Why the socket ended; None while it is open."""
        self._socket = connection
        self._call_timeout_s = call_timeout_s
        self._pending: dict[int, _PendingCall] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._tcp = connection.transport.get_extra_info("socket")
        self._reading = asyncio.create_task(self._read(), name=f"read {url}")

    @property
    def pending_calls(self) -> int:
        """Calls that wait for an answer."""
        return len(self._pending)

    async def request(self, method: str, params: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - any JSON
        """The result of a call, as the node wrote it.

        Raises:
            RpcError: the node answered with an error.
            CallTimeout: no answer in time.
            ConnectionLost: the socket ended before the answer.
        """
        return result(await self._call(method, params), method)

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 - web3's signature
        """What web3 calls: the whole answer, error included."""
        request = self.form_request(method, params)
        return cast(
            "RPCResponse", await self._exchange(request["id"], self.encode_rpc_dict(request).decode(), method)
        )

    async def subscribe(
        self, kind: str, *params: object, on_ring: Callable[[], None] | None = None
    ) -> Subscription:
        """Subscribe to ``newHeads``, ``logs``, ...

        Args:
            kind: the kind of subscription.
            params: its parameters, a filter for ``logs``.
            on_ring: called by the reader at each payload and when the socket ends; must return at once.

        Raises:
            RpcError: the node does not offer it.
            CallTimeout: no answer in time.
            ConnectionLost: the socket ended.
        """
        subscription = Subscription(self, kind, on_ring)

        def enter(answer: dict[str, Any]) -> None:
            # by the reader, in the tick of the answer: a payload may stand right behind it in the socket
            if "error" not in answer:
                subscription.id = str(answer["result"])
                self._subscriptions[subscription.id] = subscription

        result(await self._call("eth_subscribe", [kind, *params], on_answer=enter), "eth_subscribe")
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Deliver nothing more to the subscription."""
        self._subscriptions.pop(subscription.id, None)

    def lost_error(self) -> ConnectionLost:
        """A fresh error that says why the socket ended."""
        return ConnectionLost(f"The connection to {self.url} ended: {self.lost}.")

    async def aclose(self) -> None:
        """Close the socket; every pending call and subscription ends with ``ConnectionLost``. Safe to repeat."""
        with anyio.move_on_after(2 * _CLOSE_TIMEOUT_S, shield=True):
            await self._socket.close()
        self._reading.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([self._reading])

    async def _call(
        self, method: str, params: Sequence[Any], *, on_answer: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        number = next(self.request_counter)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
        return await self._exchange(number, json.dumps(request), method, on_answer)

    async def _exchange(
        self,
        number: Any,  # noqa: ANN401 - web3 types ids as int or str
        message: str,
        method: str,
        on_answer: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        return await patiently(
            lambda: self._once(number, message, method, on_answer), within_s=self._call_timeout_s
        )

    async def _once(
        self,
        number: Any,  # noqa: ANN401 - as above
        message: str,
        method: str,
        on_answer: Callable[[dict[str, Any]], None] | None,
    ) -> dict[str, Any]:
        if self.lost is not None:
            raise self.lost_error()
        call = _PendingCall(on_answer)
        self._pending[number] = call
        try:
            with anyio.move_on_after(self._call_timeout_s):
                await self._socket.send(message)
                await call.answered.wait()
        except websockets.ConnectionClosed as closed:
            raise ConnectionLost(f"The connection to {self.url} ended: {_reason(closed)}.") from closed
        finally:
            self._pending.pop(number, None)
        if call.answer is not None:
            return call.answer
        if self.lost is not None:
            raise self.lost_error()
        raise CallTimeout(method, self._call_timeout_s)

    async def _read(self) -> None:
        reason = "it was closed"
        try:
            async for message in self._socket:
                self._acknowledge()
                for answer in answers(message):
                    self._dispatch(answer)
        except websockets.ConnectionClosed as closed:
            reason = _reason(closed)
        except ValueError as error:
            reason = f"the node sent what is not JSON-RPC ({error})"
        finally:
            self.lost = reason
            for call in self._pending.values():
                call.answered.set()
            for subscription in list(self._subscriptions.values()):
                subscription.ring()

    def _acknowledge(self) -> None:
        # A node that leaves Nagle's algorithm on holds an answer back until its last notification is acknowledged,
        # which the kernel delays by 40 ms; the option wears off, hence once a message (tcp(7)).
        if _QUICK_ACKNOWLEDGEMENT is not None and self._tcp is not None:
            self._tcp.setsockopt(socket.IPPROTO_TCP, _QUICK_ACKNOWLEDGEMENT, 1)

    def _dispatch(self, message: dict[str, Any]) -> None:
        if message.get("method") == "eth_subscription":
            params = message["params"]
            subscription = self._subscriptions.get(str(params["subscription"]))
            if subscription is not None:
                subscription.push(params.get("result"))
            return
        call = self._pending.get(message.get("id", -1))
        if call is not None:  # else: cancelled or too late
            call.answer = message
            if call.on_answer is not None:
                call.on_answer(message)
            call.answered.set()


@asynccontextmanager
async def connect(
    url: str, *, call_timeout_s: float = 30.0, headers: Mapping[str, str] | None = None
) -> AsyncIterator[WebSocketTransport]:
    """An open transport that is closed at the end of the block.

    Args:
        url: ``ws://`` or ``wss://``.
        call_timeout_s: deadline of each call in seconds.
        headers: of the request that opens the socket.

    Raises:
        WebSocketRequired: the URL is of another scheme.
        NodeUnreachable: nobody answers there.
    """
    transport = await dial(url, call_timeout_s=call_timeout_s, headers=headers)
    try:
        yield transport
    finally:
        await transport.aclose()


async def dial(
    url: str, *, call_timeout_s: float = 30.0, headers: Mapping[str, str] | None = None
) -> WebSocketTransport:
    """As ``connect``, for an owner that closes the transport itself."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"ws", "wss"}:
        raise WebSocketRequired(url)
    loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    try:
        connection = await websockets.connect(
            url,
            additional_headers=headers,
            open_timeout=_CONNECT_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_timeout=_PING_TIMEOUT_S,
            max_size=_LARGEST_MESSAGE,
            compression=None,  # logs are hexadecimal, but the node is near and the CPU is the bottleneck
            proxy=None if loopback else True,
        )
    except (OSError, TimeoutError, websockets.WebSocketException) as error:
        raise NodeUnreachable(public_url(url), _one_line(error)) from error
    return WebSocketTransport(url=public_url(url), connection=connection, call_timeout_s=call_timeout_s)


def _reason(closed: websockets.ConnectionClosed) -> str:
    return _one_line(closed) or "it was closed"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
