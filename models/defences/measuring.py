# SPDX-License-Identifier: Apache-2.0
"""On how many validation samples the updates of a round are measured, each by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bcfl.models.defences.defence import DefenceRound
from bcfl.models.defences.many import is_many
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.training.job import ClassEvaluation

__all__ = ("drawn_samples", "measured")

_MEASUREMENTS = 1 << 20
"""Evaluations of single samples that a round's updates may cost together."""
_LEAST_SAMPLES = 256


def drawn_samples(updates: int, samples: int) -> npt.NDArray[np.int64] | None:
    """On which of so many validation samples each of the updates is measured, (m,); None: on all.

    Always the same ones, drawn once: whoever repeats the round takes them too.
    """
    wanted = max(_LEAST_SAMPLES, _MEASUREMENTS // max(1, updates))
    if not is_many(updates) or wanted >= samples:
        return None
    chosen: npt.NDArray[np.int64] = np.sort(np.random.default_rng(0).permutation(samples)[:wanted])
    return chosen


async def measured(made: DefenceRound, probe: int, laboratory: ScoringEngine) -> ClassEvaluation:
    """The start model and each update of a round by classes, and their outputs on the first ``probe`` samples; many on a part of the samples."""
    models = [made.start, *(member.model for member in made.members)]
    drawn = None
    if is_many(len(made.members)):
        whole = await laboratory.class_losses(made.network, [made.start], made.samples_key)
        drawn = drawn_samples(len(made.members), int(whole.counts.sum()))
    return await laboratory.class_losses(made.network, models, made.samples_key, indices=drawn, probe=probe)
