# SPDX-License-Identifier: Apache-2.0
"""What a consortium's task has beside what every task has: members who judge each other, name the model and vote on members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.state import RoundRecord, TaskState

__all__ = ("ConsortiumRound", "ConsortiumState", "Proposal")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Whether a consortium admits an account, or expels it."""

    account: Address
    admit: bool
    votes: tuple[TrainerIndex, ...] = ()
    """In their order, the proposer's first."""
    passed: bool = False


@dataclass(frozen=True, kw_only=True)
class ConsortiumRound(RoundRecord):
    """One round, which all members judge."""

    score_commitments: Mapping[TrainerIndex, bytes] = field(default_factory=dict)
    """Who has judged, and the hash of what it will say."""
    vectors: Mapping[TrainerIndex, Mapping[TrainerIndex, int]] = field(default_factory=dict)
    """By judge and target: the scores as they were opened, int64 in 10⁻⁹."""
    probes: Mapping[TrainerIndex, bytes] = field(default_factory=dict)
    """By judge: the digest that shows that it has run the models."""
    settled: bool = False
    """The scores became credits; without scores, what the round pays was split equally."""
    evaluation_pay: Mapping[TrainerIndex, int] = field(default_factory=dict)
    """By judge who opened, in 10⁻⁹ token; beside ``credits`` and not in ``payout``."""
    forfeiters: tuple[TrainerIndex, ...] = ()
    """Who committed scores and did not open them: no credits and no bond."""
    model_votes: Mapping[TrainerIndex, ContentId] = field(default_factory=dict)
    """By member: the next model as it computed it, in the order of their votes."""


@dataclass(frozen=True, kw_only=True)
class ConsortiumState(TaskState):
    """Everything public about a consortium's task after some block."""

    rounds: Mapping[int, ConsortiumRound] = field(default_factory=dict)
    allowed: frozenset[Address] = frozenset()
    """Who may join."""
    proposals: Mapping[int, Proposal] = field(default_factory=dict)

    @property
    def current(self) -> ConsortiumRound:
        """The round under way, or the last one."""
        return self.rounds[self.round]
