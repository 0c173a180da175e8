# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a scenario: evaluators, trainers or members, how they behave and when they are there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bcfl.scenarios.definition.schema_fields import Keys, Name, NamedEntry

__all__ = (
    "AvailabilityKeys",
    "BehaviourPlan",
    "Evaluator",
    "Population",
    "PrivacyKeys",
    "Trainers",
    "Vote",
)


class Evaluator(Keys):
    """One evaluator; the first of the list is active, the others stand by. ``group`` names its friends."""

    name: Name
    behaviour: NamedEntry = NamedEntry(name="honest")
    group: Name | None = None


class BehaviourPlan(Keys):
    """When a behaviour acts: from round ``start`` to ``stop``, ``every`` so many, with ``probability``.

    ``warmup`` rounds with an honest update of its own come first. In all other rounds the trainer is honest.
    """

    start: Annotated[int, Field(ge=1)] = 1
    stop: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    warmup: Annotated[int, Field(ge=0)] = 0


class Vote(Keys):
    """A member's word, from round ``since`` on, for letting somebody in or for sending somebody away.

    Who ``proposes`` brings it before the others.
    """

    since: Annotated[int, Field(ge=1)] = 1
    admit: Name | None = None
    expel: Name | None = None
    proposes: bool = False


class PrivacyKeys(Keys):
    """Differential privacy of a trainer's samples in what it hands in; noise 0: none."""

    noise_multiplier: Annotated[float, Field(ge=0, le=1000)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5


class AvailabilityKeys(Keys):
    """When a trainer is there: the chance in each round; ``joins`` and ``stays`` in rounds, ``delay_s`` in seconds after a round began."""

    present: Annotated[float, Field(gt=0, le=1)] = 1.0
    joins: NamedEntry | None = None
    delay_s: NamedEntry | None = None
    stays: NamedEntry | None = None


class Trainers(Keys):
    """One trainer, or ``count`` of them named ``name-1``, ``name-2``, …; ``share`` is each one's part of the data.

    ``judge``: how a member of a consortium judges the others. ``flipped``: the share of its labels that are replaced by
    classes drawn at random. ``group``: they share their models before these are public with everybody of that group.
    ``absent``: they keep their part of the data and never join, so that the others have what they have beside them.
    ``founder``: on a consortium's list from the start; the others join once the members have voted for it.
    """

    name: Name
    count: Annotated[int, Field(ge=1, le=65_536)] = 1
    share: Annotated[float, Field(gt=0, le=1e9)] | None = None
    behaviour: NamedEntry = NamedEntry(name="honest")
    judge: NamedEntry = NamedEntry(name="honest")
    flipped: Annotated[float, Field(ge=0, le=1)] = 0.0
    privacy: PrivacyKeys = PrivacyKeys()
    plan: BehaviourPlan = BehaviourPlan()
    availability: AvailabilityKeys = AvailabilityKeys()
    group: Name | None = None
    absent: bool = False
    founder: bool = True
    votes: Annotated[tuple[Vote, ...], Field(strict=False)] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the trainers that this entry stands for."""
        if self.count == 1:
            return (self.name,)
        return tuple(f"{self.name}-{number}" for number in range(1, self.count + 1))


class Population(Keys):
    """Who takes part; in a consortium the trainers are its members and evaluate each other."""

    evaluators: Annotated[tuple[Evaluator, ...], Field(strict=False, max_length=16)] = ()
    trainers: Annotated[tuple[Trainers, ...], Field(strict=False, min_length=1)]

    @property
    def present(self) -> tuple[Trainers, ...]:
        """The trainers who take part."""
        return tuple(entry for entry in self.trainers if not entry.absent)
