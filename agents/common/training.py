# SPDX-License-Identifier: Apache-2.0
"""A round's training as the chain sees it: train and commit, then publish and open. Pure; ``update_maker`` does the work."""

from __future__ import annotations

from dataclasses import dataclass, field

from bcfl.agents.common.commit_reveal import committed_result
from bcfl.agents.common.joining import TrainerIdentity
from bcfl.agents.common.spare_gas import after_the_last_act
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.chain.outbox import ActionKey
from bcfl.contracts import calls
from bcfl.contracts.commitments import commitment
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.openings import open_one
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState
from bcfl.storage.content_id import cid_text

__all__ = ("Publish", "Train", "Update", "take_part")


@dataclass(frozen=True, kw_only=True)
class Train(Work["Update | None"]):
    """Train from the round's model; nothing leaves the trainer yet."""

    task: Address
    specification: ContentId
    start: ContentId
    max_update_size: int
    state: TaskState = field(compare=False)
    """What was public when it was wanted; the newest does not make it another work."""


@dataclass(frozen=True, kw_only=True)
class Publish(Work[bool]):
    """Put the update into the store: only once its commitment cannot be undone."""

    update: Update
    state: TaskState = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a training leaves: the content's id and the salt; the bytes are in the journal."""

    key: ActionKey
    content: ContentId
    salt: bytes


def take_part(
    view: View, state: TaskState, index: TrainerIndex, me: TrainerIdentity, results: Results
) -> list[Action]:
    """What a member wants of a round's training: train and commit, then publish and open."""
    if state.phase not in {Phase.TRAINING, Phase.REVEAL}:
        return []
    train = Train(
        round=state.round,
        task=state.address,
        specification=state.config.specification,
        start=state.current.start_model,
        max_update_size=state.config.max_update_size,
        state=state,
    )
    if state.phase is Phase.TRAINING:
        return _contribute(state, index, me, train, results)
    return _open(view, state, index, me, train, results)


def _contribute(
    state: TaskState, index: TrainerIndex, me: TrainerIdentity, train: Train, results: Results
) -> list[Action]:
    record = state.current
    if index not in record.cohort or index in record.commitments or index in record.updates:
        return []
    update: Update | None = results.get(train)
    if update is None:
        return [train]
    if not state.config.commit_reveal:
        publish = Publish(round=state.round, update=update, state=state)
        if publish not in results:
            return [train, publish]
        call = calls.submit(state.address, round_number=state.round, index=index, content=update.content)
        spare = after_the_last_act(state)
        return [train, Transact(round=state.round, name="submit", call=call, spare_gas=spare)]
    hidden = _hidden(state, index, me, update)
    call = calls.commit(state.address, round_number=state.round, index=index, commitment=hidden)
    evidence = {"commitment": hidden.hex()}
    spare = after_the_last_act(state)
    return [
        train,
        Transact(round=state.round, name="commit", call=call, evidence=evidence, spare_gas=spare),
    ]


def _hidden(state: TaskState, index: TrainerIndex, me: TrainerIdentity, update: Update) -> bytes:
    return commitment(
        chain_id=me.chain_id,
        task=state.address,
        round_number=state.round,
        index=index,
        content=update.content,
        salt=update.salt,
    )


def _open(
    view: View,
    state: TaskState,
    index: TrainerIndex,
    me: TrainerIdentity,
    train: Train,
    results: Results,
) -> list[Action]:
    entry = state.current.commitments.get(index)
    if entry is None or index in state.current.updates:
        return []
    # Until Reveal is final a reorganisation could show the update to others while they still commit.
    if not view.is_final(state.round, Phase.REVEAL):
        return []
    update = committed_result(
        results,
        Train,
        round_number=state.round,
        commitment=entry.commitment,
        hidden=lambda one: _hidden(state, index, me, one),
    )
    if update is None:
        return [train]  # after a restart: the journal gives it back without training
    publish = Publish(round=state.round, update=update, state=state)
    if publish not in results:
        return [train, publish]
    call = open_one(state, index, update.content, update.salt)
    evidence = {"cid": cid_text(update.content)}
    spare = after_the_last_act(state)
    return [
        train,
        publish,
        Transact(round=state.round, name="reveal", call=call, evidence=evidence, spare_gas=spare),
    ]
