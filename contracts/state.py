# SPDX-License-Identifier: Apache-2.0
"""The pure fold of events into a task's state: used by agents, audit, replay and views alike.

``TaskState`` is immutable: a state of an earlier block stays valid, so that a retraction is a return to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.errors import ForeignTask, MalformedLog
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import CancelReason, Phase

__all__ = (
    "CommittedEntry",
    "EvaluatorState",
    "MemberState",
    "RoundRecord",
    "TaskState",
    "UpdateRecord",
    "fold",
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
    """Credits so far, less what was forfeited, in 10⁻⁹ token."""
    withdrawn: int = 0


@dataclass(frozen=True, kw_only=True)
class EvaluatorState:
    """One evaluator of the task's list."""

    account: Address
    bond: int | None = None
    removed: bool = False
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
    reverted: bool = False
    """Objections were upheld: ``model`` does not count, the task went on from ``start_model``."""
    bond_shares: Mapping[TrainerIndex, int] = field(default_factory=dict)
    """What the removed evaluator's bond gave to those who had revealed."""

    @property
    def finalized(self) -> bool:
        """Whether the round has its model."""
        return self.model is not None


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
    owners: Mapping[bytes, tuple[int, int, TrainerIndex | None]] = field(default_factory=dict)
    """By digest: round, commit position and member, who is None for the task's own models."""
    active_evaluator: int | None = None
    """Place in the list of the one who evaluates, from the first round on."""
    bonus: int = 0
    slashed: int = 0
    """Stakes and bonds that were taken and went to the escrow or, after objections, to members; in 10⁻⁹ token."""
    cancel_requested: bool = False
    cancel_reason: CancelReason | None = None
    returned: int | None = None

    @classmethod
    def created(cls, event: e.TaskCreated) -> TaskState:
        """The state right after a factory made the task."""
        config = event.config
        return cls(
            address=event.task,
            publisher=event.publisher,
            token=event.token,
            config=config,
            budget=event.budget,
            evaluators=tuple(EvaluatorState(account=account) for account in event.evaluators),
            escrow=event.budget,
            model=config.genesis,
            owners={config.genesis.digest: (0, 0, None)} if config.unique_digests else {},
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

    def is_suspended(self, index: TrainerIndex) -> bool:
        """Whether the member sits out for a while."""
        return self.members[index].suspended_until is not None


def fold(state: TaskState, events: Iterable[e.Event]) -> TaskState:
    """The state after these events of the task, in their order.

    Raises:
        ForeignTask: an event comes from another contract.
    """
    draft = _Draft(state)
    for event in events:
        if event.origin.address != state.address:
            raise ForeignTask(
                f"An event of {event.origin.address} cannot be folded into task {state.address}."
            )
        draft.apply(event)
    return draft.finish()


class _Draft:
    """A state being changed: copies each mapping once a fold, however many events there are."""

    def __init__(self, state: TaskState) -> None:
        self.base = state
        self.changes: dict[str, Any] = {}
        self.members = dict(state.members)
        self.rounds = dict(state.rounds)
        self.owners = dict(state.owners)
        self.index_of = dict(state.index_of)
        self.evaluators = list(state.evaluators)
        self.open_round: dict[str, Any] | None = None

    def get(self, name: str) -> Any:  # noqa: ANN401 - any field of the state
        return self.changes.get(name, getattr(self.base, name))

    def finish(self) -> TaskState:
        self._close_round()
        return dataclasses.replace(
            self.base,
            members=MappingProxyType(self.members),
            rounds=MappingProxyType(self.rounds),
            owners=MappingProxyType(self.owners),
            index_of=MappingProxyType(self.index_of),
            evaluators=tuple(self.evaluators),
            **self.changes,
        )

    def apply(self, event: e.Event) -> None:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def member(self, index: TrainerIndex, **changes: Any) -> None:  # noqa: ANN401 - fields of MemberState
        self.members[index] = dataclasses.replace(self.members[index], **changes)

    def evaluator(self, place: int, **changes: Any) -> None:  # noqa: ANN401 - fields of EvaluatorState
        self.evaluators[place] = dataclasses.replace(self.evaluators[place], **changes)

    def record(self, number: int) -> dict[str, Any]:
        """The round's fields with mutable mappings, until another round is asked for."""
        if self.open_round is None or self.open_round["number"] != number:
            self._close_round()
            record = self.rounds[number]
            self.open_round = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
            for name in ("commitments", "batches", "updates", "scores", "credits", "bond_shares"):
                self.open_round[name] = dict(self.open_round[name])
        return self.open_round

    def _close_round(self) -> None:
        if self.open_round is not None:
            self.rounds[self.open_round["number"]] = RoundRecord(**self.open_round)
            self.open_round = None

    def activate_evaluator(self) -> None:
        """Whoever bonds later waits for the next removal, also one who stands before it in the list."""
        bonded = (n for n, one in enumerate(self.evaluators) if one.bond is not None and not one.removed)
        self.changes["active_evaluator"] = next(bonded, None)

    def book(self, shares: Mapping[TrainerIndex, int], total: int) -> None:
        """Move ``total`` from escrow to members."""
        self.earn(shares)
        self.changes["escrow"] = self.get("escrow") - total
        if total:
            self.changes["bonus"] = 0

    def earn(self, shares: Mapping[TrainerIndex, int]) -> None:
        """Members are credited."""
        for index, share in shares.items():
            if share:
                self.member(index, earned=self.members[index].earned + share)

    def slash(self, amount: int) -> None:
        """A stake or a bond joins the escrow."""
        self.changes["slashed"] = self.get("slashed") + amount
        self.to_next_budget(amount)

    def to_next_budget(self, amount: int) -> None:
        """Slashed and forfeited amounts join the next round's budget."""
        self.changes["escrow"] = self.get("escrow") + amount
        self.changes["bonus"] = self.get("bonus") + amount


_HANDLERS: dict[type[e.Event], Callable[[_Draft, Any], None]] = {}


def _on(kind: type[e.Event]) -> Callable[[Callable[[_Draft, Any], None]], Callable[[_Draft, Any], None]]:
    def decorate(handler: Callable[[_Draft, Any], None]) -> Callable[[_Draft, Any], None]:
        _HANDLERS[kind] = handler
        return handler

    return decorate


@_on(e.TrainerJoined)
def _joined(draft: _Draft, event: e.TrainerJoined) -> None:
    draft.members[event.index] = MemberState(account=event.account, stake=event.stake)
    draft.index_of[event.account] = event.index


@_on(e.TrainerLeft)
def _left(draft: _Draft, event: e.TrainerLeft) -> None:
    draft.member(event.index, active=False, suspended_until=None, stake=0)
    if draft.get("phase") is Phase.TRAINING:
        record = draft.record(draft.get("round"))
        if event.index not in record["commitments"] and event.index not in record["updates"]:
            record["cohort"] = tuple(index for index in record["cohort"] if index != event.index)


@_on(e.TrainerSuspended)
def _suspended(draft: _Draft, event: e.TrainerSuspended) -> None:
    draft.member(event.index, suspended_until=event.until_round)
    record = draft.record(event.round)
    record["suspended"] = (*record["suspended"], event.index)


@_on(e.TrainerReinstated)
def _reinstated(draft: _Draft, event: e.TrainerReinstated) -> None:
    draft.member(event.index, suspended_until=None)


@_on(e.TrainerEjected)
def _ejected(draft: _Draft, event: e.TrainerEjected) -> None:
    earned = draft.members[event.index].earned - event.forfeited
    draft.member(event.index, active=False, suspended_until=None, ejected_round=event.round, earned=earned)
    draft.to_next_budget(event.forfeited)
    record = draft.record(event.round)
    record["ejected"] = (*record["ejected"], event.index)


@_on(e.StakeSlashed)
def _slashed(draft: _Draft, event: e.StakeSlashed) -> None:
    draft.member(event.index, stake=0)
    draft.slash(event.amount)


@_on(e.StakeReturned)
def _stake_returned(draft: _Draft, event: e.StakeReturned) -> None:
    draft.member(event.index, stake=0)


@_on(e.RewardWithdrawn)
def _withdrawn(draft: _Draft, event: e.RewardWithdrawn) -> None:
    draft.member(event.index, withdrawn=draft.members[event.index].withdrawn + event.amount)


@_on(e.RoundStarted)
def _round_started(draft: _Draft, event: e.RoundStarted) -> None:
    draft.changes |= {"round": event.round, "phase": Phase.TRAINING, "deadline": event.deadline}
    draft.rounds[event.round] = RoundRecord(
        number=event.round,
        start_model=event.model,
        cohort=event.cohort,
        suspended_before=tuple(
            index for index, member in draft.members.items() if member.suspended_until is not None
        ),
    )
    if event.round == 1:
        draft.activate_evaluator()


@_on(e.PhaseStarted)
def _phase_started(draft: _Draft, event: e.PhaseStarted) -> None:
    draft.changes |= {"phase": event.phase, "deadline": event.deadline}


@_on(e.UpdatesCommitted)
def _committed(draft: _Draft, event: e.UpdatesCommitted) -> None:
    record = draft.record(event.round)
    record["batches"][event.batch] = event.raw
    for place, (index, commitment) in enumerate(event.entries):
        record["commitments"][index] = CommittedEntry(
            commitment=commitment, position=event.first_position + place, batch=event.batch, place=place
        )


@_on(e.UpdateSubmitted)
def _submitted(draft: _Draft, event: e.UpdateSubmitted) -> None:
    record = draft.record(event.round)
    owned = True
    digest = event.content.digest
    if draft.base.config.unique_digests:
        owner = draft.owners.get(digest)
        if owner is not None:
            owner_round, owner_position, owner_index = owner
            if owner_index is None or owner_round < event.round or owner_position < event.position:
                owned = False
            else:
                former = record["updates"][owner_index]
                record["updates"][owner_index] = dataclasses.replace(former, owned=False)
        if owned:
            draft.owners[digest] = (event.round, event.position, event.index)
    record["updates"][event.index] = UpdateRecord(content=event.content, position=event.position, owned=owned)


@_on(e.EvaluationSubmitted)
def _evaluated(draft: _Draft, event: e.EvaluationSubmitted) -> None:
    record = draft.record(event.round)
    revealed = sorted(record["updates"])
    if len(event.scores) != len(revealed):
        raise MalformedLog(
            f"Round {event.round} has {len(event.scores)} scores for {len(revealed)} revealed updates."
        )
    shares = settlement.credit(event.scores, event.payout)
    record["scores"] = dict(zip(revealed, event.scores, strict=True))
    record["credits"] = dict(zip(revealed, shares, strict=True))
    record["payout"] = event.payout
    record["evaluator"] = event.evaluator
    record["report"] = event.report
    draft.evaluator(event.evaluator, served=True)
    draft.book(record["credits"], event.payout)


@_on(e.RoundFinalized)
def _finalized(draft: _Draft, event: e.RoundFinalized) -> None:
    record = draft.record(event.round)
    record["model"] = event.model
    if event.payout and not record["scores"]:
        # Nobody was left to evaluate: those who revealed a digest of their own share equally.
        owners = sorted(index for index, update in record["updates"].items() if update.owned)
        record["credits"] = dict(zip(owners, settlement.equal_split(event.payout, len(owners)), strict=True))
        record["payout"] = event.payout
        draft.book(record["credits"], event.payout)
    if draft.base.config.unique_digests and record["report"] is not None:
        draft.owners[event.model.digest] = (event.round, 0, None)
    draft.changes["model"] = event.model


@_on(e.EvaluatorBonded)
def _bonded(draft: _Draft, event: e.EvaluatorBonded) -> None:
    draft.evaluator(event.evaluator, bond=event.bond, validation_commitment=event.validation_commitment)


@_on(e.EvaluatorRemoved)
def _removed(draft: _Draft, event: e.EvaluatorRemoved) -> None:
    bond = (draft.evaluators[event.evaluator].bond or 0) - event.slashed
    draft.evaluator(event.evaluator, removed=True, bond=bond)
    draft.activate_evaluator()
    record = draft.record(event.round)
    if record["report"] is None:
        draft.slash(event.slashed)  # it was silent
        return
    revealed = sorted(record["updates"])
    shares = settlement.equal_split(event.slashed, len(revealed))
    record["bond_shares"] = dict(zip(revealed, shares, strict=True))
    record["reverted"] = True
    draft.earn(record["bond_shares"])
    draft.changes |= {"slashed": draft.get("slashed") + event.slashed, "model": record["start_model"]}


@_on(e.Objected)
def _objected(draft: _Draft, event: e.Objected) -> None:
    record = draft.record(event.round)
    record["objections"] = (*record["objections"], event.index)


@_on(e.ValidationOpened)
def _opened(draft: _Draft, event: e.ValidationOpened) -> None:
    draft.evaluator(event.evaluator, opened=True)


@_on(e.BondReturned)
def _bond_returned(draft: _Draft, event: e.BondReturned) -> None:
    draft.evaluator(event.evaluator, returned=True)


@_on(e.CancelRequested)
def _cancel_requested(draft: _Draft, _event: e.CancelRequested) -> None:
    draft.changes["cancel_requested"] = True


@_on(e.TaskCompleted)
def _completed(draft: _Draft, _event: e.TaskCompleted) -> None:
    draft.changes["phase"] = Phase.COMPLETED


@_on(e.TaskCancelled)
def _cancelled(draft: _Draft, event: e.TaskCancelled) -> None:
    draft.changes |= {"phase": Phase.CANCELLED, "cancel_reason": event.reason}


@_on(e.EscrowReturned)
def _escrow_returned(draft: _Draft, event: e.EscrowReturned) -> None:
    draft.changes |= {
        "returned": (draft.get("returned") or 0) + event.amount,
        "escrow": draft.get("escrow") - event.amount,
    }
