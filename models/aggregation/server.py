# SPDX-License-Identifier: Apache-2.0
"""Server optimisers: the mean of a round's updates as a gradient, and the global model's own descent along it.

Reddi et al. 2020, arXiv 2003.00295; Hsu, Qi, Brown 2019, arXiv 1909.06335. Whoever repeats a round has to get the same bits, so
there is nothing here but elementwise additions, multiplications, divisions and square roots in float64, rounded once to float32
(``aggregator.py`` says why). What an optimiser remembers is public, and named by the model that it made (``agents/common/folding.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.registry import register

__all__ = ("ServerOptimizer", "memory_schema")

Vector = npt.NDArray[np.float64]

_LARGEST = float(np.finfo(np.float32).max)
_CLOSE = 1e-4
"""Relative; what is remembered is rounded to float32, and a way is found from two such numbers."""


class ServerOptimizer(Protocol):
    """An entry of kind ``server_optimizer``: a frozen dataclass whose fields are its parameters."""

    memories: ClassVar[tuple[str, ...]]
    """What it remembers: names of vectors as long as the model."""

    def step(self, start: Weights, mean: Weights, memory: Weights | None) -> tuple[Weights, Weights | None]:
        """The next global model, and what is remembered then.

        Args:
            start: the model that the round began with.
            mean: what the aggregator made of the round's updates.
            memory: as this gave it after the last round that counted, with ``memory_schema``; None in the first.
        """
        ...

    def follows(self, start: Weights, model: Weights, before: Weights | None, after: Weights | None) -> bool:
        """Whether some mean leads from ``start`` and ``before`` to ``model`` and ``after``, up to rounding: for who cannot repeat a round."""
        ...


def memory_schema(optimizer: ServerOptimizer, model: Schema) -> Schema:
    """The tensors of what it remembers beside a model."""
    return Schema(tuple(TensorSpec(name, (model.size,)) for name in optimizer.memories))


@register("server_optimizer", "none", source="McMahan et al. 2017, arXiv 1602.05629")
@dataclass(frozen=True, kw_only=True)
class Plain:
    """The mean is the next model, as in FedAvg."""

    memories: ClassVar[tuple[str, ...]] = ()

    def step(
        self,
        start: Weights,  # noqa: ARG002 - the mean is all
        mean: Weights,
        memory: Weights | None,  # noqa: ARG002
    ) -> tuple[Weights, Weights | None]:
        """The mean, and nothing to remember."""
        return mean, None

    def follows(
        self,
        start: Weights,  # noqa: ARG002 - any mean does
        model: Weights,  # noqa: ARG002
        before: Weights | None,
        after: Weights | None,
    ) -> bool:
        """Any model may be a mean."""
        return before is None and after is None


@register("server_optimizer", "momentum", source="Hsu, Qi, Brown 2019, arXiv 1909.06335 (FedAvgM)")
@dataclass(frozen=True, kw_only=True)
class Momentum:
    """m ← β·m + Δ and w ← w + η·m, Δ being the way from the round's start to the mean."""

    memories: ClassVar[tuple[str, ...]] = ("m",)

    learning_rate: float = 1.0
    beta: float = 0.9

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.beta)

    def step(self, start: Weights, mean: Weights, memory: Weights | None) -> tuple[Weights, Weights | None]:
        """One step with momentum."""
        (m,) = _remembered(memory, start.schema.size, (0.0,))
        memory = _kept(self.memories, self.beta * m + _way(start, mean))
        return self._stepped(start, memory), memory

    def follows(
        self,
        start: Weights,
        model: Weights,
        before: Weights | None,  # noqa: ARG002 - from any momentum some mean leads on
        after: Weights | None,
    ) -> bool:
        """The model is a step along what is remembered."""
        if after is None:
            return False
        return self._stepped(start, after).digest() == model.digest()

    def _stepped(self, start: Weights, memory: Weights) -> Weights:
        """By what is remembered, as it is kept: whoever has it can tell whether a model is this step."""
        return _moved(start, self.learning_rate * memory.vector.astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class _Adaptive:
    """What Adam and Yogi have in common: each number's step by its own past, m/(√v + τ)."""

    memories: ClassVar[tuple[str, ...]] = ("m", "v")

    learning_rate: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 0.001

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.beta1, self.beta2, tau=self.tau)

    def second(self, v: Vector, squared: Vector) -> Vector:
        """The second moment after Δ²."""
        raise NotImplementedError

    def step(self, start: Weights, mean: Weights, memory: Weights | None) -> tuple[Weights, Weights | None]:
        """One adaptive step, without a correction of the first rounds' bias, as published."""
        m, v = _remembered(memory, start.schema.size, (0.0, self.tau * self.tau))
        way = _way(start, mean)
        m = self.beta1 * m + (1.0 - self.beta1) * way
        memory = _kept(self.memories, m, self.second(v, way * way))
        return self._stepped(start, memory), memory

    def _stepped(self, start: Weights, memory: Weights) -> Weights:
        """By what is remembered, as it is kept: whoever has it can tell whether a model is this step."""
        m, v = np.split(memory.vector.astype(np.float64), 2)
        return _moved(start, self.learning_rate * m / (np.sqrt(v) + self.tau))

    def follows(self, start: Weights, model: Weights, before: Weights | None, after: Weights | None) -> bool:
        """The model is a step along what is remembered, and both moments are of one way."""
        if after is None:
            return False
        size, first = start.schema.size, (0.0, self.tau * self.tau)
        (old_m, old_v), (m, v) = _remembered(before, size, first), _remembered(after, size, first)
        if (v < 0).any():
            return False
        way = (m - self.beta1 * old_m) / (1.0 - self.beta1)
        slack = _CLOSE * (np.abs(m) + np.abs(old_m)) / (1.0 - self.beta1)
        expected = np.clip(self.second(old_v, way * way), -_LARGEST, _LARGEST)
        room = _CLOSE * (np.abs(v) + np.abs(old_v)) + 2 * np.abs(way) * slack + slack * slack
        alike = bool((np.abs(v - expected) <= room).all())
        return alike and self._stepped(start, after).digest() == model.digest()


