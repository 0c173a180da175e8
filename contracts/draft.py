# SPDX-License-Identifier: Apache-2.0
"""A task's state while events are being folded into it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from immutables import MapMutation

from bcfl.contracts import settlement
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.state import MemberState, Proposal, RoundRecord, TaskState

__all__ = ("Draft", "Handler")

_MAPPINGS = tuple(f.name for f in dataclasses.fields(RoundRecord) if f.default_factory is dict)
"""What a round's record must copy before it is changed."""
_COPIED = ("members", "rounds", "index_of", "proposals")
"""Mappings of a state, each copied when it is first asked for: states share what did not change."""


class Draft:
    """A state being changed: copies a mapping at most once a fold, however many events there are."""

    def __init__(self, state: TaskState) -> None:
        self.base = state
        self.changes: dict[str, Any] = {}
        self.evaluators = list(state.evaluators)
        self.open_round: dict[str, Any] | None = None

    @cached_property
    def members(self) -> dict[TrainerIndex, MemberState]:
        """By index; may be changed, as the following may."""
        return dict(self.base.members)

    @cached_property
    def rounds(self) -> dict[int, RoundRecord]:
        """By number."""
        return dict(self.base.rounds)

    @cached_property
    def owners(self) -> MapMutation[bytes, tuple[int, int, TrainerIndex | None]]:
        """By digest; a version of the map that shares what stays with the one before."""
        return self.base.owners.mutate()

    @cached_property
    def index_of(self) -> dict[Address, TrainerIndex]:
        """By account."""
        return dict(self.base.index_of)

    @cached_property
    def proposals(self) -> dict[int, Proposal]:
        """By number."""
        return dict(self.base.proposals)

    def get(self, name: str) -> Any:  # noqa: ANN401 - any field of the state
        """A field as it stands now; of those without an attribute here."""
        return self.changes.get(name, getattr(self.base, name))

    def finish(self) -> TaskState:
        """The state after the changes."""
        self._close_round()
        copied = {name: MappingProxyType(vars(self)[name]) for name in _COPIED if name in vars(self)}
        if "owners" in vars(self):
            self.changes["owners"] = self.owners.finish()
        changes: dict[str, Any] = {**copied, "evaluators": tuple(self.evaluators), **self.changes}
        return dataclasses.replace(self.base, **changes)

    def member(self, index: TrainerIndex, **changes: Any) -> None:  # noqa: ANN401 - fields of MemberState
        """Change a member."""
        self.members[index] = dataclasses.replace(self.members[index], **changes)

    def evaluator(self, place: int, **changes: Any) -> None:  # noqa: ANN401 - fields of EvaluatorState
        """Change an evaluator of the list."""
        self.evaluators[place] = dataclasses.replace(self.evaluators[place], **changes)

    def record(self, number: int) -> dict[str, Any]:
        """The round's fields with mutable mappings, until another round is asked for."""
        if self.open_round is None or self.open_round["number"] != number:
            self._close_round()
            record = self.rounds[number]
            self.open_round = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
            for name in _MAPPINGS:
                self.open_round[name] = dict(self.open_round[name])
        return self.open_round

    def _close_round(self) -> None:
        if self.open_round is not None:
            self.rounds[self.open_round["number"]] = RoundRecord(**self.open_round)
            self.open_round = None

    def activate_evaluator(self) -> None:
        """Whoever bonds later waits for the next removal, also one who stands before it in the list."""
        bonded = (n for n, one in enumerate(self.evaluators) if one.bond is not None and not one.removed)
        place = next(bonded, None)
        self.changes["active_evaluator"] = place
        if place is not None:
            self.changes["last_evaluator"] = place

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


Handler = Callable[[Draft, Any], None]
"""Folds one event of a kind."""
