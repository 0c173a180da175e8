# SPDX-License-Identifier: Apache-2.0
"""What a member's own call says, for others to bring."""

from __future__ import annotations

from bcfl.contracts import calls
from bcfl.contracts.calls import Opening, Permit
from bcfl.contracts.ids import Address
from bcfl.contracts.messages import CommitMessage, JoinMessage, OpeningMessage, message_of

TASK = Address("0x00000000000000000000000000000000000000aA")
ACCOUNT = Address("0xA29290Ee70eea592904AFAc0f08e0Fd29e1056CA")


def test_joining_committing_and_opening_can_be_brought(content):
    permit = Permit(value=7, deadline=9, v=27, r=b"r" * 32, s=b"s" * 32)
    assert message_of(calls.join(TASK, ACCOUNT, permit=permit)) == JoinMessage(account=ACCOUNT, permit=permit)
    commit = calls.commit(TASK, round_number=3, index=70_000, commitment=b"c" * 32)
    assert message_of(commit) == CommitMessage(round=3, index=70_000, commitment=b"c" * 32)
    entries = b"".join(n.to_bytes(4, "big") + bytes([n]) * 32 for n in range(1, 6))
    for place in range(5):
        opening = Opening(place=place, content=content("update"), salt=b"s" * 16)
        call = calls.reveal(TASK, round_number=2, batch=1, entries=entries, openings=[opening])
        expected = OpeningMessage(round=2, index=place + 1, content=content("update"), salt=b"s" * 16)
        assert message_of(call) == expected


def test_other_calls_are_for_who_makes_them(content):
    assert message_of(calls.advance(TASK)) is None
    assert message_of(calls.submit(TASK, round_number=1, index=0, content=content("update"))) is None
    entries = (1).to_bytes(4, "big") + b"c" * 32
    nothing = calls.reveal(TASK, round_number=1, batch=0, entries=entries, openings=[])
    assert message_of(nothing) is None
