# SPDX-License-Identifier: Apache-2.0
"""What somebody needs to know of a trained model to use it: its network, and how samples become its inputs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pydantic

from bcfl.models.data.dataset import Samples
from bcfl.models.data.table_encoding import TableEncoding
from bcfl.models.declared import vocabulary
from bcfl.models.networks.network import Network
from bcfl.registry import create

__all__ = ("ModelCard",)

_PICTURES = 4
"""Directions of an array of pictures: (n, channels, height, width)."""


class ModelCard(pydantic.BaseModel):
    """``model.json``.

    Attributes:
        network: name of the entry; ``parameters``: its own.
        dataset: what it was trained on.
        shape: of one sample.
        tokens: samples are sequences of tokens, int64; else float32.
        scale: what raw values are multiplied by before the network sees them.
        labels: what each output of the network stands for.
        pictures: whether it was trained on bytes, as files of pictures have them.
        encoding: how a table's rows became samples, where they are such.
    """

    model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(frozen=True, extra="forbid")

    network: str
    parameters: dict[str, Any]
    dataset: str
    shape: tuple[int, ...]
    tokens: bool
    scale: float
    labels: tuple[str, ...]
    pictures: bool
    encoding: TableEncoding | None = None

    @classmethod
    def of(
        cls,
        samples: Samples,
        *,
        network: str,
        parameters: dict[str, Any],
        dataset: str,
        labels: tuple[str, ...],
        encoding: TableEncoding | None = None,
    ) -> ModelCard:
        """Of a model that is trained on such samples."""
        return cls(
            network=network,
            parameters=parameters,
            dataset=dataset,
            shape=samples.inputs.shape[1:],
            tokens=samples.tokens,
            scale=samples.scale,
            labels=labels,
            pictures=samples.inputs.dtype == np.uint8
            and not samples.tokens
            and samples.inputs.ndim == _PICTURES,
            encoding=encoding,
        )

    def build(self) -> Network:
        """The network.

        Raises:
            RegistryError: there is no such entry here, or it cannot take the parameters.
        """
        network: Network = create("network", self.network, self.parameters)
        return network

    def vocabulary(self) -> int | None:
        """How many tokens the model knows; None where it takes numbers."""
        return vocabulary(self.build()) if self.tokens else None
