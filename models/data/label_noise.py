# SPDX-License-Identifier: Apache-2.0
"""Wrong labels by accident: a share of them says nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ("flip_labels",)


def flip_labels(
    targets: npt.NDArray[np.int64], share: float, classes: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """A copy of the targets (n,), of which ⌊share · n⌋, drawn by ``rng``, became uniformly random classes.

    As the label noise of 2CP (Cai, Rueckert, Passerat-Palmbach 2020, arXiv 2011.07516): a random class may be the true
    one, so that with 10 classes a share of 1 leaves a tenth right, and with 2 a half.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be at least 0 and at most 1, not {share}")
    flipped = targets.copy()
    # the product may fall short of a whole number by its rounding: 0.29 · 100 is 28.999…
    chosen = rng.permutation(len(targets))[: int(share * len(targets) + 1e-9)]
    flipped[chosen] = rng.integers(classes, size=len(chosen))
    return flipped
