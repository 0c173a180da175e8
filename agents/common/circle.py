# SPDX-License-Identifier: Apache-2.0
"""A circle of accomplices in one process: they hand each other their models before these are public."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import anyio

from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.state import TaskState
from bcfl.models.weights import Weights

__all__ = ("Circle", "Occasion")

Occasion = tuple[int, bytes]
"""A round's number and the digest of its start model: after a reorganisation a round may begin anew."""

_PATIENCE_S = 120.0
_REMEMBERED = 8


class Circle:
    """What the members share, by occasion and name.

    Args:
        members: accounts by name.
    """

    def __init__(self, members: Mapping[str, Address]) -> None:
        self.members = dict(members)
        self._shared: dict[Occasion, dict[str, Weights | None]] = {}
        self._news = anyio.Event()

    def indices(self, state: TaskState) -> dict[str, TrainerIndex]:
        """Those of the members who have joined the task, by name."""
        found = {name: state.index_of.get(account) for name, account in self.members.items()}
        return {name: index for name, index in found.items() if index is not None}

    def training(self, state: TaskState) -> tuple[str, ...]:
        """Those who train in the state's round, sorted."""
        cohort = set(state.current.cohort)
        return tuple(sorted(name for name, index in self.indices(state).items() if index in cohort))

    def leader(self, state: TaskState) -> str | None:
        """The first of those who train in the state's round, who does the work that others copy."""
        return next(iter(self.training(state)), None)

    def share(self, occasion: Occasion, name: str, weights: Weights | None) -> None:
        """Hand in a model, or None: nothing will come. The first word counts."""
        while len(self._shared) >= _REMEMBERED and occasion not in self._shared:
            del self._shared[next(iter(self._shared))]
        self._shared.setdefault(occasion, {}).setdefault(name, weights)
        self._news.set()
        self._news = anyio.Event()

    async def gathered(self, occasion: Occasion, names: Collection[str]) -> dict[str, Weights]:
        """The models of those names, sorted by name, once all have spoken; who stays silent is given up after a while."""
        with anyio.move_on_after(_PATIENCE_S):
            while not set(names) <= self._shared.get(occasion, {}).keys():
                await self._news.wait()
        shared = self._shared.get(occasion, {})
        return {name: weights for name in sorted(names) if (weights := shared.get(name)) is not None}
