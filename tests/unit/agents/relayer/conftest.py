# SPDX-License-Identifier: Apache-2.0
"""A relayed task with members whose keys are known, and the messages that they sign."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from bcfl.agents.relayer.intake import Intake
from bcfl.chain.errors import ConnectionLost, RpcError
from bcfl.chain.keys import derive_key
from bcfl.contracts import events as e
from bcfl.contracts.calls import NO_PERMIT, Call
from bcfl.contracts.commitments import commitment
from bcfl.contracts.messages import CommitMessage, JoinMessage, OpeningMessage, digest_of, message_of
from bcfl.contracts.phases import Phase

CHAIN_ID = 31337


class Accountant:
    """A node that knows who has no tokens."""

    chain_id = CHAIN_ID

    def __init__(self):
        self.poor, self.asked, self.silent = set(), 0, False

    async def call(self, to, data, block="latest"):
        self.asked += 1
        if self.silent:
            raise ConnectionLost("gone")
        if message_of(Call(to, data)).account in self.poor:
            raise RpcError(3, "execution reverted", "0x")
        return b""


class Light:
    """``members`` light members of a task that a relayer works for."""

    def __init__(self, story, content, *, members, **options):
        self.keys = [derive_key(bytes([n + 1]) * 32) for n in range(members + 4)]
        self.content = content
        self.told = story(relayed=True, unique_digests=False, **options)
        self.node = Accountant()
        self.intake = Intake(node=self.node)
        self.now = 0
        self.told.tell(e.PhaseStarted, round=0, phase=Phase.ENROLMENT, deadline=600)
        for index in range(members):
            self.told.tell(e.TrainerJoined, index=index, account=self.keys[index].address, stake=0)
        self.look()

    @property
    def state(self):
        return self.told.state

    def look(self, now=None):
        self.now = self.now if now is None else now
        self.intake.observe(self.state, self.now)
        return self

    def start(self, number=1):
        self.told.start(number)
        return self.look(2000 * (number - 1))

    def signed(self, message, key):
        digest = digest_of(message, chain_id=CHAIN_ID, task=self.state.address)
        return dataclasses.replace(message, signature=key.sign_digest(digest))

    def join(self, who, *, signer=None, permit=NO_PERMIT):
        message = JoinMessage(account=self.keys[who].address, permit=permit)
        return self.signed(message, self.keys[who if signer is None else signer])

    def hidden(self, index, number=1):
        return commitment(
            chain_id=CHAIN_ID,
            task=self.state.address,
            round_number=number,
            index=index,
            content=self.content(f"update {index}"),
            salt=b"s" * 16,
        )

    def commitment(self, index, *, number=1, signer=None):
        message = CommitMessage(round=number, index=index, commitment=self.hidden(index, number))
        return self.signed(message, self.keys[index if signer is None else signer])

    def opening(self, index, *, number=1, salt=b"s" * 16):
        return OpeningMessage(round=number, index=index, content=self.content(f"update {index}"), salt=salt)

    def reveal(self, *batches):
        for batch in batches:
            self.told.commit(*batch, hidden={index: self.hidden(index) for index in batch})
        self.told.phase(Phase.REVEAL)
        return self.look()


@pytest.fixture
def light(story, content):
    return lambda members=3, **options: Light(story, content, members=members, **options)


@pytest.fixture
def view(light):
    return lambda task, now: SimpleNamespace(seen=task.state, final=task.state, now=now)
