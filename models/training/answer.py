# SPDX-License-Identifier: Apache-2.0
"""What a job may be answered with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bcfl.models.evaluation import Evaluation
from bcfl.models.training.job import ClassEvaluation, TrainingResult

__all__ = ("Answer",)

Answer = (
    TrainingResult
    | Evaluation
    | list[Evaluation]
    | ClassEvaluation
    | list[list[int]]
    | npt.NDArray[np.float32]
)
