# SPDX-License-Identifier: Apache-2.0
"""Waits for a node that was lost, with backoff."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import structlog

from bcfl.chain.errors import CallTimeout, ConnectionLost, NodeUnreachable, RpcError
from bcfl.chain.node import Node
from bcfl.chain.rpc_errors import may_pass

__all__ = ("NODE_LOST", "ReconnectPolicy", "wait_for_node")

NODE_LOST = (ConnectionLost, CallTimeout, RpcError)
"""How a call shows that its node cannot be used now; whether that may pass is told by ``rpc_errors.may_pass``."""
_REFUSED_PAUSE_S = 2.0

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
        RpcError: the node refuses what everybody may ask.
    """
    _log.warning("connection_lost", reason=str(lost))
    delay = policy.first_delay_s
    last = lost
    if isinstance(lost, RpcError):  # it answers, and would answer the same at once
        await anyio.sleep(_REFUSED_PAUSE_S)
    with anyio.move_on_after(policy.give_up_after_s):
        while True:
            try:
                await node.reconnect()
            except (NodeUnreachable, *NODE_LOST) as error:
                if isinstance(error, RpcError) and not may_pass(error):
                    raise
                last = error
            else:
                _log.info("reconnected", url=node.url)
                return
            await anyio.sleep(delay)
            delay = min(2 * delay, policy.longest_delay_s)
    raise ConnectionLost(
        f"The node at {node.url} did not come back within {policy.give_up_after_s:g} s."
    ) from last
