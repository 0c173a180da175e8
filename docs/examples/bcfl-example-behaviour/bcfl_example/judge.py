# SPDX-License-Identifier: Apache-2.0
"""A behaviour of an evaluator: an honest one that changes what it is about to post."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from bcfl.plugin import HonestJudge, Judgement, TaskState, TrainerIndex, register

__all__ = ("Flat",)


@register("judge", "flat", source="an example")
@dataclass(frozen=True, kw_only=True)
class Flat(HonestJudge):
    """Gives everybody who has a score above zero the mean of these."""

    misbehaves = True

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,  # noqa: ARG002 - of no use to this one
        friends: frozenset[TrainerIndex],  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Judgement:
        """The same sum, in equal parts."""
        paid = [index for index, score in judgement.scores.items() if score > 0]
        mean = sum(judgement.scores[index] for index in paid) // len(paid) if paid else 0
        scores = {index: mean if index in paid else score for index, score in judgement.scores.items()}
        return dataclasses.replace(judgement, scores=scores)
