# SPDX-License-Identifier: Apache-2.0
"""What is public about a task: members, rounds, money; ``contracts.fold`` makes it from events.

``TaskState`` is immutable: a state of an earlier block stays valid, so that a retraction is a return to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from immutables import Map

from bcfl.contracts.config import TaskConfig
from bcfl.contracts.events import TaskCreated
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import CancelReason, Kind, Phase

__all__ = (
    "CommittedEntry",
    "EvaluatorState",
    "MemberState",
    "Proposal",
    "RoundRecord",
    "TaskState",
    "Uncredited",
    "UpdateRecord",
)


@dataclass(frozen=True, kw_only=True)
class MemberState:
    """One member, past or present."""

    account: Address
    stake: int
    active: bool = True
    suspended_until: int | None = None
    ejected_round: int | None = None
    earned: int = 0
    """Credits so far, for training and for judging, less what was forfeited, in 10⁻⁹ token."""
    withdrawn: int = 0
    bond: int = 0
    """In a consortium what stands for its scores; zero once it was returned or slashed."""


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
class CommittedEntry:
    """A member's commitment in this round and where it stands."""

    commitment: bytes
    position: int
    batch: int
    place: int


@dataclass(frozen=True, kw_only=True)
class UpdateRecord:
    """A member's revealed update; ``owned`` is false where the digest belongs to somebody else."""

    content: ContentId
    position: int
    owned: bool = True


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """What became of one round."""

    number: int
    start_model: ContentId
    cohort: tuple[TrainerIndex, ...]
    commitments: Mapping[TrainerIndex, CommittedEntry] = field(default_factory=dict)
    batches: Mapping[int, bytes] = field(default_factory=dict)
    updates: Mapping[TrainerIndex, UpdateRecord] = field(default_factory=dict)
    scores: Mapping[TrainerIndex, int] = field(default_factory=dict)
    credits: Mapping[TrainerIndex, int] = field(default_factory=dict)
    payout: int = 0
    evaluator: int | None = None
    report: ContentId | None = None
    model: ContentId | None = None
    suspended: tuple[TrainerIndex, ...] = ()
    """By this round's evaluation."""
    ejected: tuple[TrainerIndex, ...] = ()
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
    score_commitments: Mapping[TrainerIndex, bytes] = field(default_factory=dict)
    """A consortium's: who has judged, and the hash of what it will say."""
    vectors: Mapping[TrainerIndex, Mapping[TrainerIndex, int]] = field(default_factory=dict)
    """By judge and target: the scores as they were opened, int64 in 10⁻⁹."""
    probes: Mapping[TrainerIndex, bytes] = field(default_factory=dict)
    """By judge: the digest that shows that it has run the models."""
    settled: bool = False
    """A consortium's scores became credits; without scores, what the round pays was split equally."""
    evaluation_pay: Mapping[TrainerIndex, int] = field(default_factory=dict)
    """By judge who opened, in 10⁻⁹ token; beside ``credits`` and not in ``payout``."""
    forfeiters: tuple[TrainerIndex, ...] = ()
    """Who committed scores and did not open them: no credits and no bond."""
    model_votes: Mapping[TrainerIndex, ContentId] = field(default_factory=dict)
    """By member: the next model as it computed it, in the order of their votes."""

    @property
    def finalized(self) -> bool:
        """Whether the round has its model."""
        return self.model is not None

    @property
    def targets(self) -> tuple[TrainerIndex, ...]:
        """Whose updates can be scored, ascending: revealed, and the digest is their own."""
        return tuple(sorted(index for index, update in self.updates.items() if update.owned))


@dataclass(frozen=True, kw_only=True)
class Uncredited:
    """Credits of which the contract has written the first ``written`` slots; anybody may have it go on."""

    round: int
    written: int


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Whether a consortium admits an account, or expels it."""

    account: Address
    admit: bool
    votes: tuple[TrainerIndex, ...] = ()
    """In their order, the proposer's first."""
    passed: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """Everything public about one task after some block."""

    address: Address
    publisher: Address
    token: Address
    config: TaskConfig
    budget: int
    evaluators: tuple[EvaluatorState, ...]
    escrow: int
    model: ContentId
    phase: Phase = Phase.ENROLMENT
    round: int = 0
    deadline: int = 0
    members: Mapping[TrainerIndex, MemberState] = field(default_factory=dict)
    index_of: Mapping[Address, TrainerIndex] = field(default_factory=dict)
    rounds: Mapping[int, RoundRecord] = field(default_factory=dict)
    owners: Map[bytes, tuple[int, int, TrainerIndex | None]] = field(default_factory=Map)
    """By digest: round, commit position and member, who is None for the task's own models."""
    active_evaluator: int | None = None
    """Place in the list of the one who evaluates, from the first round on; None where nobody is left."""
    last_evaluator: int | None = None
    """Whom nobody succeeded: the active one, or where nobody is left the one before."""
    bonus: int = 0
    """What was slashed or forfeited and not paid yet; once the task has ended, nobody's."""
    slashed: int = 0
    """Stakes and bonds that were taken and went to the escrow or, after objections, to members; in 10⁻⁹ token."""
    uncredited: Uncredited | None = None
    cancel_requested: bool = False
    cancel_reason: CancelReason | None = None
    returned: int | None = None
    kind: Kind = Kind.CROWDSOURCING
    allowed: frozenset[Address] = frozenset()
    """Who may join a consortium; a crowd takes everybody."""
    proposals: Mapping[int, Proposal] = field(default_factory=dict)

    @classmethod
    def created(cls, event: TaskCreated) -> TaskState:
        """The state right after a factory made the task; a consortium's list is of its founding members."""
        config = event.config
        crowd = event.kind is Kind.CROWDSOURCING
        return cls(
            address=event.task,
            publisher=event.publisher,
            token=event.token,
            config=config,
            budget=event.budget,
            kind=event.kind,
            evaluators=tuple(EvaluatorState(account=account) for account in event.evaluators)
            if crowd
            else (),
            allowed=frozenset() if crowd else frozenset(event.evaluators),
            escrow=event.budget,
            model=config.genesis,
            owners=Map({config.genesis.digest: (0, 0, None)} if config.unique_digests else {}),
        )

    @property
    def current(self) -> RoundRecord:
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

    @property
    def ended(self) -> bool:
        """Whether nothing but withdrawing is left."""
        return self.phase.ended

    @property
    def active_members(self) -> tuple[TrainerIndex, ...]:
        """Members who have neither left nor been ejected, ascending."""
        return tuple(index for index, member in self.members.items() if member.active)

    @property
    def earned(self) -> int:
        """All that members have earned, in 10⁻⁹ token."""
        return sum(member.earned for member in self.members.values())

    def bond_share(self, index: TrainerIndex) -> int:
        """What the member has of evaluators' bonds, in 10⁻⁹ token: no pay for its work."""
        return sum(record.bond_shares.get(index, 0) for record in self.rounds.values())

    def is_suspended(self, index: TrainerIndex) -> bool:
        """Whether the member sits out for a while."""
        return self.members[index].suspended_until is not None
