# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.audit.log_order import order_findings
from bcfl.contracts import events as e
from bcfl.contracts.delivery import BlockRef, EventOrigin
from bcfl.contracts.ids import Address, ContentId

TASK = Address("0x00000000000000000000000000000000000000A5")


def at(
    number, log, kind=e.TaskCompleted, *, parent=None, time=None, block_hash=None, transaction=1, **fields
):
    block = BlockRef(
        number, block_hash or f"0x{number:064x}", parent or f"0x{number - 1:064x}", time or 1000 + number
    )
    return kind(origin=EventOrigin(block, log, f"0x{transaction:064x}", TASK), **fields)


def update(log, index, transaction=1):
    content = ContentId(bytes(32), 1)
    return at(
        3,
        log,
        e.UpdateSubmitted,
        transaction=transaction,
        round=1,
        index=index,
        content=content,
        position=index,
    )


def messages(*events):
    return [found.message for found in order_findings(events)]


def test_blocks_and_logs_in_their_order_pass_and_one_log_may_stand_for_several_updates():
    assert messages(at(1, 0), at(1, 4), at(2, 0), update(1, 0), update(1, 1), at(9, 0)) == []


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ((at(1, 1), at(1, 0)), "stands after log 1"),
        ((at(1, 1), at(1, 1)), "stands after log 1"),
        ((update(1, 0), update(1, 0)), "stands after log 1"),
        ((update(1, 0), update(1, 1, transaction=2)), "stands after log 1"),
        ((at(2, 0), at(1, 0)), "block 1 stands after block 2"),
        ((at(1, 0), at(2, 0, parent=f"0x{7:064x}")), "names another parent"),
        ((at(1, 0), at(1, 1, block_hash=f"0x{7:064x}")), "another hash, parent or time"),
        ((at(1, 0), at(5, 0, time=3)), "block 5 is older than block 1"),
        ((at(1, 0, block_hash="0xabc"),), "is no hash"),
    ],
)
def test_what_cannot_stand_there_is_found(events, message):
    assert len(messages(*events)) == 1
    assert message in messages(*events)[0]


def test_an_address_needs_its_checksum():
    event = at(1, 0)
    origin = dataclasses.replace(event.origin, address=Address(TASK.lower()))
    assert messages(dataclasses.replace(event, origin=origin)) == [f"'{TASK.lower()}' is no address"]


def test_what_a_list_says_follows_its_root_and_has_its_place():
    content = ContentId(bytes(32), 100)
    root = at(3, 1, e.RootRevealed, round=1, batch=0, listing=content, members=(0, 1))
    assert messages(root, update(1, 0), update(1, 1)) == []
    assert "stands after log 1" in messages(root, at(3, 1))[0]
    assert "stands after log 1" in messages(update(1, 0), root)[0]
