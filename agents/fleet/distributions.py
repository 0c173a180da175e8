# SPDX-License-Identifier: Apache-2.0
"""Distributions of how long something takes: from zero up, in whatever unit they are used with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bcfl.registry import register

__all__ = ("Constant", "Distribution", "Exponential", "Lognormal", "Uniform")


class Distribution(Protocol):
    """A non-negative random variable."""

    def draw(self, rng: np.random.Generator) -> float:
        """A value of it."""
        ...


def _check(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}; write a finite number from zero up")


@register("distribution", "constant")
@dataclass(frozen=True, kw_only=True)
class Constant:
    """Always ``value``."""

    value: float

    def __post_init__(self) -> None:
        _check(value=self.value)

    def draw(self, rng: np.random.Generator) -> float:  # noqa: ARG002 - the port's
        """It."""
        return self.value


@register("distribution", "uniform")
@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Any value from ``low`` to ``high``, all alike."""

    low: float = 0.0
    high: float

    def __post_init__(self) -> None:
        _check(low=self.low, high=self.high)
        if self.high < self.low:
            raise ValueError(f"high is {self.high}, below low; write at least {self.low}")

    def draw(self, rng: np.random.Generator) -> float:
        """One of them."""
        return float(rng.uniform(self.low, self.high))


@register("distribution", "exponential", source="waiting times of a Poisson process")
@dataclass(frozen=True, kw_only=True)
class Exponential:
    """As long as one waits for what may come at any moment: mostly short."""

    mean: float

    def __post_init__(self) -> None:
        _check(mean=self.mean)

    def draw(self, rng: np.random.Generator) -> float:
        """One of them."""
        return float(rng.exponential(self.mean))


@register(
    "distribution", "lognormal", source="heavy-tailed response times of devices (FedScale, Lai et al. 2022)"
)
@dataclass(frozen=True, kw_only=True)
class Lognormal:
    """Half of them below ``median``, few very long: the logarithm's standard deviation is ``sigma``."""

    median: float
    sigma: float = 1.0

    def __post_init__(self) -> None:
        _check(median=self.median, sigma=self.sigma)

    def draw(self, rng: np.random.Generator) -> float:
        """One of them."""
        return self.median * float(np.exp(rng.normal(0.0, self.sigma)))
