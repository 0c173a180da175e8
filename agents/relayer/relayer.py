# SPDX-License-Identifier: Apache-2.0
"""The relayer: brings what members of a task have signed to the chain, many messages in one transaction, and pays for it.

It can leave somebody out, no more: what it brings is signed or opens what was committed to. Who finds itself left out acts
for itself (``handing_in``). In a task whose rooter it is, it brings roots (``rooting``).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bcfl.agents.common.spare_gas import after_the_last_act, after_the_round
from bcfl.agents.relayer import rooting
from bcfl.agents.relayer.gathering import Gathering
from bcfl.agents.relayer.intake import Intake, Opened
from bcfl.agents.relayer.rooting import KeepList
from bcfl.agents.relayer.turns import window
from bcfl.agents.runtime.actions import Action, Results, Transact, View, WakeAt, Work
from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts import calls
from bcfl.contracts.calls import Call, Opening
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.messages import CommitMessage, JoinMessage
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState

__all__ = ("Relayer",)

_COMMITMENTS = 256
"""In one transaction, as the contract takes them; under one root any number."""
_JOINS = 96
"""In one transaction: each takes some 106,000 gas with its stake, of the 16.7 million that one may use."""
_FORGOTTEN_S = 600
"""After which a join that has gone out and made nobody a member takes no place any more; its transaction goes on."""
_PATIENCE = 16
"""That part of a phase the first message of a batch waits for others at most."""


@dataclass(frozen=True, kw_only=True)
class Listen(Work[None]):
    """Wait until more messages have come than these."""

    waits = True

    taken: int


class Relayer:
    """Brings one task's messages to the chain.

    Args:
        name: what it is called.
        intake: of the task.
        factory: that made the task, and takes many joins at once.
        store: for the lists of a task whose rooter it is.
    """

    role = "relayer"

    def __init__(self, *, name: str, intake: Intake, factory: Address, store: ContentStore) -> None:
        self.name = name
        self._intake = intake
        self._factory = factory
        self._store = store

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """What is to be brought now, or when to look again."""
        state, intake = CrowdState.of(view.seen), self._intake
        intake.observe(state, view.now)
        if state is None or state.deadline == 0 or state.phase >= Phase.CLOSING:
            return []
        self._forget(state)
        intake.joins.expire(view.now - _FORGOTTEN_S)
        listen = Listen(round=state.round, taken=intake.taken)
        places = state.config.capacity - len(state.active_members)
        waits = [_close(view, state, intake.joins, awaited=places, size=_JOINS)]
        actions: list[Action] = [self._joining(state, batch) for batch in intake.joins.batches]
        if state.phase is Phase.TRAINING:
            missing = len(state.current.cohort) - len(state.current.commitments)
            size = max(1, missing) if state.config.rooted else _COMMITMENTS
            waits.append(_close(view, state, intake.commitments, awaited=missing, size=size))
            for committed in intake.commitments.batches:
                actions += _committing(state, committed, results)
        elif state.phase is Phase.REVEAL:
            missing = len(state.current.commitments) - len(state.current.updates)
            waits.append(_close(view, state, intake.openings, awaited=missing, size=missing or 1))
            for opened in intake.openings.batches:
                actions += _opening(state, opened, results)
        return [*actions, *(WakeAt(due) for due in waits if due is not None), listen]

    async def perform(self, work: Work[Any]) -> ContentId | None:
        """Wait for messages, or keep a list of them."""
        match work:
            case Listen():
                await self._intake.beyond(work.taken)
                return None
            case KeepList():
                content = await self._store.put(work.listing)
                await self._store.pin(content)
                return content
            case _:
                raise TypeError(f"A relayer does not know {work!r}.")

    def _forget(self, state: TaskState) -> None:
        """What is on the chain, and what is too late."""
        number, phase = state.round, state.phase
        committed = state.current.commitments if number else {}
        updates = state.current.updates if number else {}
        self._intake.joins.drop(lambda message: message.account in state.index_of, at_once=True)
        self._intake.commitments.drop(
            lambda message: (
                message.round != number or phase is not Phase.TRAINING or message.index in committed
            )
        )

        def over(opened: Opened) -> bool:
            message = opened.message
            late = message.round != number or phase is not Phase.REVEAL
            return late or message.index in updates or opened.entry(committed) is None

        self._intake.openings.drop(over)

    def _joining(self, state: TaskState, batch: Sequence[JoinMessage]) -> Transact:
        joins = [(message.account, message.permit, message.signature) for message in batch]
        call = calls.join_batch(self._factory, state.address, joins)
        # Whoever fills the task begins its first round.
        return _transact(0, "join", call, after_the_round(state), len(batch))


def _committing(state: TaskState, batch: Sequence[CommitMessage], results: Results) -> Iterator[Action]:
    if state.config.rooted:
        yield from _rooting(state, "commit", rooting.committing(state, batch, results))
        return
    entries = [(message.index, message.commitment, message.signature) for message in batch]
    call = calls.commit_batch(state.address, round_number=state.round, entries=entries)
    yield _transact(state.round, "commit", call, after_the_last_act(state), len(batch))


def _opening(state: TaskState, batch: Sequence[Opened], results: Results) -> Iterator[Action]:
    """One transaction for each batch of commitments that is opened."""
    if state.config.rooted:
        yield from _rooting(state, "reveal", rooting.opening(state, batch, results))
        return
    openings: dict[int, list[Opening]] = defaultdict(list)
    for held in batch:
        message = held.message
        entry = held.entry(state.current.commitments)
        if entry is None:
            continue  # of a batch that has gone out, and was undone since: it would take the others with it
        opening = Opening(place=entry.place, content=message.content, salt=message.salt)
        openings[entry.batch].append(opening)
    for number, opened in sorted(openings.items()):
        entries = state.current.batches[number]
        call = calls.reveal(
            state.address, round_number=state.round, batch=number, entries=entries, openings=opened
        )
        yield _transact(state.round, "reveal", call, after_the_last_act(state), len(opened))


def _rooting(state: TaskState, what: str, brought: Iterable[rooting.Brought]) -> Iterator[Action]:
    for one in brought:
        if isinstance(one, KeepList):
            yield one
        else:
            call, messages = one
            yield _transact(state.round, what, call, after_the_last_act(state), messages)


def _transact(number: int, what: str, call: Call, spare: int, messages: int) -> Transact:
    """Named after what it brings: another batch is another action, in another life of the relayer too."""
    name = f"{what}:{hashlib.sha256(call.data).hexdigest()[:12]}"
    return Transact(
        round=number, name=name, call=call, spare_gas=spare, evidence={"brought": what, "messages": messages}
    )


def _close(view: View, state: TaskState, held: Gathering[Any], *, awaited: int, size: int) -> int | None:
    """Have what waits go out where all is there, or where it has waited long enough; else when that will be."""
    if held.since is None:
        return None
    due = min(held.since + max(1, window(state) // _PATIENCE), state.deadline - 1)
    if len(held) < awaited and view.now < due:
        return due
    held.close(size, now=view.now)
    return None
