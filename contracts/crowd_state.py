# SPDX-License-Identifier: Apache-2.0
"""What a crowd's task has beside what every task has: evaluators with bonds, suspensions, objections to evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import RoundRecord, TaskState

__all__ = ("CrowdRound", "CrowdState", "EvaluatorState", "Uncredited", "evaluators_of")


@dataclass(frozen=True, kw_only=True)
class EvaluatorState:
    """One evaluator of the task's list."""

    account: Address
    bond: int | None = None
    removed: bool = False
    accused_in: int | None = None
    """The round whose evaluation members blame it for: until its successor clears it, or its bond is shared."""
    served: bool = False
    opened: bool = False
    returned: bool = False
    validation_commitment: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Uncredited:
    """Credits of which the contract has written the first ``written`` slots; anybody may have it go on."""

    round: int
    written: int


@dataclass(frozen=True, kw_only=True)
class CrowdRound(RoundRecord):
    """One round, which one evaluator judges."""

    evaluator: int | None = None
    report: ContentId | None = None
    suspended: tuple[TrainerIndex, ...] = ()
    """By this round's evaluation."""
    suspended_before: tuple[TrainerIndex, ...] = ()
    """Who sat this round out."""
    objections: tuple[TrainerIndex, ...] = ()
    """Who objected to the evaluation, in their order."""
    blaming: tuple[TrainerIndex, ...] = ()
    """Those of them who say that the evaluator is at fault."""
    reverted: bool = False
    """Objections were upheld: ``model`` does not count, the task went on from ``start_model``."""
    bond_shares: Mapping[TrainerIndex, int] = field(default_factory=dict)
    """What the accused evaluator's bond gave to those who had revealed, once the task had ended."""


@dataclass(frozen=True, kw_only=True)
class CrowdState(TaskState):
    """Everything public about a crowd's task after some block."""

    evaluators: tuple[EvaluatorState, ...]
    rounds: Mapping[int, CrowdRound] = field(default_factory=dict)
    active_evaluator: int | None = None
    """Place in the list of the one who evaluates, from the first round on; None where nobody is left."""
    last_evaluator: int | None = None
    """Whom nobody succeeded: the active one, or where nobody is left the one before."""
    uncredited: Uncredited | None = None

    @property
    def current(self) -> CrowdRound:
        """The round under way, or the last one."""
        return self.rounds[self.round]

    @property
    def objectionable(self) -> int | None:
        """The round whose evaluation members may object to now, None where there is none.

        It is the one before the round in Training, or the last one in Closing, if it was evaluated and stands.
        """
        if self.phase not in {Phase.TRAINING, Phase.CLOSING}:
            return None
        number = self.round if self.phase is Phase.CLOSING else self.round - 1
        record = self.rounds.get(number)
        return number if record is not None and record.report is not None and not record.reverted else None

    def bond_share(self, index: TrainerIndex) -> int:
        """What the member has of evaluators' bonds, in 10⁻⁹ token: no pay for its work."""
        return sum(record.bond_shares.get(index, 0) for record in self.rounds.values())


def evaluators_of(state: TaskState) -> tuple[EvaluatorState, ...]:
    """A crowd's evaluators, by place; a consortium has none."""
    return state.evaluators if isinstance(state, CrowdState) else ()
