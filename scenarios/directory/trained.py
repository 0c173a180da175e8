# SPDX-License-Identifier: Apache-2.0
"""The model that a run has trained, for whoever uses it."""

from __future__ import annotations

from pydantic import ValidationError

from bcfl.models.card import ModelCard
from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import decode
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import RunDirectoryUnreadable

__all__ = ("trained_model",)


def trained_model(directory: RunDirectory) -> tuple[ModelCard, Weights]:
    """The final model, and what whoever uses it needs to know.

    Raises:
        RunDirectoryUnreadable: a file is missing or damaged.
        RegistryError: its network is not there.
    """
    try:
        card = ModelCard.model_validate_json(directory.card_file.read_bytes())
        weights, _ = decode(directory.model_file.read_bytes(), card.build().schema())
    except (OSError, ValidationError, MalformedUpdate) as error:
        raise RunDirectoryUnreadable(
            f"{directory.model_file} or {directory.card_file.name} beside it is missing or damaged, or the run has not ended: give the "
            f"directory of one that has."
        ) from error
    return card, weights
