# SPDX-License-Identifier: Apache-2.0
"""Updates made with no work, or with little, to be paid as if for all of it."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Literal

from bcfl.models.attacks.attack import Attack, Knowledge, Outlook, Scene
from bcfl.models.attacks.vectors import Vector, disguised, norm
from bcfl.registry import register

__all__ = ("DeltaWeights", "ReplayGlobal", "StaleResubmit", "UnderTrainer")


@register("attack", "replay_global", source="Fraboni, Vidal, Lorenzi 2021, arXiv 2006.11901")
@dataclass(frozen=True, kw_only=True)
class ReplayGlobal(Attack):
    """The round's global model with Gaussian noise of standard deviation ``sigma`` a coordinate; 0: byte for byte."""

    sigma: float = 1e-3

    def __post_init__(self) -> None:
        _at_least_zero("sigma", self.sigma)

    def effort(self, full: int) -> int:  # noqa: ARG002 - none of it
        """None."""
        return 0

    async def craft(self, scene: Scene) -> Vector:
        """Noise alone."""
        noise: Vector = scene.rng.standard_normal(scene.start.shape)
        return noise * self.sigma


@register("attack", "delta_weights", source="Lin, Du, Liu 2019, arXiv 1911.12560")
@dataclass(frozen=True, kw_only=True)
class DeltaWeights(Attack):
    """What the last round changed in the global model, sent once more; honest until the model has moved.

    ``sigma`` is noise relative to that change (1: as long as it is). ``adaptive``: the noise decays as 1/round
    (Fraboni et al. 2021, γ = 1). ``steps``: real mini-batches trained on top, 0 or a few.
    """

    sigma: float = 0.1
    adaptive: bool = False
    steps: int = 0

    def __post_init__(self) -> None:
        _at_least_zero("sigma", self.sigma)
        _at_least_zero("steps", self.steps)

    @property
    def knowledge(self) -> Knowledge:
        """The global models of earlier rounds."""
        return "public"

    def effort(self, full: int) -> int:
        """The few mini-batches."""
        return min(full, self.steps)

    def ready(self, outlook: Outlook) -> bool:
        """There must be a change to repeat."""
        return outlook.moved

    async def craft(self, scene: Scene) -> Vector | None:
        """Last step + noise + own."""
        if scene.last_step is None:
            return None
        sigma = self.sigma / scene.outlook.round if self.adaptive else self.sigma
        return disguised(scene.last_step, sigma, scene.rng) + scene.own


@register(
    "attack", "stale_resubmit", source="Han et al. 2023 (FedMLSecurity's lazy worker), arXiv 2306.04959"
)
@dataclass(frozen=True, kw_only=True)
class StaleResubmit(Attack):
    """Work that it handed in before, the ``last`` or the ``oldest``; honest until it has handed in something.

    ``what``: the ``model`` as it was (``sigma`` 0: the same bytes of weights), or its ``update`` on top of the
    present global model. ``sigma`` is noise relative to the old update.
    """

    which: Literal["last", "oldest"] = "last"
    what: Literal["model", "update"] = "update"
    sigma: float = 0.0

    def __post_init__(self) -> None:
        _at_least_zero("sigma", self.sigma)

    def effort(self, full: int) -> int:  # noqa: ARG002 - none of it
        """None."""
        return 0

    def ready(self, outlook: Outlook) -> bool:
        """Before the second round nobody has handed in anything."""
        return outlook.round > 1

    async def craft(self, scene: Scene) -> Vector | None:
        """The old update, or the way back to the old model."""
        if not scene.past:
            return None
        place = -1 if self.which == "last" else 0
        noise = disguised(scene.past[place], self.sigma, scene.rng) - scene.past[place]
        if self.what == "model":
            return scene.past_models[place] - scene.start + noise
        return scene.past[place] + noise


@register(
    "attack", "under_trainer", source="this project; lazy as in VBFL, Chen et al. 2021, arXiv 2101.03300"
)
@dataclass(frozen=True, kw_only=True)
class UnderTrainer(Attack):
    """Trains on a ``share`` of its mini-batches, at least one, and hands that in as a full update.

    ``rescale``: stretched to the median length of the updates that were revealed in the last round, which is
    public; in the first round there are none and it is left as it is. It is never shortened.
    """

    share: float = 0.1
    rescale: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share}")

    @property
    def knowledge(self) -> Knowledge:
        """Nobody's models, or those of the last round."""
        return "public" if self.rescale else "self"

    def effort(self, full: int) -> int:
        """A share of it."""
        return max(1, round(self.share * full))

    async def craft(self, scene: Scene) -> Vector:
        """The short training, stretched or not."""
        lengths = [norm(update) for update in (await scene.revealed() if self.rescale else ())]
        length = norm(scene.own)
        if not lengths or not length:
            return scene.own
        return scene.own * max(1.0, statistics.median(lengths) / length)


def _at_least_zero(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be at least 0, not {value}")
