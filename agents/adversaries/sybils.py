# SPDX-License-Identifier: Apache-2.0
"""One participant behind several accounts: an entry with a ``count`` and a ``group``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bcfl.agents.adversaries.absences import only_joining
from bcfl.agents.common.behaviour import Honest, Turn
from bcfl.agents.common.circle import Circle
from bcfl.agents.runtime.actions import Action, View
from bcfl.contracts.ids import Address
from bcfl.models.weights import Weights
from bcfl.registry import register

__all__ = ("SybilSplit", "Whitewasher")


@register("behaviour", "sybil_split", source="FoolsGold (Fung et al., 2020): training inflation")
@dataclass(frozen=True, kw_only=True)
class SybilSplit(Honest):
    """The accounts of a group hand in one honest update, that of the first who trains, in several bodies.

    ``dither`` adds noise of that norm relative to the update, so that no two files are the same. ``divide`` shares the
    update out: each account hands in a k-th of it.
    """

    dither: float = 0.01
    divide: bool = False

    misbehaves = True

    async def update(self, turn: Turn) -> Weights | None:
        """The leader's model, in this account's body; nothing where the leader has none."""
        circle = turn.circle
        leader = turn.name if circle is None else circle.leader(turn.state)
        if turn.name == leader:
            model: Weights | None = await turn.train()
            turn.share(model)
        else:
            turn.share(None)  # the others need not wait for a model of its own
            model = (await turn.shared()).get(leader or "")
        if model is None:
            return None
        accounts = 1 if circle is None else len(circle.training(turn.state))
        start = turn.start.vector.astype(np.float64)
        update = model.vector - start
        if self.divide:
            update /= max(1, accounts)
        noise = turn.rng.standard_normal(update.size)
        update += self.dither * np.sqrt(np.square(update).mean()) * noise
        return Weights(turn.start.schema, (start + update).astype(np.float32))


@register(
    "behaviour", "whitewasher", source="Feldman et al. 2006; FoolsGold: ejected members come back as new ones"
)
@dataclass(frozen=True, kw_only=True)
class Whitewasher(Honest):
    """The accounts of a group join one after the other, each when the one before was suspended or ejected.

    Each replays the global model with noise of ``noise`` times the weights' root mean square. The task must have room:
    ``capacity`` counts active members.
    """

    noise: float = 0.001

    misbehaves = True

    def decide(
        self,
        view: View,
        me: Address,
        actions: Sequence[Action],
        circle: Circle | None = None,
    ) -> Sequence[Action]:
        """Wait outside for the account before to be burnt."""
        state = view.seen
        if state is None or circle is None or me in state.index_of:
            return actions
        accounts = list(circle.members.values())
        place = accounts.index(me)
        before = None if place == 0 else state.index_of.get(accounts[place - 1])
        burnt = before is not None and (not state.members[before].active or state.members[before].suspended)
        if place == 0 or burnt:
            return only_joining(actions)
        return []

    async def update(self, turn: Turn) -> Weights | None:
        """The global model with a little noise: new bytes for no work."""
        vector = turn.start.vector.astype(np.float64)
        noise = self.noise * np.sqrt(np.square(vector).mean()) * turn.rng.standard_normal(vector.size)
        return Weights(turn.start.schema, (vector + noise).astype(np.float32))
