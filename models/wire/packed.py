# SPDX-License-Identifier: Apache-2.0
"""Updates that a codec has packed: one tensor of bytes in a safetensors file, beside the metadata that every update has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Weights
from bcfl.models.wire.codecs import Codec
from bcfl.models.wire.tensors import METADATA, all_finite, check_metadata, framed, read_header

__all__ = ("Packing",)

_TENSOR = "update"


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """How the updates of a round are packed.

    Attributes:
        codec: of the task.
        start: the model that they are the difference from.
    """

    codec: Codec
    start: Weights

    def encode(self, weights: Weights, metadata: Mapping[str, str]) -> bytes:
        """A model as the bytes of its update: the same always gives the same, with one version of libzstd."""
        body = self.codec.pack(weights.vector - self.start.vector)
        header = {
            METADATA: dict(sorted(metadata.items())),
            _TENSOR: {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]},
        }
        return framed(header, body)

    def decode(self, data: bytes, *, max_header: int = 65536) -> tuple[Weights, dict[str, str]]:
        """The model and the metadata, of bytes that anybody may have made.

        Raises:
            MalformedUpdate: with the reason.
        """
        header, begin = read_header(data, max_header)
        metadata = check_metadata(header.pop(METADATA, {}))
        body = data[begin:]
        entry = {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}
        if header != {_TENSOR: entry}:
            raise MalformedUpdate(
                f"The update is not one tensor '{_TENSOR}' of all {len(body)} bytes.", reason="packed"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            vector = self.start.vector + self.codec.unpack(body, len(self.start.vector))
        if not all_finite(vector):
            raise MalformedUpdate("The update has values that are not finite numbers.", reason="non_finite")
        return Weights(self.start.schema, vector), metadata

    def lost(self, weights: Weights) -> Weights:
        """What of a model's update its packed form leaves out, to be added to the next one."""
        update = weights.vector - self.start.vector
        return Weights(weights.schema, update - self.codec.unpack(self.codec.pack(update), len(update)))
