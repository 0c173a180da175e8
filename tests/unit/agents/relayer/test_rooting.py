# SPDX-License-Identifier: Apache-2.0
"""What a relayer brings where it is the rooter: lists into the store first, then roots; and whom it cannot serve."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bcfl.agents.hosting.programs import OpenTask
from bcfl.agents.hosting.relaying import RelayerProgram
from bcfl.agents.relayer.relayer import Relayer
from bcfl.agents.relayer.rooting import KeepList
from bcfl.agents.runtime.actions import Transact
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.ids import Address
from bcfl.contracts.merkle import tree_of
from bcfl.contracts.openings import open_one
from bcfl.contracts.phases import Phase
from bcfl.contracts.root_lists import packed_commitments, packed_entries, packed_openings
from bcfl.contracts.state import RootedBatch
from bcfl.storage.content_id import content_id
from bcfl.storage.memory import MemoryStore

ROOTER = Address(f"0x{0x77:040x}")
FACTORY = Address(f"0x{0xFA:040x}")

pytestmark = pytest.mark.asyncio


@pytest.fixture
def rooted(light):
    return light(members=3, rooter=ROOTER).start()


@pytest.fixture
def relayer(rooted):
    return Relayer(name="rita", intake=rooted.intake, factory=FACTORY, store=MemoryStore())


def _of(kind, actions):
    return [action for action in actions if isinstance(action, kind)]


async def _committed(rooted, *indices):
    """The root of these members, as the chain says it after their list came into the store."""
    listing = packed_commitments([rooted.commitment(index) for index in indices])
    raw = packed_entries(listing)
    record = rooted.state.current
    batch = len(record.batches.keys() | record.roots.keys())
    first = len(record.commitments)
    rooted.told.tell(
        e.RootCommitted,
        round=1,
        batch=batch,
        first_position=first,
        root=tree_of(raw).root,
        listing=content_id(listing),
        words=1,
        members=indices,
    )
    entries = tuple((index, rooted.hidden(index)) for index in indices)
    rooted.told.tell(e.UpdatesCommitted, round=1, batch=batch, first_position=first, entries=entries, raw=raw)
    return listing


async def test_the_list_is_in_the_store_before_its_root_is_posted(rooted, relayer, view):
    for index in (2, 0, 1):
        await rooted.intake.take(rooted.commitment(index))
    actions = relayer.decide(view(rooted, rooted.now), {})
    (keep,) = _of(KeepList, actions)
    assert _of(Transact, actions) == []
    listing = packed_commitments([rooted.commitment(index) for index in range(3)])
    assert (keep.content, keep.listing) == (content_id(listing), listing)
    content = await relayer.perform(keep)
    assert await relayer._store.has(content)
    (root,) = _of(Transact, relayer.decide(view(rooted, rooted.now), {keep: content}))
    assert root.call == calls.commit_root(
        rooted.state.address,
        round_number=1,
        root=tree_of(packed_entries(listing)).root,
        listing=content,
        members=[0, 1, 2],
    )
    assert root.name.startswith("commit:")


async def test_openings_go_by_their_root_and_who_committed_alone_by_itself(rooted, relayer, view):
    rooted.told.commit(1, hidden={1: rooted.hidden(1)})
    await _committed(rooted, 0, 2)
    rooted.told.phase(Phase.REVEAL)
    rooted.look()
    for index in range(3):
        await rooted.intake.take(rooted.opening(index))
    actions = relayer.decide(view(rooted, rooted.now), {})
    (keep,) = _of(KeepList, actions)
    assert keep.listing == packed_openings([rooted.opening(0), rooted.opening(2)])
    alone, root = _of(Transact, relayer.decide(view(rooted, rooted.now), {keep: keep.content}))
    state = rooted.state
    assert alone.call == open_one(state, 1, rooted.opening(1).content, b"s" * 16)
    assert root.call == calls.reveal_root(
        state.address,
        round_number=1,
        batch=1,
        rooted=state.current.roots[1],
        listing=keep.content,
        members=[0, 2],
    )


async def test_a_root_is_known_again_by_all_words_that_the_contract_hashed(rooted):
    few, many = (
        calls.reveal_root(
            rooted.state.address,
            round_number=1,
            batch=0,
            rooted=RootedBatch(root=b"r" * 32, listing=rooted.content("l"), words=words, members=(0, 2)),
            listing=rooted.content("o"),
            members=[0],
        )
        for words in (1, 3)
    )
    assert len(many.data) == len(few.data) + 64


@pytest.mark.parametrize(("rooter", "refuses"), [(ROOTER, True), (Address(f"0x{0x99:040x}"), False)])
async def test_nobody_but_its_rooter_serves_a_rooted_task(rooted, rooter, refuses):
    me = SimpleNamespace(signer=SimpleNamespace(address=Address(f"0x{0x99:040x}")))
    task = rooted.state
    config = SimpleNamespace(relayed=True, rooted=True, rooter=rooter)
    open_task = OpenTask(state=SimpleNamespace(address=task.address, config=config), specification=None)
    reason = RelayerProgram(factory=FACTORY).refuses(open_task, me)
    expected = f"its rooter is {ROOTER}, and nobody else can bring anything there" if refuses else None
    assert reason == expected
