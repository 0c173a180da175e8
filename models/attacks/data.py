# SPDX-License-Identifier: Apache-2.0
"""Honest training on bad data: wrong labels, or features that say little."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.attacks.attack import DataAttack
from bcfl.models.data.dataset import Samples
from bcfl.registry import register

__all__ = ("LabelFlip", "LowQuality", "reworked")


@register("data_attack", "label_flip", source="Tolpegin et al. 2020, arXiv 2007.08432")
@dataclass(frozen=True, kw_only=True)
class LabelFlip(DataAttack):
    """Wrong labels for a ``share`` of the samples.

    All classes: ``mapping`` "reverse" makes y into C − 1 − y (with an odd number of classes the middle one stays as it
    is), "cyclic" into y + 1, the last into 0. Targeted, when ``source`` and ``target`` are given: only samples of the
    class ``source``, which become ``target``. ``throughout``: of a text every character is rewritten so, not only the one
    after the window; to a network that learns from all of them (``learn: all``) each is somebody's label.
    """

    share: float = 1.0
    source: int | None = None
    target: int | None = None
    mapping: Literal["reverse", "cyclic"] = "reverse"
    throughout: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share}")
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target are given together, or neither")
        if self.source is not None and (self.source == self.target or min(self.source, self.target or 0) < 0):
            raise ValueError(f"source and target must be two classes, not {self.source} and {self.target}")

    def poison(self, samples: Samples, classes: int, rng: np.random.Generator) -> Samples:
        """The same inputs with other targets."""
        chosen = rng.random(len(samples)) < self.share
        count = max(classes, samples.classes)
        targets = np.where(chosen, self._flipped(samples.targets, count), samples.targets).astype(np.int64)
        inputs = samples.inputs
        if self.throughout and samples.tokens:
            inputs = np.where(chosen[:, None], self._flipped(inputs, count), inputs).astype(inputs.dtype)
        return dataclasses.replace(samples, inputs=inputs, targets=targets)

    def _flipped(self, labels: npt.NDArray[Any], classes: int) -> npt.NDArray[Any]:
        if self.source is not None and self.target is not None:
            return np.where(labels == self.source, self.target, labels)
        if self.mapping == "reverse":
            return classes - 1 - labels
        return (labels + 1) % classes

    def goal(self, samples: Samples) -> Samples | None:
        """Targeted: the samples of ``source``, called ``target``; untargeted: None."""
        if self.source is None or self.target is None:
            return None
        found = samples.select(np.flatnonzero(samples.targets == self.source))
        return dataclasses.replace(found, targets=np.full(len(found), self.target, dtype=np.int64))


@register("data_attack", "low_quality", source="Cai et al. 2020 (2CP), arXiv 2011.07516")
@dataclass(frozen=True, kw_only=True)
class LowQuality(DataAttack):
    """A ``share`` of the samples only, their features under noise of ``noise`` times the features' own deviation.

    Of a text's tokens the part noise/(1 + noise) is exchanged for others that occur in it.
    """

    noise: float = 2.0
    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or not self.noise >= 0:
            raise ValueError(
                f"share must be above 0 and at most 1 and noise at least 0, not {self.share} and {self.noise}"
            )

    def poison(self, samples: Samples, classes: int, rng: np.random.Generator) -> Samples:  # noqa: ARG002
        """At least one sample stays."""
        count = max(1, round(self.share * len(samples)))
        kept = samples.select(np.sort(rng.permutation(len(samples))[:count]).astype(np.int64))
        if kept.tokens:
            exchanged = rng.random(kept.inputs.shape) < self.noise / (1 + self.noise)
            others = rng.choice(kept.inputs.ravel(), size=kept.inputs.shape)
            return dataclasses.replace(kept, inputs=np.where(exchanged, others, kept.inputs))
        features = kept.inputs.astype(np.float64)
        return reworked(kept, features + self.noise * features.std() * rng.standard_normal(features.shape))


def reworked(samples: Samples, inputs: npt.NDArray[np.float64]) -> Samples:
    """The samples with other inputs, in the type that they had: bytes are rounded and kept in their range."""
    if samples.inputs.dtype == np.uint8:
        return dataclasses.replace(samples, inputs=np.clip(np.rint(inputs), 0, 255).astype(np.uint8))
    return dataclasses.replace(samples, inputs=inputs.astype(np.float32))
