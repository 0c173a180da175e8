# SPDX-License-Identifier: Apache-2.0
"""Bucketing: means of a few updates drawn together, so that honest ones of unlike data look more alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.mixing import Part
from bcfl.models.weights import Weights
from bcfl.registry import InvalidParameters, register

__all__ = ("Bucketing", "drawn_order")


@register("pre_aggregator", "bucketing", source="Karimireddy, He, Jaggi 2022, arXiv 2006.09365")
@dataclass(frozen=True, kw_only=True)
class Bucketing:
    """The updates are shuffled and each ``size`` of them become their mean; the last bucket may have fewer.

    The draw follows from the updates themselves, all of which were committed to before any was revealed.
    """

    size: int = 2

    def __post_init__(self) -> None:
        """A bucket holds something."""
        if self.size < 1:
            raise InvalidParameters(f"size must be at least 1, not {self.size}.", parameter="size")

    def mix(self, models: Sequence[Weights], start: Weights) -> tuple[Part, ...]:
        """⌈n/size⌉ parts."""
        order = drawn_order(models, start)
        buckets = [tuple(order[begin : begin + self.size]) for begin in range(0, len(order), self.size)]
        return tuple(
            Part(model=fold([models[member] for member in bucket], (1,) * len(bucket)), members=bucket)
            for bucket in buckets
        )


def drawn_order(models: Sequence[Weights], start: Weights) -> list[int]:
    """A shuffle that anybody can repeat: by SHA-256 of a seed from all contents, and the own content.

    Of equal models the lower index comes first. The order in which the models are given changes nothing else.
    """
    contents = [model.digest() for model in models]
    seed = hashlib.sha256(start.digest() + b"".join(sorted(contents))).digest()
    keys = [hashlib.sha256(seed + content).digest() for content in contents]
    return sorted(range(len(models)), key=lambda position: (keys[position], position))
