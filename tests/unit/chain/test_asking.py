# SPDX-License-Identifier: Apache-2.0
"""How much gas a call takes, where the newest block is not the last word."""

from __future__ import annotations

import pytest

from bcfl.chain.asking import estimated_gas
from bcfl.chain.errors import RpcError

TOO_EARLY = RpcError(3, "execution reverted", "0xaabbccdd")


class Node:
    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    async def estimate_gas(self, request, block="latest"):
        self.asked.append(block)
        answer = self.answers[block]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.asyncio
async def test_a_deadline_that_no_block_has_seen_is_seen_by_the_block_being_made():
    node = Node(latest=TOO_EARLY, pending=21_000)
    assert await estimated_gas(node, {}, ahead=True) == 21_000
    assert node.asked == ["latest", "pending"]


@pytest.mark.asyncio
async def test_what_both_refuse_is_refused_in_the_words_of_the_newest_block():
    node = Node(latest=TOO_EARLY, pending=RpcError(-32000, "no pending block here"))
    with pytest.raises(RpcError) as caught:
        await estimated_gas(node, {}, ahead=True)
    assert caught.value is TOO_EARLY


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("latest", "ahead"), [(TOO_EARLY, False), (RpcError(-32000, "insufficient funds"), True)]
)
async def test_else_nobody_asks_ahead(latest, ahead):
    node = Node(latest=latest, pending=21_000)
    with pytest.raises(RpcError):
        await estimated_gas(node, {}, ahead=ahead)
    assert node.asked == ["latest"]
