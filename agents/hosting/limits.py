# SPDX-License-Identifier: Apache-2.0
"""What an agent puts up with in one task, and what a task asks of it, told from its terms before anything is spent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bcfl.agents.common.entries import server_optimizer_of
from bcfl.agents.common.gathering import FETCHES
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.specification import Specification

__all__ = ("Limits", "Needs", "needs_of_judge", "needs_of_trainer")

_NUMBER = 4  # bytes of a float32
_OWN_MODELS = 6
"""A trainer's at once: the round's, its own, gradient, momentum, the optimiser's second, and the bytes that are handed in."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a task asks of an agent at most, in bytes.

    Attributes:
        memory: for models at the same time; data, network and Python itself come on top.
        disk: in its store, as long as the task's terms have it kept.
        upload: handed in or published in a round.
    """

    memory: int = 0
    disk: int = 0
    upload: int = 0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that a task may ask for; None: any amount.

    Attributes:
        stake: that the agent has to put at stake, in 10⁻⁹ token; not of the one task that is named.
        memory: in bytes, as the following.
        disk: in its store.
        upload: in a round.
    """

    stake: int | None = None
    memory: int | None = None
    disk: int | None = None
    upload: int | None = None

    def refuses(self, needs: Needs) -> str | None:
        """Why a task that asks for this is passed; None: it will do."""
        asked = (
            (needs.memory, self.memory, "memory for its models"),
            (needs.disk, self.disk, "the store for what it has kept"),
            (needs.upload, self.upload, "upload in a round"),
        )
        for need, limit, what in asked:
            if limit is not None and need > limit:
                return f"it asks for {_said(need)} of {what}, and the limit is {_said(limit)}"
        return None


def needs_of_trainer(config: TaskConfig, specification: Specification) -> Needs:
    """Of who trains and hands in."""
    model = _model(specification)
    return Needs(
        memory=_OWN_MODELS * model,
        disk=_rounds(config, specification.kept_updates) * model,
        upload=model,
    )


def needs_of_judge(config: TaskConfig, specification: Specification, *, keeps_all: bool = True) -> Needs:
    """Of who holds a round's updates at the same time, and publishes models.

    Args:
        config: of the task.
        specification: of the task.
        keeps_all: it pins what others handed in; False: only models, and its own update.

    Raises:
        RegistryError: the task's server optimiser is not known.
    """
    model = _model(specification)
    stored = model * (1 + len(server_optimizer_of(specification).memories))
    people = min(config.cohort_size or config.capacity, config.capacity)
    updates = _rounds(config, specification.kept_updates) * (people if keeps_all else 1)
    return Needs(
        # what is being fetched may be anything of the size that the task lets an update have
        memory=(people + _OWN_MODELS) * model + FETCHES * config.max_update_size,
        disk=updates * model + _rounds(config, specification.kept_models) * stored,
        upload=stored,
    )


def _model(specification: Specification) -> int:
    return _NUMBER * sum(math.prod(shape) for _, shape in specification.tensors)


def _rounds(config: TaskConfig, kept: int | None) -> int:
    """Rounds whose contents lie in a store at the same time: those that are kept, and the one under way."""
    return config.rounds if kept is None else min(config.rounds, kept + 1)


def _said(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
