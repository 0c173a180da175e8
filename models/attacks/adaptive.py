# SPDX-License-Identifier: Apache-2.0
"""Attacks that watch themselves: they come and go, grow slowly, or do as much as their score allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from bcfl import registry
from bcfl.models.attacks.attack import Attack, Knowledge, Outlook, Scene
from bcfl.models.attacks.vectors import Vector, dot, norm, unit
from bcfl.registry import register

__all__ = ("Ace", "Drifter", "OnOff", "ScoreAware")

_DOUBLINGS = 6
_BISECTIONS = 6
_CURVATURE = 1.0


@register("attack", "on_off", source="Sun, Han, Liu 2008, IEEE Communications Magazine 46(2)")
@dataclass(frozen=True, kw_only=True, eq=False)
class OnOff(Attack):
    """Honest for ``off`` rounds, then another ``attack`` for ``on`` rounds, and so on.

    ``attack`` is a name, or a mapping with ``name`` and the parameters beside it, as everywhere in a scenario.
    """

    attack: str | Mapping[str, object] = "sign_flip"
    on: int = 3
    off: int = 3

    def __post_init__(self) -> None:
        if self.on < 1 or self.off < 0:
            raise ValueError(f"on must be at least 1 and off at least 0, not {self.on} and {self.off}")
        _ = (
            self.inner
        )  # a wrong name or parameter is said when the scenario is read, not in the middle of a run

    @cached_property
    def inner(self) -> Attack:
        """The attack that comes and goes."""
        given = {"name": self.attack} if isinstance(self.attack, str) else dict(self.attack)
        return cast("Attack", registry.create("attack", str(given.pop("name", "")), given))

    @property
    def knowledge(self) -> Knowledge:
        """As the attack within."""
        return self.inner.knowledge

    def effort(self, full: int) -> int:
        """As the attack within."""
        return self.inner.effort(full)

    def ready(self, outlook: Outlook) -> bool:
        """In its rounds, if the attack within is."""
        return (outlook.round - 1) % (self.on + self.off) >= self.off and self.inner.ready(outlook)

    async def craft(self, scene: Scene) -> Vector | None:
        """As the attack within."""
        return await self.inner.craft(scene)


@register("attack", "drifter", source="this project")
@dataclass(frozen=True, kw_only=True)
class Drifter(Attack):
    """From the honest update to its reverse, so slowly that no round differs much from the one before.

    After k updates of its own it has gone the part min(1, ``growth``·k) of the way to −``scale`` times its update;
    the first is honest.
    """

    growth: float = 0.1
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (self.growth > 0 and self.scale > 0):
            raise ValueError(f"growth and scale must be above 0, not {self.growth} and {self.scale}")

    async def craft(self, scene: Scene) -> Vector:
        """(1 − part·(1 + scale)) · own."""
        part = min(1.0, self.growth * scene.handed_in)
        return scene.own * (1 - part * (1 + self.scale))


@register("attack", "score_aware", source="this project; adaptive as in Tramèr et al. 2020, arXiv 2002.08347")
@dataclass(frozen=True, kw_only=True)
class ScoreAware(Attack):
    """Its honest update plus as much harm as its score is thought to bear.

    The harm undoes what the others gain: the mean update of its circle, or the last global step where it is alone,
    backwards, without the part along its own update. Its strength is the largest at which the loss on its own data,
    its guess at the validation set, still falls by ``margin`` of what its honest update gives, found by
    doubling and bisection with at most 14 evaluations. Honest until there is a direction to harm.
    """

    margin: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 1:
            raise ValueError(f"margin must be from 0 to 1, not {self.margin}")

    @property
    def knowledge(self) -> Knowledge:
        """Its circle's work, where it has one, and public global models."""
        return "colluders"

    def ready(self, outlook: Outlook) -> bool:
        """It needs a circle, or a step of the global model."""
        return outlook.moved or outlook.colluders > 1

    async def craft(self, scene: Scene) -> Vector | None:
        """Own + λ · harm."""
        harm = _harm(scene)
        if harm is None:
            return None
        nothing = await scene.loss(np.zeros_like(scene.own))
        allowed = nothing - self.margin * max(0.0, nothing - await scene.loss(scene.own))

        async def passes(strength: float) -> bool:
            loss = await scene.loss(scene.own + strength * harm)
            return math.isfinite(loss) and loss <= allowed

        low, high = 0.0, norm(scene.own)
        for _ in range(_DOUBLINGS):
            if not await passes(high):
                break
            low, high = high, 2 * high
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if await passes(middle):
                low = middle
            else:
                high = middle
        return scene.own + low * harm


def _harm(scene: Scene) -> Vector | None:
    """A unit vector against the common gain, orthogonal to the own update; None where nothing of it is left."""
    gain = np.mean(np.stack(scene.peers), axis=0) if len(scene.peers) > 1 else scene.last_step
    if gain is None:
        return None
    along = unit(scene.own)
    across = gain - dot(gain, along) * along
    return -unit(across) if norm(across) > 1e-9 * norm(gain) else None


@register("attack", "ace", source="Xu et al. 2024 (ACE), arXiv 2405.20975")
@dataclass(frozen=True, kw_only=True)
class Ace(Attack):
    """The global step that this round is likely to bring, sent as the own update without any work.

    The prediction is the paper's, gₜ ≈ gₜ₋₁ + H·(wₜ − wₜ₋₁), with H the curvature along the last move alone: one secant
    pair in place of its longer L-BFGS memory, held within ±1 so that it never more than doubles the last step.
    ``factor`` amplifies it as in the paper. It uses global models only; honest until the model has moved.
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and self.factor > 0):
            raise ValueError(f"factor must be above 0, not {self.factor}")

    @property
    def knowledge(self) -> Knowledge:
        """The global models of earlier rounds."""
        return "public"

    def effort(self, full: int) -> int:  # noqa: ARG002 - none of it
        """None."""
        return 0

    def ready(self, outlook: Outlook) -> bool:
        """There must be a step to predict from."""
        return outlook.moved

    async def craft(self, scene: Scene) -> Vector | None:
        """Factor · prediction; after one step only, that step is the prediction."""
        if scene.last_step is None:
            return None
        predicted = scene.last_step
        if len(scene.steps) > 1:
            before, last = scene.steps[-2], scene.steps[-1]
            # the model moved by ``before`` between the two steps, and the step changed by last − before
            square = dot(before, before)
            curvature = dot(before, last - before) / square if square else 0.0
            predicted = last * (1 + float(np.clip(curvature, -_CURVATURE, _CURVATURE)))
        return self.factor * predicted
