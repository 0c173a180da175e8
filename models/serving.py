# SPDX-License-Identifier: Apache-2.0
"""A trained model as MLflow loads it from its registry: safetensors and a card, nothing pickled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.card import ModelCard
from bcfl.models.data.dataset import Samples
from bcfl.models.errors import DataCorrupt
from bcfl.models.predicting import Question, answers, checked, range_names
from bcfl.models.wire.tensors import decode

__all__ = ("CARD_FILE", "MODEL_FILE", "ServedModel")

MODEL_FILE = "final.safetensors"
CARD_FILE = "model.json"


class ServedModel:
    """What ``mlflow.pyfunc.load_model`` wraps.

    Args:
        path: a directory with the model and its card.
    """

    def __init__(self, path: Path) -> None:
        card = path / CARD_FILE
        if not card.is_file():
            raise DataCorrupt(
                f"The model in {path} has no {CARD_FILE}, which says how samples become its inputs: it was registered from a chain alone. "
                f"Load {MODEL_FILE} with its task's specification."
            )
        self.card = ModelCard.model_validate_json(card.read_bytes())
        self.weights, _ = decode((path / MODEL_FILE).read_bytes(), self.card.build().schema())

    def predict(self, inputs: Any, params: dict[str, Any] | None = None) -> npt.NDArray[np.float64]:  # noqa: ANN401, ARG002 - MLflow's signature
        """The probability of each class of ``card.labels``, (n, classes), for raw samples (n, …) as the training data were.

        Raises:
            DataCorrupt: the model takes others.
        """
        array = np.asarray(inputs)
        if self.card.tokens:
            array = array.astype(np.int64)
        elif array.dtype != np.uint8:
            array = array.astype(np.float32)
        if array.ndim == 0 or array[:1].size != math.prod(self.card.shape):
            raise DataCorrupt(
                f"The samples have the shape {array.shape}, and the model takes (n, {', '.join(map(str, self.card.shape))}): make them alike."
            )
        samples = Samples(
            inputs=array.reshape(len(array), *self.card.shape),
            targets=np.zeros(len(array), dtype=np.int64),
            scale=self.card.scale,
            tokens=self.card.tokens,
        )
        checked(samples, self.card, "the question")
        question = Question(names=range_names(len(array)), samples=samples, known=False)
        return np.concatenate(list(answers(self.card, self.weights, question)))


def _load_pyfunc(path: str) -> ServedModel:
    """MLflow's name for how a ``loader_module`` reads its data."""
    return ServedModel(Path(path))
