# SPDX-License-Identifier: Apache-2.0
"""What an attack on the update, or on the data, is given and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from bcfl.models.attacks.vectors import Vector
from bcfl.models.data.dataset import Samples
from bcfl.models.weights import Schema

__all__ = ("Attack", "DataAttack", "Knowledge", "Outlook", "Scene")

Knowledge = Literal["self", "public", "colluders", "omniscient"]
"""Whose models an attack sees: its own; and what was revealed in earlier rounds; and this round's of its circle, or of
everybody (to measure the worst case: no protocol lets anybody know that)."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What an adversary knows of a round before it does anything in it.

    Attributes:
        round: its number, from 1.
        moved: whether any earlier round has changed the global model.
        cohort: how many trainers take part, n.
        colluders: how many of them share with it, itself included, f; 1: it is alone.
        place: its own place among those, sorted by name; 0 leads, and where it is alone.
    """

    round: int
    moved: bool
    cohort: int
    colluders: int = 1
    place: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What an adversary knows when it makes its update; all vectors are float64 of shape (d,).

    What its knowledge does not cover is empty, or itself alone.

    Attributes:
        outlook: the round.
        start: the round's global model w.
        own: what its own honest training (as much of it as the attack does) changed, w' − w; zeros if it did none.
        peers: the same of everybody whose honest work it sees this round, itself included, sorted by name.
        place: its own place among the peers; 0 where it is alone.
        steps: what the last rounds that changed the global model changed in it, newest last, two at most.
        past: the oldest and the newest update that it revealed itself, each w' − w of its round; fewer if there are.
        past_models: the models w' of those.
        handed_in: how many updates it revealed in earlier rounds.
        revealed: fetches the updates that everybody revealed in the last round that has any.
        loss: measures the mean loss of the model start + update on the adversary's own data.
        schema: names and shapes of the tensors.
        rng: its own randomness.
    """

    outlook: Outlook
    start: Vector
    own: Vector
    peers: tuple[Vector, ...]
    place: int
    steps: tuple[Vector, ...]
    past: tuple[Vector, ...]
    past_models: tuple[Vector, ...]
    handed_in: int
    revealed: Callable[[], Awaitable[tuple[Vector, ...]]]
    loss: Callable[[Vector], Awaitable[float]]
    schema: Schema
    rng: np.random.Generator

    @property
    def last_step(self) -> Vector | None:
        """The newest of ``steps``; None as long as the global model has not moved."""
        return self.steps[-1] if self.steps else None


class Attack(Protocol):
    """An entry of kind ``attack``: a frozen dataclass whose fields are its parameters.

    Subclasses get the defaults: it knows itself only, trains in full and acts in every round of its plan.
    """

    @property
    def knowledge(self) -> Knowledge:
        """Whose models it sees."""
        return "self"

    def effort(self, full: int) -> int:
        """How many of its ``full`` mini-batches it trains honestly before it attacks; 0: it does no work."""
        return full

    def ready(self, outlook: Outlook) -> bool:  # noqa: ARG002 - for subclasses
        """Whether there is anything to abuse in this round; else the adversary is honest in it."""
        return True

    async def craft(self, scene: Scene) -> Vector | None:
        """The update to send in place of the honest one, (d,); None: nothing to abuse after all, train honestly."""
        ...


class DataAttack(Protocol):
    """An entry of kind ``data_attack``: it changes the data that the adversary trains on, honestly otherwise."""

    def poison(self, samples: Samples, classes: int, rng: np.random.Generator) -> Samples:
        """The samples to train on; ``classes`` counts those of the task, of which the samples may lack some."""
        ...

    def factor(self, outlook: Outlook) -> float:  # noqa: ARG002 - for subclasses
        """What the update is multiplied by after training."""
        return 1.0

    def goal(self, samples: Samples) -> Samples | None:  # noqa: ARG002 - for subclasses
        """For targeted attacks: test samples as the adversary shows them, with the targets that it wants; else None.

        Accuracy on them is the attack's success.
        """
        return None
