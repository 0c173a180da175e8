# SPDX-License-Identifier: Apache-2.0
"""When a trainer is there: it may come late, miss rounds, hand in late and leave for good. None of it is a fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bcfl.agents.fleet.distributions import Distribution
from bcfl.agents.runtime.actions import Action, Transact, View, WakeAt
from bcfl.contracts import calls
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState
from bcfl.seeds import Seeds

__all__ = ("ALWAYS", "Attendance", "Availability")

_HANDED_IN = frozenset({"commit", "submit"})


@dataclass(frozen=True, kw_only=True)
class Availability:
    """How a trainer comes and goes.

    Attributes:
        present: the chance of being there in a round, each for itself.
        joins: so many rounds after the first begins it joins; None: at once.
        delay: so many seconds after a round began it can hand in at the earliest; None: as soon as it has trained.
        stays: for so many rounds it is a member; None: to the end.
    """

    present: float = 1.0
    joins: Distribution | None = None
    delay: Distribution | None = None
    stays: Distribution | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Attendance:
    """One trainer's coming and going, the same in every run of a seed.

    Attributes:
        availability: what it is drawn from.
        seeds: of the scenario.
        name: the trainer's.
    """

    availability: Availability = field(default_factory=Availability)
    seeds: Seeds = field(default_factory=lambda: Seeds(0))
    name: str = ""
    _drawn: dict[tuple[str, int], float] = field(default_factory=dict, repr=False)

    def is_away(self, state: TaskState, me: Address) -> bool:
        """Whether it has not come yet, or sits the round out. Pure but for what is drawn once."""
        if self.availability == _ALWAYS or state.ended:
            return False
        index = state.index_of.get(me)
        if index is None:
            return 1 <= self._draw("joins", self.availability.joins) >= state.round
        if state.round == 0 or _has_handed_in(state, index):
            return False
        return self._draw("present", None, state.round) >= self.availability.present

    def choose(self, view: View, me: Address, actions: Sequence[Action]) -> Sequence[Action]:
        """Of what it wants while it is there, what it does now: it may not be ready yet, or leave instead. Pure as ``is_away``."""
        state = view.seen
        if self.availability == _ALWAYS or state is None or state.phase is not Phase.TRAINING:
            return actions
        index = state.index_of.get(me)
        if index is None or not state.members[index].active:
            return actions
        if self._leaves(state, index):
            call = calls.leave(state.address, round_number=state.round, index=index)
            return [Transact(round=state.round, name="leave", call=call)]
        if self.availability.delay is None:
            return actions
        ready = state.current.began + round(self._draw("delay", self.availability.delay, state.round))
        if view.now >= ready:
            return actions
        return [
            WakeAt(ready) if isinstance(action, Transact) and action.name in _HANDED_IN else action
            for action in actions
        ]

    def _leaves(self, state: TaskState, index: TrainerIndex) -> bool:
        """The contract lets nobody go who has committed, or is suspended."""
        stays = self.availability.stays
        if stays is None or _has_handed_in(state, index) or state.members[index].suspended:
            return False
        first = min((n for n, one in state.rounds.items() if index in one.cohort), default=state.round)
        return state.round - first >= self._draw("stays", stays)

    def _draw(self, what: str, of: Distribution | None, number: int = 0) -> float:
        """Drawn once; without a distribution evenly from 0 to 1 for a round, else 0."""
        if of is None and what != "present":
            return 0.0
        key = (what, number)
        if key not in self._drawn:
            for old in [one for one in self._drawn if 0 < one[1] < number]:
                del self._drawn[old]
            rng = np.random.default_rng(self.seeds.integer("availability", self.name, what, number))
            self._drawn[key] = float(rng.random()) if of is None else of.draw(rng)
        return self._drawn[key]


def _has_handed_in(state: TaskState, index: TrainerIndex) -> bool:
    return index in state.current.commitments or index in state.current.updates


_ALWAYS = Availability()
ALWAYS = Attendance()
"""There from the beginning to the end."""
