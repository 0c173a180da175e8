# SPDX-License-Identifier: Apache-2.0
"""What local training is done with, in a round."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bcfl.models.errors import InvalidHyperparameters
from bcfl.models.training.optimizers import Optimizer, Sgd
from bcfl.models.training.privacy import Privacy
from bcfl.registry import create

__all__ = ("Hyperparameters", "hyperparameters_of")


_USUAL = Sgd()


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Descent on the network's training loss; the optimiser is fresh in every job.

    ``proximal`` μ adds μ/2 ‖w − w₀‖² to the loss of a batch, w₀ being where the job starts (FedProx: Li et al. 2020, arXiv 1812.06127);
    ``clip_norm`` shortens a batch's gradient to that Euclidean length. 0: neither. ``privacy`` is the trainer's own, not the task's.
    """

    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 50
    epochs: int = 2
    shuffle: bool = True
    optimizer: Optimizer = _USUAL
    proximal: float = 0.0
    clip_norm: float = 0.0
    privacy: Privacy | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InvalidHyperparameters(f"The learning rate must be above 0, not {self.learning_rate}.")
        if not 0 <= self.momentum < 1:
            raise InvalidHyperparameters(f"The momentum must be at least 0 and below 1, not {self.momentum}.")
        for name in ("weight_decay", "proximal", "clip_norm"):
            if not (math.isfinite(value := getattr(self, name)) and value >= 0):
                raise InvalidHyperparameters(f"{name} must be at least 0, not {value}.")
        if self.batch_size < 1 or self.epochs < 1:
            raise InvalidHyperparameters(
                f"Batch size and epochs must be at least 1, not {self.batch_size} and {self.epochs}."
            )


def hyperparameters_of(training: Mapping[str, Any], round_number: int) -> Hyperparameters:
    """A specification's ``training`` in a round.

    Raises:
        InvalidHyperparameters: nothing can be trained with them.
        RegistryError: an optimiser or a schedule is not there, or cannot take its parameters.
    """
    given = dict(training)
    optimizer = _entry("optimizer", given.pop("optimizer", "sgd"))
    schedule = _entry("schedule", given.pop("schedule", "constant"))
    try:
        found = Hyperparameters(**given, optimizer=optimizer)
    except TypeError as error:
        raise InvalidHyperparameters(f"The task's training cannot be understood: {error}.") from error
    factor = schedule.factor(round_number)
    return (
        found
        if factor == 1.0
        else Hyperparameters(**given | {"learning_rate": found.learning_rate * factor}, optimizer=optimizer)
    )


def _entry(kind: str, given: object) -> Any:  # noqa: ANN401 - an entry of any kind
    """A name, or a mapping with ``name`` and the parameters beside it."""
    if not isinstance(given, Mapping):
        return create(kind, str(given))
    return create(kind, str(given.get("name")), {key: value for key, value in given.items() if key != "name"})
