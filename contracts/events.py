# SPDX-License-Identifier: Apache-2.0
"""The contracts' events as frozen dataclasses; amounts in 10⁻⁹ token, scores in 10⁻⁹, times in seconds.

Each carries its origin (block, log index). A log that stands for a batch of updates becomes one event per
entry (``contracts.abi``).
"""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.contracts.config import TaskConfig
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import CancelReason, Kind, Phase

__all__ = (
    "BondForfeited",
    "BondReturned",
    "BondSlashed",
    "CancelRequested",
    "CreditsWritten",
    "EscrowReturned",
    "EvaluationReverted",
    "EvaluationSubmitted",
    "EvaluatorBonded",
    "EvaluatorCleared",
    "EvaluatorRemoved",
    "Event",
    "MemberBondReturned",
    "MemberProposed",
    "MemberVoted",
    "ModelSubmitted",
    "Objected",
    "PhaseStarted",
    "RewardWithdrawn",
    "RootCommitted",
    "RootRevealed",
    "RoundFinalized",
    "RoundStarted",
    "ScoresCommitted",
    "ScoresRevealed",
    "ScoresSettled",
    "StakeReturned",
    "StakeSlashed",
    "TaskCancelled",
    "TaskCompleted",
    "TaskCreated",
    "TrainerEjected",
    "TrainerJoined",
    "TrainerLeft",
    "TrainerReinstated",
    "TrainerSuspended",
    "UpdateSubmitted",
    "UpdatesCommitted",
    "ValidationOpened",
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something a contract said."""

    origin: EventOrigin


@dataclass(frozen=True, kw_only=True)
class TaskCreated(Event):
    """A factory made a task; all of it that never changes."""

    task: Address
    publisher: Address
    token: Address
    kind: Kind
    config: TaskConfig
    evaluators: tuple[Address, ...]
    budget: int


@dataclass(frozen=True, kw_only=True)
class TrainerJoined(Event):
    """An account became a member; eligible from the next round."""

    index: TrainerIndex
    account: Address
    stake: int


@dataclass(frozen=True, kw_only=True)
class TrainerLeft(Event):
    """A member left of its own accord; ``forfeited`` is what had not vested."""

    index: TrainerIndex
    forfeited: int


@dataclass(frozen=True, kw_only=True)
class TrainerSuspended(Event):
    """A member is out of cohorts until ``until_round`` starts."""

    round: int
    index: TrainerIndex
    until_round: int
    reason: int
    evidence: bytes


@dataclass(frozen=True, kw_only=True)
class TrainerReinstated(Event):
    """A member's suspension ended."""

    round: int
    index: TrainerIndex


@dataclass(frozen=True, kw_only=True)
class TrainerEjected(Event):
    """A member is out for good; ``forfeited`` is what had not vested."""

    round: int
    index: TrainerIndex
    reason: int
    evidence: bytes
    forfeited: int


@dataclass(frozen=True, kw_only=True)
class StakeSlashed(Event):
    """A member committed and did not open."""

    round: int
    index: TrainerIndex
    amount: int


@dataclass(frozen=True, kw_only=True)
class StakeReturned(Event):
    """A member got its stake back."""

    index: TrainerIndex
    amount: int


@dataclass(frozen=True, kw_only=True)
class RoundStarted(Event):
    """Training begins; ``cohort`` ascending."""

    round: int
    model: ContentId
    deadline: int
    cohort: tuple[TrainerIndex, ...]


@dataclass(frozen=True, kw_only=True)
class PhaseStarted(Event):
    """A phase other than Training begins."""

    round: int
    phase: Phase
    deadline: int


@dataclass(frozen=True, kw_only=True)
class UpdatesCommitted(Event):
    """One batch of commitments; ``raw`` is what an opening must bring again."""

    round: int
    batch: int
    first_position: int
    entries: tuple[tuple[TrainerIndex, bytes], ...]
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class UpdateSubmitted(Event):
    """A member's update is known; ``position`` is that of its commitment in the round."""

    round: int
    index: TrainerIndex
    content: ContentId
    position: int


@dataclass(frozen=True, kw_only=True)
class RootCommitted(Event):
    """In a rooted task: ``members``, ascending, have committed to what a list in the store says, and this is its Merkle root.

    The contract knows the batch again by its root and by the members' bitmap, which has ``words`` words.

    Where the list can be had and is sound, an ``UpdatesCommitted`` of the same origin follows with its entries.
    """

    round: int
    batch: int
    first_position: int
    root: bytes
    listing: ContentId
    words: int
    members: tuple[TrainerIndex, ...]


@dataclass(frozen=True, kw_only=True)
class RootRevealed(Event):
    """In a rooted task: ``members`` of a batch have opened what a list in the store says.

    Where the list can be had and is sound, an ``UpdateSubmitted`` of the same origin follows for each.
    """

    round: int
    batch: int
    listing: ContentId
    members: tuple[TrainerIndex, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluationSubmitted(Event):
    """The evaluator scored the revealed members, in index order."""

    round: int
    evaluator: int
    report: ContentId
    payout: int
    scores: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ScoresCommitted(Event):
    """A member of a consortium has judged the others and will say how."""

    round: int
    index: TrainerIndex
    commitment: bytes


@dataclass(frozen=True, kw_only=True)
class ScoresRevealed(Event):
    """A member's scores, one for each target but itself in index order; ``probe`` shows that it ran the models."""

    round: int
    index: TrainerIndex
    probe: bytes
    scores: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ScoresSettled(Event):
    """What members judged became credits.

    ``scores`` of the revealed members in index order, ``pays`` of the judges who opened in theirs; both are empty
    where too few judged and the round's pay was split equally. ``payout`` is what was credited for training,
    ``evaluation_payout`` what was for judging.
    """

    round: int
    payout: int
    evaluation_payout: int
    scores: tuple[int, ...]
    pays: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class BondSlashed(Event):
    """A member of a consortium committed its scores and did not open them."""

    round: int
    index: TrainerIndex
    amount: int


@dataclass(frozen=True, kw_only=True)
class MemberProposed(Event):
    """A member of a consortium asks the others to admit an account, or to expel it."""

    proposal: int
    account: Address
    admit: bool
    proposer: TrainerIndex


@dataclass(frozen=True, kw_only=True)
class MemberVoted(Event):
    """A member agreed to a proposal, its proposer too; ``passed`` with this vote."""

    proposal: int
    index: TrainerIndex
    passed: bool


@dataclass(frozen=True, kw_only=True)
class ModelSubmitted(Event):
    """The next model of a crowd's named aggregator, or one vote for it in a consortium.

    Where the evaluator names it itself, ``RoundFinalized`` says it.
    """

    round: int
    account: Address
    model: ContentId


@dataclass(frozen=True, kw_only=True)
class RoundFinalized(Event):
    """The round is over and this is the model; ``payout`` of a void round is zero."""

    round: int
    model: ContentId
    payout: int


@dataclass(frozen=True, kw_only=True)
class EvaluatorBonded(Event):
    """An evaluator of the list bound itself."""

    evaluator: int
    account: Address
    bond: int
    validation_commitment: bytes


@dataclass(frozen=True, kw_only=True)
class EvaluatorRemoved(Event):
    """The active evaluator was silent in ``round``; ``slashed`` joins what later rounds pay."""

    round: int
    evaluator: int
    slashed: int


@dataclass(frozen=True, kw_only=True)
class EvaluationReverted(Event):
    """Objections to the evaluation of ``round`` were upheld: the task goes on from the model that the round began with.

    ``accused``: the evaluator is removed and its bond waits; else it stands down for ``successor``, which is itself where
    there is no other.
    """

    round: int
    evaluator: int
    successor: int
    accused: bool


@dataclass(frozen=True, kw_only=True)
class EvaluatorCleared(Event):
    """An accused evaluator's successor found that it did what it should: its bond is its own again."""

    evaluator: int


@dataclass(frozen=True, kw_only=True)
class BondForfeited(Event):
    """After the task's end ``amount`` of an accused evaluator's bond was shared equally by those who revealed in ``round``."""

    round: int
    evaluator: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class CreditsWritten(Event):
    """The first ``written`` slots of what is credited for ``round`` are written and others wait; zero: all are."""

    round: int
    written: int


@dataclass(frozen=True, kw_only=True)
class Objected(Event):
    """A member objected to the evaluation of ``round``; ``blames``: it says that the evaluator is at fault."""

    round: int
    index: TrainerIndex
    blames: bool


@dataclass(frozen=True, kw_only=True)
class ValidationOpened(Event):
    """An evaluator opened its commitment to the validation set."""

    evaluator: int
    digest: bytes
    salt: bytes


@dataclass(frozen=True, kw_only=True)
class BondReturned(Event):
    """An evaluator got its bond back."""

    evaluator: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class MemberBondReturned(Event):
    """A member of a consortium got back what stood for its scores."""

    index: TrainerIndex
    amount: int


@dataclass(frozen=True, kw_only=True)
class RewardWithdrawn(Event):
    """A member was paid."""

    index: TrainerIndex
    amount: int


@dataclass(frozen=True, kw_only=True)
class EscrowReturned(Event):
    """The publisher got back what nobody earned."""

    amount: int


@dataclass(frozen=True, kw_only=True)
class CancelRequested(Event):
    """The publisher wants the task to end at the round's boundary."""


@dataclass(frozen=True, kw_only=True)
class TaskCompleted(Event):
    """All rounds are done."""


@dataclass(frozen=True, kw_only=True)
class TaskCancelled(Event):
    """The task ended early."""

    reason: CancelReason
