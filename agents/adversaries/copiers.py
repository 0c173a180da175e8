# SPDX-License-Identifier: Apache-2.0
"""Trainers that hand in what another member put on chain in the same round, without having seen the model itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bcfl.agents.adversaries.absences import only_joining
from bcfl.agents.common.behaviour import Honest
from bcfl.agents.common.circle import Circle
from bcfl.agents.runtime.actions import Action, Transact, View
from bcfl.contracts import calls
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import CommittedEntry, TaskState, UpdateRecord
from bcfl.registry import register
from bcfl.storage.content_id import cid_text

__all__ = ("CommitCopier", "FrontRunner")


_Placed = TypeVar("_Placed", CommittedEntry, UpdateRecord)


def _first_of_the_others(
    state: TaskState, me: TrainerIndex, placed: Mapping[TrainerIndex, _Placed]
) -> tuple[TrainerIndex, _Placed] | None:
    """Whose was placed first this round, as long as the own is to come; None where there is nothing to copy."""
    others = {index: entry for index, entry in placed.items() if index != me}
    if state.phase is not Phase.TRAINING or me not in state.current.cohort or me in placed or not others:
        return None
    return min(others.items(), key=lambda item: item[1].position)


@register("behaviour", "commit_copier", source="subtensor #389, #1957: copied commitments")
@dataclass(frozen=True, kw_only=True)
class CommitCopier(Honest):
    """Commits the bytes that the first of the others committed, without knowing what they hide.

    A commitment is bound to its member, so the copy opens for nobody: it is a commitment that is not opened.
    """

    misbehaves = True

    def acts(self, state: TaskState, name: str, circle: Circle | None) -> bool:  # noqa: ARG002
        """Only where there are commitments."""
        return state.config.commit_reveal

    def decide(
        self,
        view: View,
        me: Address,
        actions: Sequence[Action],
        circle: Circle | None = None,  # noqa: ARG002 - it needs nobody
    ) -> Sequence[Action]:
        """The copy, once there is something to copy."""
        state = view.seen
        index = None if state is None else state.index_of.get(me)
        if state is None or index is None or state.round == 0:
            return only_joining(actions)
        first = _first_of_the_others(state, index, state.current.commitments)
        if first is None:
            return []
        victim, entry = first
        call = calls.commit(state.address, round_number=state.round, index=index, commitment=entry.commitment)
        evidence = {"commitment": entry.commitment.hex(), "victim": victim}
        return [Transact(round=state.round, name="commit", call=call, evidence=evidence)]


@register("behaviour", "front_runner", source="2CP (E1), BCFL_framework (E2): rewards by content id")
@dataclass(frozen=True, kw_only=True)
class FrontRunner(Honest):
    """Where updates are submitted in the open, submits the digest that the first of the others submitted this round.

    With commitments there is nothing to see in time: there it is honest.
    """

    misbehaves = True

    def acts(self, state: TaskState, name: str, circle: Circle | None) -> bool:  # noqa: ARG002
        """Only where updates are submitted in the open."""
        return not state.config.commit_reveal

    def decide(
        self,
        view: View,
        me: Address,
        actions: Sequence[Action],
        circle: Circle | None = None,  # noqa: ARG002 - it needs nobody
    ) -> Sequence[Action]:
        """The copy, once there is something to copy."""
        state = view.seen
        index = None if state is None else state.index_of.get(me)
        if state is None or index is None or state.round == 0:
            return only_joining(actions)
        first = _first_of_the_others(state, index, state.current.updates)
        if first is None:
            return []
        victim, update = first
        call = calls.submit(state.address, round_number=state.round, index=index, content=update.content)
        evidence = {"cid": cid_text(update.content), "victim": victim}
        return [Transact(round=state.round, name="submit", call=call, evidence=evidence)]
