# SPDX-License-Identifier: Apache-2.0
"""The model that a run has trained, for whoever uses it, and the one that it started from where that is somebody's own."""

from __future__ import annotations

from pydantic import ValidationError

from bcfl.models.card import ModelCard
from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import decode
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.writing import writing
from bcfl.scenarios.errors import RunDirectoryUnreadable

__all__ = ("keep_genesis", "kept_genesis", "trained_model")


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


def keep_genesis(directory: RunDirectory, data: bytes) -> None:
    """Keep the model that ``task.genesis`` names: whoever goes on with the run or audits it must not find another by then.

    Raises:
        RunDirectoryUnwritable: the disk does not take it.
    """
    with writing(directory.genesis_file):
        directory.genesis_file.write_bytes(data)


def kept_genesis(directory: RunDirectory) -> bytes | None:
    """That model; None where it was drawn under the seed."""
    return directory.genesis_file.read_bytes() if directory.genesis_file.is_file() else None
