# SPDX-License-Identifier: Apache-2.0
"""How a trainer has its messages brought to the chain: relayers first, one after the other, and itself where none did it in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from bcfl.agents.common.token_permits import DigestSigner
from bcfl.agents.errors import RelayError
from bcfl.agents.relayer.turns import attempt, turn_ends
from bcfl.agents.runtime.actions import Action, Results, Transact, View, WakeAt, Work
from bcfl.contracts.calls import Call
from bcfl.contracts.ids import Address
from bcfl.contracts.messages import Message, OpeningMessage, digest_of, message_of
from bcfl.contracts.state import TaskState

__all__ = ("HandIn", "HandingIn", "Relay")

_HANDED_IN = frozenset({"join", "commit", "reveal"})
_log = structlog.stdlib.get_logger("bcfl.agents")


class Relay(Protocol):
    """A relayer as those see it who use it."""

    async def hand_in(self, task: Address, message: Message) -> None:
        """Give it a message.

        Raises:
            RelayError: it does not take it, or nobody answers.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class HandIn(Work[bool]):
    """Sign what a call says and give it to a relayer; whether that took it."""

    relay: int
    task: Address
    call: Call
    deadline: int
    """Of the phase: who was refused in one may ask again in the next."""
    attempt: int = 0
    """Counted from the phase's beginning, whoever began later."""


class HandingIn:
    """A trainer's way through relayers.

    Args:
        signer: the trainer's key.
        chain_id: of the chain.
        relays: in the order of being asked.
    """

    def __init__(self, *, signer: DigestSigner, chain_id: int, relays: Sequence[Relay]) -> None:
        self._signer = signer
        self._chain_id = chain_id
        self._relays = relays

    def choose(self, view: View, actions: Sequence[Action], results: Results) -> Sequence[Action]:
        """The same wishes, with handing in before each transaction that others may bring. Pure."""
        state = view.seen
        if not self._relays or state is None or not state.config.relayed or state.ended:
            return actions
        return [one for action in actions for one in self._through(view, state, action, results)]

    def _through(self, view: View, state: TaskState, action: Action, results: Results) -> Iterator[Action]:
        if not isinstance(action, Transact) or action.name not in _HANDED_IN:
            yield action
            return
        current, following = attempt(state, view.now)
        for place in range(len(self._relays)):
            works = [
                HandIn(
                    round=action.round,
                    relay=place,
                    task=state.address,
                    call=action.call,
                    deadline=state.deadline,
                    attempt=number,
                )
                for number in range(current + 1)
            ]
            answers = [results[work] for work in works if work in results]
            ends = turn_ends(state, place, len(self._relays))
            over = view.now >= ends
            if answers and (over or not any(answers)):
                continue  # it had its time, or takes nothing
            # Again and again: a relayer that was started anew has forgotten what it took.
            yield works[-1]
            # One that says nothing has its time, and no more.
            if not over:
                yield WakeAt(min(ends, following))
                return
        yield action

    async def perform(self, work: HandIn) -> bool:
        """Whether the relayer took it."""
        message = self._signed(work)
        if message is None:
            return False
        try:
            await self._relays[work.relay].hand_in(work.task, message)
        except RelayError as error:
            _log.info("not_relayed", relay=work.relay, reason=str(error))
            return False
        return True

    def _signed(self, work: HandIn) -> Message | None:
        message = message_of(work.call)
        if message is None or isinstance(message, OpeningMessage):
            return message
        digest = digest_of(message, chain_id=self._chain_id, task=work.task)
        return dataclasses.replace(message, signature=self._signer.sign_digest(digest))
