# SPDX-License-Identifier: Apache-2.0
"""A model's parameters as one flat vector with a schema.

Aggregation, scoring, attacks and defences work on the vector; training and evaluation load it into a
network; the wire format writes its tensors by name.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import SchemaMismatch

__all__ = ("Schema", "TensorSpec", "Weights")


@dataclass(frozen=True)
class TensorSpec:
    """One named float32 tensor of a schema."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Schema:
    """The ordered float32 tensors of a network; the order is that of the flat vector."""

    tensors: tuple[TensorSpec, ...]

    @cached_property
    def size(self) -> int:
        """Number of parameters d."""
        return sum(tensor.size for tensor in self.tensors)


@dataclass(frozen=True, eq=False)
class Weights:
    """All parameters of one model: a schema and a float32 vector of shape (d,), treated as immutable."""

    schema: Schema
    vector: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vector.shape != (self.schema.size,) or self.vector.dtype != np.float32:
            raise SchemaMismatch(
                f"A schema of {self.schema.size} float32 parameters cannot take a "
                f"{self.vector.dtype} vector of shape {self.vector.shape}."
            )

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """Views into the vector by tensor name, in the schema's order."""
        views: dict[str, npt.NDArray[np.float32]] = {}
        offset = 0
        for tensor in self.schema.tensors:
            views[tensor.name] = self.vector[offset : offset + tensor.size].reshape(tensor.shape)
            offset += tensor.size
        return views

    def digest(self) -> bytes:
        """32 bytes (SHA-256) of the numbers alone: contents with other metadata or key order have the same."""
        return hashlib.sha256(np.ascontiguousarray(self.vector, dtype="<f4").tobytes()).digest()

    def same_schema(self, other: Weights) -> None:
        """Raise ``SchemaMismatch`` unless both have the same schema."""
        if self.schema != other.schema:
            raise SchemaMismatch
