# SPDX-License-Identifier: Apache-2.0
"""What lists behind roots are believed, and what becomes of one that is missing or lies."""

from __future__ import annotations

import anyio
import pytest

from bcfl.agents.audit.lists import listed
from bcfl.agents.common.gathering import UNLISTED, gather
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.roots.root_lists import RootLists
from bcfl.contracts import events as e
from bcfl.contracts.fold import fold
from bcfl.contracts.root_lists import without_lists
from bcfl.contracts.state import UNKNOWN_CONTENT
from bcfl.storage.errors import ContentNotFound
from bcfl.storage.memory import MemoryStore

CHAIN_ID = 31337

pytestmark = pytest.mark.asyncio


class Lists:
    """A store with some lists, and what is said of the others."""

    def __init__(self, *listings):
        self.listings, self.said = listings, []

    async def told(self, state, *events, **options):
        store = MemoryStore()
        for listing in self.listings:
            await store.put(listing)
        self.lists = RootLists(
            Retrieval(store),
            chain_id=CHAIN_ID,
            lacking=lambda _state, event, reason: self.said.append((type(event).__name__, reason)),
            **options,
        )
        return await self.lists.told(state, events)


async def test_sound_lists_are_told_as_if_they_were_on_the_chain(rooted):
    commitments, openings = rooted.commitments(0, 2, 3), rooted.openings(0, 2, 3)
    events = [rooted.committed(commitments, 0, 2, 3), rooted.revealed(openings, 0, 2)]
    lists = Lists(commitments, openings)
    told = await lists.told(rooted.state, *events)
    assert lists.said == []
    assert [type(event) for event in told] == [
        e.RootCommitted,
        e.UpdatesCommitted,
        e.RootRevealed,
        e.UpdateSubmitted,
        e.UpdateSubmitted,
    ]
    assert without_lists(told) == events
    record = fold(rooted.state, told).current
    assert [record.commitments[index].position for index in (0, 2, 3)] == [0, 1, 2]
    assert record.commitments[2].commitment == rooted.commitment(2).commitment
    assert {index: update.content for index, update in record.updates.items()} == {
        index: rooted.opening(index).content for index in (0, 2)
    }
    # Without the lists it is known who has handed in, and not what.
    record = fold(rooted.state, events).current
    assert set(record.commitments) == {0, 2, 3}
    assert [update.known for update in record.updates.values()] == [False, False]
    assert record.updates[2].content == UNKNOWN_CONTENT


async def test_whom_the_root_leaves_out_of_its_list_is_no_entry(rooted):
    commitments = rooted.commitments(0, 1, 2)
    told = await Lists(commitments).told(rooted.state, rooted.committed(commitments, 0, 2))
    assert [index for index, _ in told[1].entries] == [0, 2]
    assert len(told[1].raw) == 3 * 36, "proofs are over the whole list"


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("unsigned", "member 2 has not signed its entry"),
        ("root", "its entries do not come to the root"),
        ("member", "it says nothing of member 4"),
        ("order", "its members are not in ascending order"),
        ("length", "its length is no multiple of 101 bytes"),
    ],
)
async def test_a_list_of_commitments_that_lies_tells_nothing(rooted, lie, reason):
    listing, members, root = rooted.commitments(0, 2), (0, 2), None
    if lie == "unsigned":
        listing = rooted.commitments(0, 2, signers={2: 3})
    elif lie == "root":
        root = b"r" * 32
    elif lie == "member":
        members = (0, 4)
    elif lie == "order":
        listing = listing[101:] + listing[:101]
    elif lie == "length":
        root, listing = b"r" * 32, listing[:-1]
    event = rooted.committed(listing, *members, root=root)
    lists = Lists(listing)
    assert await lists.told(rooted.state, event) == [event]
    assert lists.said == [("RootCommitted", reason)]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"name": "other"}, "it does not open the commitment of member 0"),
        ({"salt": b"t" * 16}, "it does not open the commitment of member 0"),
    ],
)
async def test_a_list_of_openings_that_lies_tells_nothing(rooted, other, reason):
    commitments, openings = rooted.commitments(0, 1), rooted.openings(0, 1, **other)
    lists = Lists(commitments, openings)
    told = await lists.told(
        rooted.state, rooted.committed(commitments, 0, 1), rooted.revealed(openings, 0, 1)
    )
    assert isinstance(told[-1], e.RootRevealed)
    assert lists.said == [("RootRevealed", reason)]


