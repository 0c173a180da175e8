# SPDX-License-Identifier: Apache-2.0
"""Questions to a node that may be unable to answer for a moment, or know better what comes than what is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from bcfl.chain.intents import TransactionNode
from bcfl.chain.rpc_errors import Verdict, classify, may_pass
from bcfl.errors import ChainError

__all__ = ("asked", "estimated_gas")

_T = TypeVar("_T")
_BACKOFF_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # between tries of a call that a node could not answer


async def asked(call: Callable[[], Awaitable[_T]]) -> _T:
    """Ask the node, again after a pause where it could not answer.

    Raises:
        ChainError: its answer, or that it still cannot.
    """
    for pause in _BACKOFF_S:
        try:
            return await call()
        except ChainError as error:
            if not may_pass(error):
                raise
            await anyio.sleep(pause)
    return await call()


async def estimated_gas(node: TransactionNode, request: dict[str, Any], *, ahead: bool) -> int:
    """Gas that a transaction takes after the newest block.

    Args:
        node: whom to ask.
        request: JSON-RPC's own fields.
        ahead: where the contract refuses, ask for the block being made, whose time is now: a deadline may have passed that
            no block has seen, and a chain that makes blocks for transactions alone will make none to see it.

    Raises:
        ChainError: what the contract said of the newest block, or the node.
    """
    try:
        return await asked(lambda: node.estimate_gas(request))
    except ChainError as error:
        if not ahead or classify(error) is not Verdict.REVERTED:
            raise
        try:
            return await asked(lambda: node.estimate_gas(request, "pending"))
        except ChainError:
            raise error from None
