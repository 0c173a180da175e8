# SPDX-License-Identifier: Apache-2.0
"""A rooted task with members whose keys are known, its lists, and the events that name them."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.chain.keys import derive_key
from bcfl.contracts import events as e
from bcfl.contracts.commitments import commitment
from bcfl.contracts.ids import Address
from bcfl.contracts.merkle import tree_of
from bcfl.contracts.messages import CommitMessage, OpeningMessage, digest_of
from bcfl.contracts.phases import Phase
from bcfl.contracts.root_lists import packed_commitments, packed_entries, packed_openings
from bcfl.storage.content_id import content_id

CHAIN_ID = 31337
ROOTER = Address(f"0x{0x77:040x}")
MEMBERS = 5


class Rooted:
    """Round 1 of a rooted task; events that are made are not told yet."""

    def __init__(self, story, content):
        self.content = content
        self.tale = story(relayed=True, unique_digests=False, rooter=ROOTER)
        self.keys = [derive_key(bytes([n + 1]) * 32) for n in range(MEMBERS)]
        self.tale.tell(e.PhaseStarted, round=0, phase=Phase.ENROLMENT, deadline=600)
        for index, key in enumerate(self.keys):
            self.tale.tell(e.TrainerJoined, index=index, account=key.address, stake=0)
        self.tale.start()

    @property
    def state(self):
        return self.tale.state

    def opening(self, index, name="update", salt=b"s" * 16):
        return OpeningMessage(round=1, index=index, content=self.content(f"{name} {index}"), salt=salt)

    def commitment(self, index, signer=None):
        opening = self.opening(index)
        hidden = commitment(
            chain_id=CHAIN_ID,
            task=self.state.address,
            round_number=1,
            index=index,
            content=opening.content,
            salt=opening.salt,
        )
        message = CommitMessage(round=1, index=index, commitment=hidden)
        digest = digest_of(message, chain_id=CHAIN_ID, task=self.state.address)
        key = self.keys[index if signer is None else signer]
        return dataclasses.replace(message, signature=key.sign_digest(digest))

    def commitments(self, *indices, signers=None):
        return packed_commitments([self.commitment(i, (signers or {}).get(i)) for i in indices])

    def openings(self, *indices, **other):
        return packed_openings([self.opening(index, **other) for index in indices])

    def committed(self, listing, *indices, root=None):
        return self.tale.event(
            e.RootCommitted,
            round=1,
            batch=0,
            first_position=0,
            root=tree_of(packed_entries(listing)).root if root is None else root,
            listing=content_id(listing),
            words=1,
            members=indices,
        )

    def revealed(self, listing, *indices):
        return self.tale.event(e.RootRevealed, round=1, batch=0, listing=content_id(listing), members=indices)


@pytest.fixture
def rooted(story, content):
    return Rooted(story, content)
