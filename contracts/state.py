# SPDX-License-Identifier: Apache-2.0
"""What is public about a task of either kind: members, rounds, money; ``contracts.fold`` makes it from events.

What only a crowd has is in ``crowd_state``, what only a consortium has in ``consortium_state``. A ``TaskState`` is immutable: one
of an earlier block stays valid, so that a retraction is a return to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, overload

from immutables import Map

from bcfl.contracts.config import TaskConfig
from bcfl.contracts.errors import WrongKind
from bcfl.contracts.events import TaskCreated
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import CancelReason, Phase

__all__ = (
    "UNKNOWN_CONTENT",
    "CommittedEntry",
    "MemberState",
    "RootedBatch",
    "RoundRecord",
    "TaskState",
    "UpdateRecord",
)

UNKNOWN_CONTENT = ContentId(bytes(32), 0)
"""Of an update whose opening is in a list that cannot be had."""


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

    @property
    def suspended(self) -> bool:
        """Whether it sits out for a while; in a crowd only."""
        return self.suspended_until is not None


@dataclass(frozen=True, kw_only=True)
class CommittedEntry:
    """A member's commitment in this round and where it stands; empty where it is in a list that cannot be had."""

    commitment: bytes
    position: int
    batch: int
    place: int
    time: int = 0
    """Of its block, in seconds."""


@dataclass(frozen=True, kw_only=True)
class RootedBatch:
    """Commitments that came as one Merkle root (32 bytes) over a list in the store; ``members`` ascending, ``words`` of their bitmap."""

    root: bytes
    listing: ContentId
    words: int
    members: tuple[TrainerIndex, ...]


@dataclass(frozen=True, kw_only=True)
class UpdateRecord:
    """A member's revealed update; ``owned`` is false where the digest belongs to somebody else."""

    content: ContentId
    position: int
    owned: bool = True
    time: int = 0
    """Of its block, in seconds."""

    @property
    def known(self) -> bool:
        """Whether it is known what was revealed: not where a rooter's list cannot be had."""
        return self.content != UNKNOWN_CONTENT


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """What became of one round."""

    number: int
    start_model: ContentId
    cohort: tuple[TrainerIndex, ...]
    began: int = 0
    """When its first block was made, in seconds."""
    due: int = 0
    """When its training phase ends at the latest."""
    commitments: Mapping[TrainerIndex, CommittedEntry] = field(default_factory=dict)
    batches: Mapping[int, bytes] = field(default_factory=dict)
    """Index (4) ‖ commitment (32) of each entry, by batch; of a root all of its list."""
    roots: Mapping[int, RootedBatch] = field(default_factory=dict)
    """By batch, of those that came as a root."""
    updates: Mapping[TrainerIndex, UpdateRecord] = field(default_factory=dict)
    scores: Mapping[TrainerIndex, int] = field(default_factory=dict)
    credits: Mapping[TrainerIndex, int] = field(default_factory=dict)
    payout: int = 0
    model: ContentId | None = None
    ejected: tuple[TrainerIndex, ...] = ()

    @property
    def finalized(self) -> bool:
        """Whether the round has its model."""
        return self.model is not None

    @property
    def next_batch(self) -> int:
        """The number of the batch that comes next, of entries or of a root."""
        return len(self.batches.keys() | self.roots.keys())

    @cached_property
    def targets(self) -> tuple[TrainerIndex, ...]:
        """Whose updates can be scored, ascending: revealed, and the digest is their own."""
        return tuple(sorted(index for index, update in self.updates.items() if update.owned))

    def timeliness(self, index: TrainerIndex) -> float:
        """How soon somebody handed in: 1 as the round began, 0 at the end of its training phase; a fact of the chain."""
        entry = self.commitments.get(index) or self.updates.get(index)
        if entry is None or self.due <= self.began:
            return 0.0
        return min(1.0, max(0.0, (self.due - entry.time) / (self.due - self.began)))


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """Everything public about one task after some block."""

    address: Address
    publisher: Address
    token: Address
    config: TaskConfig
    budget: int
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
    bonus: int = 0
    """What was slashed or forfeited and not paid yet; once the task has ended, nobody's."""
    slashed: int = 0
    """Stakes and bonds that were taken and went to the escrow or, after objections, to members; in 10⁻⁹ token."""
    cancel_requested: bool = False
    cancel_reason: CancelReason | None = None
    returned: int | None = None

    @classmethod
    def created(cls, event: TaskCreated, **own: Any) -> Self:  # noqa: ANN401 - fields of the kind of task
        """The state right after a factory made the task; ``own`` is what only this kind has."""
        config = event.config
        return cls(
            address=event.task,
            publisher=event.publisher,
            token=event.token,
            config=config,
            budget=event.budget,
            escrow=event.budget,
            model=config.genesis,
            owners=Map({config.genesis.digest: (0, 0, None)} if config.unique_digests else {}),
            **own,
        )

    @overload
    @classmethod
    def of(cls, state: TaskState) -> Self: ...
    @overload
    @classmethod
    def of(cls, state: None) -> None: ...
    @classmethod
    def of(cls, state: TaskState | None) -> Self | None:
        """The state as one of this kind of task; None stays None.

        Raises:
            WrongKind: it is of the other kind.
        """
        if state is None or isinstance(state, cls):
            return state
        raise WrongKind(f"The task {state.address} is a {type(state).__name__}, not a {cls.__name__}.")

    @property
    def current(self) -> RoundRecord:
        """The round under way, or the last one."""
        return self.rounds[self.round]

    @property
    def ended(self) -> bool:
        """Whether nothing but withdrawing is left."""
        return self.phase.ended

    @cached_property
    def active_members(self) -> tuple[TrainerIndex, ...]:
        """Members who have neither left nor been ejected, ascending."""
        return tuple(index for index, member in self.members.items() if member.active)

    @property
    def earned(self) -> int:
        """All that members have earned, in 10⁻⁹ token."""
        return sum(member.earned for member in self.members.values())