@register("server_optimizer", "adam", source="Reddi et al. 2020, arXiv 2003.00295 (FedAdam)")
@dataclass(frozen=True, kw_only=True)
class FedAdam(_Adaptive):
    """v ← β₂·v + (1−β₂)·Δ²; ``tau`` is how adaptive it is at most."""

    def second(self, v: Vector, squared: Vector) -> Vector:
        """A running mean."""
        return self.beta2 * v + (1.0 - self.beta2) * squared


@register(
    "server_optimizer", "yogi", source="Reddi et al. 2020, arXiv 2003.00295 (FedYogi); Zaheer et al. 2018"
)
@dataclass(frozen=True, kw_only=True)
class FedYogi(_Adaptive):
    """v ← v − (1−β₂)·Δ²·sign(v − Δ²): as Adam, but v falls slowly where steps become small."""

    def second(self, v: Vector, squared: Vector) -> Vector:
        """An additive change, whose size does not depend on v."""
        return v - (1.0 - self.beta2) * squared * np.sign(v - squared)


def _check(learning_rate: float, *betas: float, tau: float = 1.0) -> None:
    if not (0 < learning_rate < np.inf and 0 < tau < np.inf and all(0 <= beta < 1 for beta in betas)):
        raise ValueError(
            f"learning_rate and tau must be above 0 and each beta at least 0 and below 1, not {learning_rate}, {tau} and {list(betas)}"
        )


def _way(start: Weights, mean: Weights) -> Vector:
    way: Vector = mean.vector.astype(np.float64) - start.vector.astype(np.float64)
    return way


def _moved(start: Weights, by: Vector) -> Weights:
    return Weights(start.schema, (start.vector.astype(np.float64) + by).astype(np.float32))


def _remembered(memory: Weights | None, size: int, first: tuple[float, ...]) -> list[Vector]:
    """Each of the remembered vectors; in the first round they are full of these numbers."""
    if memory is None:
        return [np.full(size, number) for number in first]
    return [part.astype(np.float64) for part in np.split(memory.vector, len(first))]


def _kept(names: tuple[str, ...], *vectors: Vector) -> Weights:
    schema = Schema(tuple(TensorSpec(name, (len(vectors[0]),)) for name in names))
    # what is remembered has to be finite, whatever a hostile update was: else nobody could go on from it
    return Weights(
        schema,
        np.concatenate([np.clip(vector, -_LARGEST, _LARGEST).astype(np.float32) for vector in vectors]),
    )
