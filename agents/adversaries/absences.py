# SPDX-License-Identifier: Apache-2.0
"""Trainers that hold a task up by what they leave out or put off: its deadlines bound what they can cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bcfl.agents.common.behaviour import Honest
from bcfl.agents.common.circle import Circle
from bcfl.agents.common.joining import AllowStake
from bcfl.agents.runtime.actions import Action, Transact, View, WakeAt
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.registry import register

__all__ = ("Absentee", "SlotFiller", "Straggler", "only_joining")

_CONTRIBUTIONS = ("commit", "submit", "reveal")


def only_joining(actions: Sequence[Action]) -> Sequence[Action]:
    """Of what an honest trainer wants, what makes it a member."""
    return [
        action
        for action in actions
        if isinstance(action, AllowStake) or (isinstance(action, Transact) and action.name == "join")
    ]


@register("behaviour", "absentee", source="VBFL (Chen et al., 2021), leaving workers")
@dataclass(frozen=True, kw_only=True)
class Absentee(Honest):
    """Joins and does nothing: the training phase lasts until its deadline."""

    misbehaves = True

    def decide(
        self,
        view: View,  # noqa: ARG002 - whatever the view
        me: Address,  # noqa: ARG002
        actions: Sequence[Action],
        circle: Circle | None = None,  # noqa: ARG002
    ) -> Sequence[Action]:
        """Nothing once it is a member."""
        return only_joining(actions)


@register(
    "behaviour", "slot_filler", source="2CP (Cai & Rueckert, 2020): rounds that close when they are full"
)
@dataclass(frozen=True, kw_only=True)
class SlotFiller(Absentee):
    """Takes a place of a task with few and does nothing in it; listed first with a count, it takes them all.

    In a scenario members join in the order of the population, so who stands first is first.
    """


@register("behaviour", "straggler", source="NEBULA (Martínez Beltrán et al., 2024), delayer")
@dataclass(frozen=True, kw_only=True)
class Straggler(Honest):
    """Does honest work and hands it in at the last moment, or too late.

    At the last moment it is ``margin_s`` seconds of chain time before the deadline, of the opening too. Too late it commits
    at the deadline, which the contract refuses.
    """

    when: Literal["last_moment", "too_late"] = "last_moment"
    margin_s: int = 2

    misbehaves = True

    def __post_init__(self) -> None:
        """A block at the deadline is too late for a transaction: the margin must leave room for one before it."""
        if self.margin_s < 2:
            raise ValueError(f"margin_s is {self.margin_s}; write at least 2 seconds")

    def decide(
        self,
        view: View,
        me: Address,  # noqa: ARG002 - the same for everybody
        actions: Sequence[Action],
        circle: Circle | None = None,  # noqa: ARG002
    ) -> Sequence[Action]:
        """The same, but what it hands in waits."""
        state = view.seen
        if state is None or state.phase not in {Phase.TRAINING, Phase.REVEAL}:
            return actions
        moment = state.deadline - (self.margin_s if self.when == "last_moment" else 0)
        if view.now >= moment:
            return actions
        return [
            WakeAt(moment) if isinstance(action, Transact) and action.name in _CONTRIBUTIONS else action
            for action in actions
        ]
