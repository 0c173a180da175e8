# SPDX-License-Identifier: Apache-2.0
"""A task's state while events are being folded into it."""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from immutables import MapMutation

from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.rounds import with_rounds
from bcfl.contracts.state import MemberState, RoundRecord, TaskState

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ("Draft", "Handler")


class Draft:
    """A state being changed: copies a mapping at most once a fold, however many events there are.

    A kind of task has a draft of its own, with what only this kind has.
    """

    round_type: ClassVar[type[RoundRecord]] = RoundRecord
    copied: ClassVar[tuple[str, ...]] = ("members", "index_of")
    """Mappings of a state, each copied when it is first asked for: states share what did not change."""

    def __init__(self, state: TaskState) -> None:
        self.base = state
        self.changes: dict[str, Any] = {}
        self.open_round: dict[str, Any] | None = None

    @cached_property
    def members(self) -> dict[TrainerIndex, MemberState]:
        """By index; may be changed, as the following may."""
        return dict(self.base.members)

    @cached_property
    def rounds(self) -> ChainMap[int, RoundRecord]:
        """By number; those that change lie over those that do not."""
        return ChainMap({}, cast("MutableMapping[int, RoundRecord]", self.base.rounds))

    @cached_property
    def owners(self) -> MapMutation[bytes, tuple[int, int, TrainerIndex | None]]:
        """By digest; a version of the map that shares what stays with the one before."""
        return self.base.owners.mutate()

    @cached_property
    def index_of(self) -> dict[Address, TrainerIndex]:
        """By account."""
        return dict(self.base.index_of)

    def get(self, name: str) -> Any:  # noqa: ANN401 - any field of the state
        """A field as it stands now; of those without an attribute here."""
        return self.changes.get(name, getattr(self.base, name))

    def finish(self) -> TaskState:
        """The state after the changes."""
        self._close_round()
        copied = {name: MappingProxyType(vars(self)[name]) for name in self.copied if name in vars(self)}
        if "rounds" in vars(self):
            self.changes["rounds"] = with_rounds(self.base.rounds, self.rounds.maps[0])
        if "owners" in vars(self):
            self.changes["owners"] = self.owners.finish()
        changes: dict[str, Any] = {**copied, **self.changes}
        return dataclasses.replace(self.base, **changes)

    def member(self, index: TrainerIndex, **changes: Any) -> None:  # noqa: ANN401 - fields of MemberState
        """Change a member."""
        self.members[index] = dataclasses.replace(self.members[index], **changes)

    def join(self, event: e.TrainerJoined, *, bond: int = 0) -> None:
        """A member joins; its index may be one that is given out again."""
        former = self.members.get(event.index)
        if former is not None:  # it left before its first cohort
            self.index_of.pop(former.account, None)
        self.members[event.index] = MemberState(account=event.account, stake=event.stake, bond=bond)
        self.index_of[event.account] = event.index

    def begin(self, event: e.RoundStarted, **own: Any) -> None:  # noqa: ANN401 - fields of the kind's rounds
        """A round begins; ``own`` is what only this kind of task says of it."""
        self.changes |= {"round": event.round, "phase": Phase.TRAINING, "deadline": event.deadline}
        self.rounds[event.round] = self.round_type(
            number=event.round,
            start_model=event.model,
            cohort=event.cohort,
            began=event.origin.block.timestamp,
            due=event.deadline,
            **own,
        )

    def record(self, number: int) -> dict[str, Any]:
        """The round's fields with mutable mappings, until another round is asked for."""
        if self.open_round is None or self.open_round["number"] != number:
            self._close_round()
            record = self.rounds[number]
            self.open_round = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
            for f in dataclasses.fields(record):
                if f.default_factory is dict:
                    self.open_round[f.name] = dict(self.open_round[f.name])
        return self.open_round

    def _close_round(self) -> None:
        if self.open_round is not None:
            self.rounds[self.open_round["number"]] = self.round_type(**self.open_round)
            self.open_round = None

    def book(self, shares: Mapping[TrainerIndex, int], total: int) -> None:
        """Move ``total`` from escrow to members, what waits of the bonus among it."""
        self.earn(shares)
        escrow = self.get("escrow")
        self.changes["escrow"] = escrow - total
        self.changes["bonus"] = settlement.carried(self.get("bonus"), paid=total, escrow=escrow)

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
        """Slashed and forfeited amounts join what later rounds pay."""
        self.changes["escrow"] = self.get("escrow") + amount
        self.changes["bonus"] = self.get("bonus") + amount


Handler = Callable[[Any, Any], None]
"""Folds one event into a draft, each of the types that it names."""
