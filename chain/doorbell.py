# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of a pump: they ring when there may be something new.

A provider may offer heads and no logs. Every block rings then, which is enough: logs ring too only because a node may
send no head after a rollback.
"""

from __future__ import annotations

from collections.abc import Collection

import anyio

from bcfl.chain.errors import RpcError, SubscriptionsMissing
from bcfl.chain.node import Node
from bcfl.chain.raw import RawBlock, parse_block
from bcfl.chain.rpc_errors import may_pass
from bcfl.chain.transport import Subscription
from bcfl.contracts.ids import Address

__all__ = ("Doorbell",)


class Doorbell:
    """Rings at a node's new heads and at the logs of some addresses, and when its socket ends."""

    def __init__(self, node: Node) -> None:
        self.heads: Subscription | None = None
        self.logs: Subscription | None = None
        self._node = node
        self._addresses: tuple[Address, ...] = ()
        self._rung = 0
        self._bell = anyio.Event()

    def ring(self) -> None:
        """There may be something new."""
        self._rung += 1
        self._bell.set()

    def listen(self) -> None:
        """What rings from here on is heard by the next ``wait``."""
        self._bell = anyio.Event()

    async def wait(self) -> None:
        """Return when it has rung since ``listen``."""
        await self._bell.wait()

    async def renew(self, addresses: Collection[Address]) -> None:
        """Subscribe afresh; raises as the node's transport does.

        Raises:
            SubscriptionsMissing: the node has none of heads.
        """
        for old in (self.heads, self.logs):
            if old is not None:
                await old.aclose()
        self.logs, self._addresses = None, ()
        try:
            self.heads = await self._node.transport.subscribe("newHeads", on_ring=self.ring)
        except RpcError as error:
            if may_pass(error):
                raise
            raise SubscriptionsMissing(self._node.url) from error
        await self.cover(addresses)

    async def cover(self, addresses: Collection[Address]) -> None:
        """Have the logs of these addresses ring, of which some may be new."""
        wanted = tuple(addresses)
        if wanted == self._addresses:
            return
        old, self._addresses = self.logs, wanted
        try:
            self.logs = await self._node.transport.subscribe(
                "logs", {"address": list(wanted)}, on_ring=self.ring
            )
        except RpcError as error:
            if may_pass(error):
                raise
            self.logs = None
        if old is not None:
            await old.aclose()

    def lost(self) -> None:
        """The socket has ended, and the subscriptions with it."""
        self.heads = self.logs = None

    def announced(self) -> list[RawBlock]:
        """The heads that rang since this was last asked, oldest first; none where anything else rang too."""
        payloads = [] if self.heads is None else self.heads.taken()
        rung, self._rung = self._rung, 0
        if rung != len(payloads):
            return []
        try:
            return list(map(parse_block, payloads))
        except (LookupError, TypeError, ValueError):
            return []
