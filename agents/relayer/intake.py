# SPDX-License-Identifier: Apache-2.0
"""What a relayer takes in for one task: nothing that the contract would refuse, from each member once, and no more than there are members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from bcfl.agents.errors import MessageEarly, MessageRefused
from bcfl.agents.relayer.gathering import Gathering
from bcfl.agents.runtime.ports import Node
from bcfl.chain.keys import signer_of
from bcfl.chain.rpc_errors import Verdict, classify
from bcfl.contracts import calls
from bcfl.contracts.commitments import commitment
from bcfl.contracts.config import UNIT
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.messages import CommitMessage, JoinMessage, Message, OpeningMessage, digest_of
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import CommittedEntry, TaskState
from bcfl.errors import ChainError

__all__ = ("Intake", "Opened")


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An opening with the commitment, 32 bytes, that it was found to be of."""

    message: OpeningMessage
    commitment: bytes

    def entry(self, commitments: Mapping[TrainerIndex, CommittedEntry]) -> CommittedEntry | None:
        """Its commitment among those on the chain; None where a reorganisation has undone or changed it."""
        found = commitments.get(self.message.index)
        return found if found is not None and found.commitment == self.commitment else None


class Intake:
    """Messages of a task's members, held until its relayer has brought them to the chain.

    What is cheap to refuse is refused before a signature is looked at.

    Args:
        node: of the chain that signatures are for; it is asked whether somebody who joins has the stake.
    """

    def __init__(self, *, node: Node) -> None:
        self.joins: Gathering[JoinMessage] = Gathering(lambda message: int(message.account, 16))
        self.commitments: Gathering[CommitMessage] = Gathering(lambda message: message.index)
        self.openings: Gathering[Opened] = Gathering(lambda opened: opened.message.index)
        self.taken = 0
        """How many messages ever were."""
        self._node = node
        self._state: TaskState | None = None
        self._now = 0
        self._came = anyio.Event()

    def observe(self, state: TaskState | None, now: int) -> None:
        """The task after the newest block, and newest chain time, in seconds."""
        self._state, self._now = state, max(now, self._now)

    async def beyond(self, taken: int) -> None:
        """Return when more than so many messages were taken."""
        while self.taken <= taken:
            await self._came.wait()

    async def take(self, message: Message) -> None:
        """Hold a message, unless it is there already.

        Raises:
            MessageEarly: the task is not there yet, as far as is known here.
            MessageRefused: the contract would not take it, or it is not signed by whom it names.
        """
        state = self._state
        if state is None:
            raise MessageEarly("The task is not known here yet.")
        match message:
            case JoinMessage():
                changed = await self._join(state, message)
            case CommitMessage():
                changed = self._commit(state, message)
            case OpeningMessage():
                changed = self._open(state, message)
        if changed:
            self.taken += 1
            self._came.set()
            self._came = anyio.Event()

    async def _join(self, state: TaskState, message: JoinMessage) -> bool:
        account, permit = message.account, message.permit
        if state.phase >= Phase.CLOSING:
            raise MessageRefused("Nobody can join any more: the task is ending.")
        if account in state.index_of:
            raise MessageRefused(f"{account} is a member already, or was one.")
        if account not in self.joins:
            self._check_room(state)
        if permit.value < state.config.stake * UNIT or (state.config.stake and permit.deadline <= self._now):
            raise MessageRefused("The permit does not allow the stake that the task asks for.")
        self._check_signature(state, message, account, message.signature)
        if account in self.joins:
            return False
        if state.config.stake:
            await self._check_stake(state, message)
            self._check_room(state)  # others may have come meanwhile
        self.joins.add(account, message, now=self._now)
        return True

    def _check_room(self, state: TaskState) -> None:
        if len(state.active_members) + len(self.joins) >= state.config.capacity:
            raise MessageRefused(f"The task takes {state.config.capacity} members, and has or awaits them.")

    async def _check_stake(self, state: TaskState, message: JoinMessage) -> None:
        """Whoever has none would take a place among those who wait, and the relayer's ether."""
        call = calls.join(state.address, message.account, permit=message.permit, signature=message.signature)
        try:
            await self._node.call(state.address, call.data)
        except ChainError as error:
            if classify(error) is Verdict.REVERTED:
                raise MessageRefused("The task would refuse it: its stake cannot be taken.") from error
            raise MessageEarly("The relayer's node does not answer.") from error

    def _commit(self, state: TaskState, message: CommitMessage) -> bool:
        if not state.config.commit_reveal:
            raise MessageRefused("The task takes updates in the open, each from its trainer.")
        _check_moment(state, message.round, Phase.TRAINING)
        if message.index not in state.current.cohort:
            raise MessageRefused(f"Member {message.index} is not in this round's cohort.")
        if message.index in state.current.commitments:
            raise MessageRefused(f"Member {message.index} has committed already.")
        account = state.members[message.index].account
        self._check_signature(state, message, account, message.signature)
        key = (message.round, message.index)
        known = self.commitments.latest(key)
        if known is not None and known.commitment == message.commitment:
            return False
        # Another one may be on its way, of before a reorganisation: the contract takes the first that comes.
        self.commitments.add(key, message, now=self._now)
        return True

    def _open(self, state: TaskState, message: OpeningMessage) -> bool:
        _check_moment(state, message.round, Phase.REVEAL)
        entry = state.current.commitments.get(message.index)
        if entry is None:
            raise MessageRefused(f"Member {message.index} has not committed in this round.")
        if message.index in state.current.updates:
            raise MessageRefused(f"Member {message.index} has opened already.")
        if message.content.size > state.config.max_update_size:
            raise MessageRefused(f"The task takes updates of {state.config.max_update_size} bytes at most.")
        expected = commitment(
            chain_id=self._node.chain_id,
            task=state.address,
            round_number=message.round,
            index=message.index,
            content=message.content,
            salt=message.salt,
        )
        if entry.commitment != expected:
            raise MessageRefused("The opening is not of this commitment.")
        key = (message.round, message.index, expected)
        if key in self.openings:
            return False
        self.openings.add(key, Opened(message=message, commitment=expected), now=self._now)
        return True

    def _check_signature(
        self, state: TaskState, message: JoinMessage | CommitMessage, account: Address, signature: bytes
    ) -> None:
        digest = digest_of(message, chain_id=self._node.chain_id, task=state.address)
        if signer_of(digest, signature) != account:
            raise MessageRefused(f"The message is not signed by {account}.")


def _check_moment(state: TaskState, number: int, phase: Phase) -> None:
    if (number, phase) == (state.round, state.phase):
        return
    if number > state.round or (number == state.round and state.phase < phase):
        raise MessageEarly(f"Round {number} is not as far as {phase.name.lower()} here.")
    raise MessageRefused(f"It is too late for the {phase.name.lower()} of round {number}.")
