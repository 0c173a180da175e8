# SPDX-License-Identifier: Apache-2.0
"""A backdoor: the model behaves, except on inputs that carry a trigger."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.attacks.attack import DataAttack, Outlook
from bcfl.models.data.dataset import Samples
from bcfl.registry import register

__all__ = ("Backdoor",)

_IMAGE = 3
"""Directions of an array of images from which on the last two are rows and columns."""


@register(
    "data_attack",
    "backdoor",
    source="Gu et al. 2017, arXiv 1708.06733; Bagdasaryan et al. 2020, arXiv 1807.00459",
)
@dataclass(frozen=True, kw_only=True)
class Backdoor(DataAttack):
    """A ``poison_share`` of the samples gets a trigger and the class ``target``; the update is then boosted.

    The trigger is a square of ``size`` pixels in the lower right corner, at the largest value of the samples; in tables
    the last ``size`` columns. ``boost`` "replace": n/f, so that f backdoorers together replace the plain mean of n (n
    where one is alone); else a number.
    """

    size: int = 4
    target: int = 0
    poison_share: float = 0.5
    boost: float | Literal["replace"] = "replace"

    def __post_init__(self) -> None:
        if self.size < 1 or self.target < 0:
            raise ValueError(
                f"size must be at least 1 and target at least 0, not {self.size} and {self.target}"
            )
        if not 0 < self.poison_share <= 1:
            raise ValueError(f"poison_share must be above 0 and at most 1, not {self.poison_share}")
        if self.boost != "replace" and not (math.isfinite(self.boost) and self.boost > 0):
            raise ValueError(f"boost must be above 0, or 'replace', not {self.boost}")

    def poison(self, samples: Samples, classes: int, rng: np.random.Generator) -> Samples:  # noqa: ARG002
        """Some samples triggered in place, the others as they were."""
        chosen = rng.random(len(samples)) < self.poison_share
        inputs = samples.inputs.copy()
        inputs[chosen] = self._triggered(samples.inputs)[chosen]
        targets = np.where(chosen, self.target, samples.targets).astype(np.int64)
        return dataclasses.replace(samples, inputs=inputs, targets=targets)

    def factor(self, outlook: Outlook) -> float:
        """The boost."""
        return outlook.cohort / outlook.colluders if self.boost == "replace" else self.boost

    def goal(self, samples: Samples) -> Samples:
        """Every sample of another class with the trigger, called ``target``."""
        others = samples.select(np.flatnonzero(samples.targets != self.target))
        return dataclasses.replace(
            others,
            inputs=self._triggered(others.inputs),
            targets=np.full(len(others), self.target, dtype=np.int64),
        )

    def _triggered(self, inputs: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        result = inputs.copy()
        brightest = inputs.max() if inputs.size else 0
        if inputs.ndim >= _IMAGE:
            result[..., -self.size :, -self.size :] = brightest
        else:
            result[..., -self.size :] = brightest
        return result
