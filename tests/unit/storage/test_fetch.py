# SPDX-License-Identifier: Apache-2.0
"""Every way in which a store or a stranger can lie to a reader."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from bcfl.contracts.ids import ContentId
from bcfl.storage import errors
from bcfl.storage.content_id import LEAF_BYTES, content_id
from bcfl.storage.errors import FetchError, StoreUnreachable
from bcfl.storage.fetch import fetch
from bcfl.storage.memory import MemoryStore

pytestmark = pytest.mark.asyncio

DATA = random.Random(0).randbytes(1_280_000)  # two leaves # noqa: S311 - no secret
CONTENT = content_id(DATA)
CAP = 2 << 20


class Answering:
    """A store that answers anything with what a function makes."""

    def __init__(self, answer: Callable[[], AsyncIterator[bytes]]) -> None:
        self._answer = answer
        self.asked = 0
        self.closed = 0

    async def get(self, content: ContentId) -> AsyncIterator[bytes]:
        self.asked += 1
        try:
            async for chunk in self._answer():
                yield chunk
        finally:
            self.closed += 1


def chunks(*parts: bytes) -> Callable[[], AsyncIterator[bytes]]:
    async def answer() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return answer


async def silent() -> AsyncIterator[bytes]:
    await anyio.sleep_forever()
    yield b""


async def stalling() -> AsyncIterator[bytes]:
    yield DATA[:1000]
    await anyio.sleep_forever()


async def dripping() -> AsyncIterator[bytes]:
    for index in range(len(DATA)):
        yield DATA[index : index + 1]
        await anyio.sleep(0.01)


async def empty_chunks_for_ever() -> AsyncIterator[bytes]:
    while True:
        yield b""
        await anyio.sleep(0)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(LEAF_BYTES)


async def unreachable() -> AsyncIterator[bytes]:
    yield DATA[:1000]
    raise StoreUnreachable


LIES: dict[str, tuple[str, Callable[[], AsyncIterator[bytes]]]] = {
    "nothing": ("truncated", chunks()),
    "one empty chunk": ("truncated", chunks(b"")),
    "one byte short": ("truncated", chunks(DATA[:-1])),
    "first leaf only": ("truncated", chunks(DATA[:LEAF_BYTES])),
    "one byte more": ("overlong", chunks(DATA, b"\0")),
    "twice": ("overlong", chunks(DATA, DATA)),
    "one huge chunk": ("overlong", chunks(bytes(8 << 20))),
    "endless": ("overlong", endless),
    "a flipped bit": ("wrong_digest", chunks(DATA[:-1] + bytes([DATA[-1] ^ 1]))),
    "leaves swapped": ("wrong_digest", chunks(DATA[LEAF_BYTES:], DATA[:LEAF_BYTES])),
    "zeros": ("wrong_digest", chunks(bytes(len(DATA)))),
    "silent": ("slow", silent),
    "stalling": ("slow", stalling),
    "dripping": ("slow", dripping),
    "empty chunks for ever": ("slow", empty_chunks_for_ever),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_refused_for_its_reason_soon_and_in_bounded_memory(lie: str):
    reason, answer = LIES[lie]
    store = Answering(answer)
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(FetchError) as caught:
            await fetch(store, CONTENT, max_bytes=CAP, deadline_s=0.3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason == reason
    assert time.monotonic() - began < 5
    assert store.closed == 1
    if lie != "one huge chunk":  # its 8 MiB are the store's own
        assert peak < CAP + (3 << 20)


async def test_an_honest_store_is_believed_in_any_pieces():
    for parts in ((DATA,), (DATA[:7], DATA[7:]), (b"", DATA[:LEAF_BYTES], b"", DATA[LEAF_BYTES:], b"")):
        assert await fetch(Answering(chunks(*parts)), CONTENT, max_bytes=len(DATA), deadline_s=5) == DATA
    assert await fetch(Answering(chunks()), content_id(b""), max_bytes=0, deadline_s=5) == b""


async def test_a_large_content_is_held_once():
    store = MemoryStore()
    content = await store.put(bytes(32 << 20))
    tracemalloc.start()
    try:
        data = await fetch(store, content, max_bytes=32 << 20, deadline_s=30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(data) == 32 << 20
    assert peak < (32 << 20) + (3 << 20)


async def test_a_size_above_the_cap_is_refused_before_the_store_is_asked():
    store = Answering(chunks(DATA))
    for size, cap in ((1 << 60, CAP), (len(DATA), len(DATA) - 1)):
        with pytest.raises(errors.ContentOversize) as caught:
            await fetch(store, ContentId(CONTENT.digest, size), max_bytes=cap, deadline_s=1)
        assert caught.value.reason == "oversize"
    assert store.asked == 0


async def test_a_size_on_chain_that_lies_is_the_contents_fault():
    store = MemoryStore()
    content = await store.put(b"ten bytes.")
    for size, reason in ((9, "overlong"), (11, "truncated"), (LEAF_BYTES + 1, "unavailable")):
        with pytest.raises(FetchError) as caught:
            await fetch(store, ContentId(content.digest, size), max_bytes=CAP, deadline_s=1)
        assert caught.value.reason == reason


async def test_an_absent_content_is_unavailable():
    with pytest.raises(FetchError) as caught:
        await fetch(MemoryStore(), CONTENT, max_bytes=CAP, deadline_s=1)
    assert caught.value.reason == "unavailable"


async def test_a_store_that_breaks_down_does_not_speak_against_the_content():
    store = Answering(unreachable)
    with pytest.raises(StoreUnreachable) as caught:
        await fetch(store, CONTENT, max_bytes=CAP, deadline_s=1)
    assert not isinstance(caught.value, FetchError)
    assert store.closed == 1


async def test_being_cancelled_is_not_a_slow_content():
    store = Answering(silent)
    with anyio.move_on_after(0.05) as scope:
        await fetch(store, CONTENT, max_bytes=CAP, deadline_s=60)
    assert scope.cancelled_caught
    assert store.closed == 1


async def test_reasons_are_distinct_and_every_situation_has_a_sentence():
    situations = [getattr(errors, name) for name in errors.__all__]
    reasons = [situation.reason for situation in situations]
    assert len(set(reasons)) == len(reasons)
    for situation in situations:
        assert str(situation()).endswith(".")
        assert f"{situation.reason}" in (errors.__doc__ or "")
