# SPDX-License-Identifier: Apache-2.0
"""Waits for a node that was lost, with backoff."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import structlog

from bcfl.chain.errors import CallTimeout, ConnectionLost, NodeUnreachable
from bcfl.chain.node import Node

__all__ = ("ReconnectPolicy", "wait_for_node")

_log = structlog.stdlib.get_logger("bcfl.chain.pump")


@dataclass(frozen=True, kw_only=True)
class ReconnectPolicy:
    """How long a lost node is waited for; delays double from the first to the longest."""

    first_delay_s: float = 0.25
    longest_delay_s: float = 30.0
    give_up_after_s: float = 600.0


async def wait_for_node(node: Node, lost: Exception, policy: ReconnectPolicy) -> None:
    """Return when the node has a new socket.

    Args:
        node: that was lost.
        lost: how that showed.
        policy: how long it is waited for.

    Raises:
        ConnectionLost: it did not come back in time.
        ChainIdentityChanged: another chain answers.
    """
    _log.warning("connection_lost", reason=str(lost))
    delay = policy.first_delay_s
    last = lost
    with anyio.move_on_after(policy.give_up_after_s):
        while True:
            try:
                await node.reconnect()
            except (NodeUnreachable, ConnectionLost, CallTimeout) as error:
                last = error
            else:
                _log.info("reconnected", url=node.url)
                return
            await anyio.sleep(delay)
            delay = min(2 * delay, policy.longest_delay_s)
    raise ConnectionLost(
        f"The node at {node.url} did not come back within {policy.give_up_after_s:g} s."
    ) from last
