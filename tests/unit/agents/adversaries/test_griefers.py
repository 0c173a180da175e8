# SPDX-License-Identifier: Apache-2.0
"""Commitments to what nobody can use, and contents that drip."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.agents.adversaries.griefers import GarbageCid, NoReveal, OversizeBlob, SlowCid, UnavailableCid
from bcfl.agents.adversaries.slow_contents import SlowContents
from bcfl.agents.common.training import Publish, Update
from bcfl.agents.runtime.actions import Transact, View
from bcfl.chain.outbox import ActionKey
from bcfl.contracts import calls
from bcfl.contracts.ids import Address
from bcfl.models.wire.tensors import decode, encode
from bcfl.storage.content_id import content_id
from bcfl.storage.errors import FetchTimedOut
from bcfl.storage.fetch import fetch
from bcfl.storage.memory import MemoryStore

ME = Address(f"0x{1:040x}")
METADATA = {"round": "1", "samples": "100", "start": "00"}


@pytest.mark.asyncio
async def test_no_reveal_commits_without_work_and_keeps_the_opening(story, turn_of, content):
    turn = turn_of()
    assert (await NoReveal().update(turn)) is turn.start
    assert turn.engine.trained == 0
    commit, reveal = (Transact(round=1, name=name, call=calls.advance(ME)) for name in ("commit", "reveal"))
    update = Update(key=ActionKey("bob", "task", 1, "update"), content=content("u"), salt=b"s" * 16)
    publish = Publish(round=1, update=update, state=turn.state)
    view = View(seen=turn.state, final=None, now=0)
    assert NoReveal().decide(view, ME, [commit]) == [commit]
    assert NoReveal().decide(view, ME, [publish, reveal]) == []


def test_garbage_is_random_and_within_the_tasks_limit(turn_of):
    data = GarbageCid(size=200).encode(turn_of(), turn_of().start, METADATA)
    assert len(data) == 200
    assert data != GarbageCid(size=200).encode(turn_of(seed=1), turn_of().start, METADATA)
    assert len(GarbageCid().encode(turn_of(), turn_of().start, METADATA)) == 1000  # the story's limit


@pytest.mark.asyncio
async def test_the_unavailable_is_named_and_never_stored(turn_of):
    store = MemoryStore()
    data = UnavailableCid().encode(turn_of(), turn_of().start, METADATA)
    await UnavailableCid().publish(data, store)
    assert not await store.has(content_id(data))
    await GarbageCid().publish(data, store)
    assert await store.has(content_id(data))


def test_the_oversize_file_is_sound_but_too_large(turn_of):
    turn = turn_of()
    data = OversizeBlob(excess=7).encode(turn, turn.start, METADATA)
    assert len(data) == turn.state.config.max_update_size + 7
    weights, metadata = decode(data, turn.start.schema)
    assert np.array_equal(weights.vector, turn.start.vector)
    assert metadata == METADATA
    large = OversizeBlob(excess=-990).encode(turn, turn.start, METADATA)
    assert large == encode(turn.start, METADATA)  # no padding can make it smaller


@pytest.mark.asyncio
async def test_a_slow_content_outlasts_a_fetch_and_slows_nobody_else(turn_of):
    store = SlowContents(MemoryStore())
    slow = encode(turn_of().start, METADATA)
    quick = await store.put(b"quick")
    await SlowCid(seconds=60).publish(slow, store)
    with pytest.raises(FetchTimedOut):
        await fetch(store, content_id(slow), max_bytes=1000, deadline_s=0.1)
    assert await fetch(store, quick, max_bytes=1000, deadline_s=1) == b"quick"
    await store.pin(content_id(slow))
    store.slow_down(content_id(slow), 0.05)
    assert await fetch(store, content_id(slow), max_bytes=1000, deadline_s=5) == slow


@pytest.mark.asyncio
async def test_without_a_store_of_its_own_it_only_stores():
    store = MemoryStore()
    await SlowCid().publish(b"update", store)
    assert await fetch(store, content_id(b"update"), max_bytes=10, deadline_s=1) == b"update"
