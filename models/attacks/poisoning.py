# SPDX-License-Identifier: Apache-2.0
"""Crude poison: updates that one sender spoils by itself, knowing nobody else's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bcfl.models.attacks.attack import Attack, Scene
from bcfl.models.attacks.vectors import Vector, norm, unit
from bcfl.registry import register

__all__ = ("Gaussian", "RandomModel", "Scaling", "SignFlip", "Zero")


@register("attack", "sign_flip", source="Li et al. 2019, arXiv 1811.03761")
@dataclass(frozen=True, kw_only=True)
class SignFlip(Attack):
    """The honest update backwards, ``scale`` times as long."""

    scale: float = 1.0

    def __post_init__(self) -> None:
        _finite_above_zero("scale", self.scale)

    async def craft(self, scene: Scene) -> Vector:
        """−scale · own."""
        return -self.scale * scene.own


@register("attack", "scaling", source="Bagdasaryan et al. 2020, arXiv 1807.00459")
@dataclass(frozen=True, kw_only=True)
class Scaling(Attack):
    """The honest update, ``factor`` times as long."""

    factor: float = 10.0

    def __post_init__(self) -> None:
        _finite_above_zero("factor", self.factor)

    async def craft(self, scene: Scene) -> Vector:
        """The stretched update."""
        return self.factor * scene.own


@register("attack", "gaussian", source="Blanchard et al. 2017, arXiv 1703.02757")
@dataclass(frozen=True, kw_only=True)
class Gaussian(Attack):
    """Noise in place of an update: of standard deviation ``sigma`` a coordinate, or as long as the own honest update.

    Without ``sigma`` it trains, to know that length.
    """

    sigma: float | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None:
            _finite_above_zero("sigma", self.sigma)

    def effort(self, full: int) -> int:
        """Its training tells the length only."""
        return full if self.sigma is None else 0

    async def craft(self, scene: Scene) -> Vector:
        """Independent of the update's direction."""
        noise: Vector = scene.rng.standard_normal(scene.own.shape)
        return unit(noise) * norm(scene.own) if self.sigma is None else noise * self.sigma


@register("attack", "zero", source="Han et al. 2023 (FedMLSecurity), arXiv 2306.04959")
@dataclass(frozen=True, kw_only=True)
class Zero(Attack):
    """A model whose parameters are all zero; no work."""

    def effort(self, full: int) -> int:  # noqa: ARG002 - none of it
        """None."""
        return 0

    async def craft(self, scene: Scene) -> Vector:
        """−w."""
        return -scene.start


@register("attack", "random", source="Lin, Du, Liu 2019, arXiv 1911.12560")
@dataclass(frozen=True, kw_only=True)
class RandomModel(Attack):
    """A model whose parameters are uniform in ±``radius``; no work."""

    radius: float = 0.1

    def __post_init__(self) -> None:
        _finite_above_zero("radius", self.radius)

    def effort(self, full: int) -> int:  # noqa: ARG002 - none of it
        """None."""
        return 0

    async def craft(self, scene: Scene) -> Vector:
        """The way to a model that is drawn anew in each round."""
        drawn: Vector = scene.rng.uniform(-self.radius, self.radius, scene.start.shape)
        return drawn - scene.start


def _finite_above_zero(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be above 0, not {value}")
