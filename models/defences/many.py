# SPDX-License-Identifier: Apache-2.0
"""What a defence does otherwise where updates are many: how many those are, and on how many samples each is measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ("MANY", "drawn_samples", "is_many")

MANY = 64
"""Updates above which what one of them changes is taken from gradients, not from a model without it."""
_MEASUREMENTS = 1 << 20
"""Evaluations of single samples that a round's updates may cost together."""
_LEAST_SAMPLES = 256


def is_many(updates: int) -> bool:
    """Whether so many updates are more than can each be left out and evaluated."""
    return updates > MANY


def drawn_samples(updates: int, samples: int) -> npt.NDArray[np.int64] | None:
    """On which of so many validation samples each of the updates is measured, (m,); None: on all.

    Always the same ones, drawn once: whoever repeats the round takes them too.
    """
    wanted = max(_LEAST_SAMPLES, _MEASUREMENTS // max(1, updates))
    if not is_many(updates) or wanted >= samples:
        return None
    chosen: npt.NDArray[np.int64] = np.sort(np.random.default_rng(0).permutation(samples)[:wanted])
    return chosen
