# SPDX-License-Identifier: Apache-2.0
"""Small seeded data that any network here can learn in a second: for tests, demonstrations and dry runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.registry import register

__all__ = ("Synthetic",)


@register("dataset", "synthetic")
@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Noisy copies of one pattern for each class, equally many of each.

    ``form`` patterns are uint8 images (1, 28, 28) shown in 0…1, as MNIST is; blobs are float32 points of
    ``features`` numbers. ``noise`` is relative to the pattern: at 0.5 the classes separate, at 2 they overlap. Texts are
    sequences of ``features`` tokens out of ``classes`` with the one that follows: each has its successor, and noise/(1 + noise) of
    the successors are drawn at random instead.
    """

    samples: int = 2000
    test_samples: int = 500
    classes: int = 10
    seed: int = 0
    form: Literal["patterns", "blobs", "texts"] = "patterns"
    features: int = 8
    noise: float = 0.5

    def load(self, data_dir: Path | None = None) -> Dataset:  # noqa: ARG002 - made, not read
        """The data set; the same for the same parameters."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        if self.form == "texts":
            successors = generator.permutation(self.classes)
            train, test = (
                self._text(successors, count, generator) for count in (self.samples, self.test_samples)
            )
            return self._dataset(train, test)
        if self.form == "blobs":
            centres = generator.normal(scale=2.0, size=(self.classes, self.features))
        else:
            # coarse 7×7 patterns, enlarged, so that they survive convolution and pooling
            coarse = generator.random((self.classes, 1, 7, 7))
            centres = coarse.repeat(4, axis=2).repeat(4, axis=3)
        train = self._draw(centres, self.samples, generator)
        return self._dataset(train, self._draw(centres, self.test_samples, generator))

    def _dataset(self, train: Samples, test: Samples) -> Dataset:
        return Dataset(
            name="synthetic",
            train=train,
            test=test,
            source=f"made from seed {self.seed}",
            licence="Apache-2.0",
        )

    def _text(self, successors: npt.NDArray[np.int64], count: int, generator: np.random.Generator) -> Samples:
        tokens = generator.integers(self.classes, size=(count, self.features + 1))
        usual = generator.random(tokens.shape) >= self.noise / (1 + self.noise)
        for place in range(1, tokens.shape[1]):
            tokens[:, place] = np.where(usual[:, place], successors[tokens[:, place - 1]], tokens[:, place])
        return Samples(inputs=tokens[:, :-1].copy(), targets=tokens[:, -1].copy(), tokens=True)

    def _draw(self, centres: npt.NDArray[np.float64], count: int, generator: np.random.Generator) -> Samples:
        targets = generator.permutation(np.arange(count, dtype=np.int64) % self.classes)
        noisy = centres[targets] + self.noise * generator.normal(size=(count, *centres.shape[1:]))
        if self.form == "blobs":
            return Samples(inputs=noisy.astype(np.float32), targets=targets)
        pixels = np.clip(np.rint(noisy * 255), 0, 255).astype(np.uint8)
        return Samples(inputs=pixels, targets=targets, scale=1 / 255)