async def test_openings_of_commitments_that_are_not_known_tell_nothing(rooted):
    commitments, openings = rooted.commitments(0), rooted.openings(0)
    lists = Lists(openings)
    told = await lists.told(rooted.state, rooted.committed(commitments, 0), rooted.revealed(openings, 0))
    assert [type(event) for event in told] == [e.RootCommitted, e.RootRevealed]
    assert lists.said == [
        ("RootCommitted", "it cannot be had (unavailable)"),
        ("RootRevealed", "the commitments that it opens are not known"),
    ]


async def test_a_task_whose_lists_are_slow_is_waited_for_ever_less(rooted):
    waits = []

    class Slow:
        async def content(self, content, *, max_bytes):
            began = anyio.current_time()
            try:
                await anyio.sleep(60)
            finally:
                waits.append(anyio.current_time() - began)

    lists = RootLists(Slow(), chain_id=CHAIN_ID, patience_s=0.2, lacking=lambda *_: None)
    listing = rooted.commitments(0)
    for _ in range(3):
        await lists.told(rooted.state, [rooted.committed(listing, 0)])
    assert waits[0] >= 0.2
    assert waits[2] < 0.15


async def test_a_block_that_comes_again_is_not_read_again(rooted):
    listing = rooted.commitments(0)
    event = rooted.committed(listing, 0)
    lists = Lists(listing)
    first = await lists.told(rooted.state, event)
    lists.lists._retrieval = None
    assert await lists.lists.told(rooted.state, [event]) == first


async def test_an_unknown_update_is_rejected_and_is_nobodys_fault(rooted):
    events = [rooted.committed(rooted.commitments(0), 0), rooted.revealed(rooted.openings(0), 0)]
    updates = fold(rooted.state, events).current.updates
    found = await gather(Retrieval(MemoryStore()), _Terms(), updates, start=None, max_bytes=100)
    assert found.rejected == {0: UNLISTED}
    assert found.faults == {}
    with pytest.raises(ContentNotFound):
        await Retrieval(MemoryStore()).content(UNKNOWN_CONTENT, max_bytes=100)


class _Terms:
    """What gathering asks of a specification of a task without tensors."""

    tensors = ()
    codec = type("Codec", (), {"name": "none", "parameters": {}})()


async def test_the_audit_names_the_rooter_of_a_list_that_is_missing(rooted):
    commitments, openings = rooted.commitments(0, 1), rooted.openings(0, 1)
    committed, revealed = rooted.committed(commitments, 0, 1), rooted.revealed(openings, 0, 1)
    store = MemoryStore()
    await store.put(commitments)
    story = rooted.tale
    # the story's own events, as a log would have them
    events = [story.created, *_joined(rooted), committed, revealed]
    told, findings = await listed(events, Retrieval(store), chain_id=CHAIN_ID)
    assert [type(event) for event in told[-3:]] == [e.RootCommitted, e.UpdatesCommitted, e.RootRevealed]
    (finding,) = findings
    assert finding.event is revealed
    assert finding.message.startswith(f"the rooter {rooted.state.config.rooter} names the list ")
    assert "what 2 members handed in cannot be told" in finding.message


async def test_the_audit_finds_entries_that_are_not_the_lists(rooted):
    commitments = rooted.commitments(0, 1)
    committed = rooted.committed(commitments, 0, 1)
    store = MemoryStore()
    await store.put(commitments)
    other = e.UpdatesCommitted(
        origin=committed.origin, round=1, batch=0, first_position=0, entries=((0, b"x" * 32),), raw=b""
    )
    events = [rooted.tale.created, *_joined(rooted), committed, other]
    told, findings = await listed(events, Retrieval(store), chain_id=CHAIN_ID)
    assert [finding.message.partition(" list")[0] for finding in findings] == [
        "the log has other entries than the"
    ]
    assert told[-1].entries[0][1] == rooted.commitment(0).commitment


def _joined(rooted):
    for index, key in enumerate(rooted.keys):
        yield rooted.tale.event(e.TrainerJoined, index=index, account=key.address, stake=0)
    yield rooted.tale.event(
        e.RoundStarted, round=1, model=rooted.state.model, deadline=2000, cohort=tuple(range(5))
    )
