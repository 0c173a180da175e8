# SPDX-License-Identifier: Apache-2.0
"""Trainers whose updates are no models: each form breaks a careless reader in another way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bcfl.agents.common.behaviour import Honest, Turn
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.tensors import encode
from bcfl.registry import register

__all__ = ("UNPICKLED_MARK", "Malformed")

UNPICKLED_MARK = "UNPICKLED_BCFL_UPDATE"
"""The environment variable that the pickle sets in a process that loads it: nothing here ever does."""

_PICKLE = f"cbuiltins\nexec\n(S'import os; os.environ[\"{UNPICKLED_MARK}\"] = str(1)'\ntR.".encode()


@register("behaviour", "malformed", source="CVE-2025-32434 (pickle); byzfl's aggregators with one NaN")
@dataclass(frozen=True, kw_only=True)
class Malformed(Honest):
    """Does no work and opens a file that is wrong in one way.

    ``nan`` and ``inf`` have one such value in the first tensor. ``wrong_shape`` flattens the tensors, ``wrong_dtype`` calls
    the floats integers, ``extra_keys`` adds a tensor, ``truncated`` ends in the middle, ``pickle`` runs code when unpickled.
    """

    kind: Literal["nan", "inf", "wrong_shape", "wrong_dtype", "extra_keys", "truncated", "pickle"] = "nan"

    misbehaves = True

    async def update(self, turn: Turn) -> Weights | None:
        """Nothing learnt."""
        return turn.start

    def encode(self, turn: Turn, weights: Weights, metadata: Mapping[str, str]) -> bytes:
        """The wrong file; the trainer's name in it keeps two of a kind from being copies of each other."""
        described = {**metadata, "trainer": turn.name}
        match self.kind:
            case "nan" | "inf":
                vector = weights.vector.copy()
                vector[0] = np.nan if self.kind == "nan" else np.inf
                return encode(Weights(weights.schema, vector), described)
            case "wrong_shape":
                flat = Schema(tuple(TensorSpec(t.name, (t.size,)) for t in weights.schema.tensors))
                return encode(Weights(flat, weights.vector), described)
            case "wrong_dtype":
                return encode(weights, described).replace(b'"dtype":"F32"', b'"dtype":"I32"')
            case "extra_keys":
                more = Schema((*weights.schema.tensors, TensorSpec("extra", (1,))))
                vector = np.append(weights.vector, np.float32(1)).astype(np.float32)
                return encode(Weights(more, vector), described)
            case "truncated":
                data = encode(weights, described)
                return data[: len(data) // 2]
            case "pickle":
                return _PICKLE + turn.name.encode()
