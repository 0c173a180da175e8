# SPDX-License-Identifier: Apache-2.0
"""Pre-aggregators: what may be done to a round's models before a rule aggregates them.

An entry of kind ``pre_aggregator`` is named in a rule's parameter ``before``, alone or with its own parameters::

    aggregator: {name: trimmed_mean, before: [{name: clipping, factor: 2}, nnm]}

They are applied in that order. Each result is made of some of the models it was given, and says of which: so it
can be told how much an update still counts in what the rule made of the results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from bcfl import registry
from bcfl.models.aggregation.weights import integer_weights
from bcfl.models.weights import Weights

__all__ = ("Mixed", "Part", "PreAggregator", "PreAggregatorEntry", "create_steps", "mix")

PreAggregatorEntry = str | Mapping[str, object]
"""A pre-aggregator's name, or a mapping of ``name`` and its parameters."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One result of a pre-aggregator: a model, and the positions of the models that it is the plain mean of.

    A model that was only changed, by clipping for instance, is a part of its own.
    """

    model: Weights
    members: tuple[int, ...]


class PreAggregator(Protocol):
    """An entry of kind ``pre_aggregator``: a frozen dataclass whose fields are its parameters."""

    def mix(self, models: Sequence[Weights], start: Weights) -> tuple[Part, ...]:
        """At least one part of at least one model; a function of the models' bits alone, as aggregators are.

        Args:
            models: at least one, in index order.
            start: the global model that they were trained from.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixed:
    """The models that a rule aggregates.

    Attributes:
        models: one or more.
        shares: for each of them, the updates that it contains, by position, with their shares; these sum to 1.
    """

    models: tuple[Weights, ...]
    shares: tuple[Mapping[int, Fraction], ...]

    def of_updates(self, integers: Sequence[int], updates: int) -> tuple[int, ...]:
        """The integer weights of so many updates when the models have these; in proportion to what each contributes."""
        parts = [Fraction(0)] * updates
        for integer, share in zip(integers, self.shares, strict=True):
            for update, fraction in share.items():
                parts[update] += integer * fraction
        common = math.lcm(*(part.denominator for part in parts))
        return integer_weights([int(part * common) for part in parts])


def create_steps(before: Sequence[PreAggregatorEntry]) -> tuple[PreAggregator, ...]:
    """The pre-aggregators of a rule's parameter ``before``.

    Raises:
        RegistryError: no such entry, or it cannot take the parameters.
    """
    steps: list[PreAggregator] = []
    for step in before:
        given = {"name": step} if isinstance(step, str) else dict(step)
        steps.append(registry.create("pre_aggregator", str(given.pop("name", "")), given))
    return tuple(steps)


def mix(steps: Sequence[PreAggregator], updates: Sequence[Weights], start: Weights) -> Mixed:
    """Apply pre-aggregators in their order; without any, the updates as they are."""
    models = tuple(updates)
    shares: list[dict[int, Fraction]] = [{position: Fraction(1)} for position in range(len(models))]
    for step in steps:
        parts = step.mix(models, start)
        shares = [_mean([shares[member] for member in part.members]) for part in parts]
        models = tuple(part.model for part in parts)
    return Mixed(models=models, shares=tuple(shares))


def _mean(shares: Sequence[Mapping[int, Fraction]]) -> dict[int, Fraction]:
    result: dict[int, Fraction] = {}
    for share in shares:
        for update, fraction in share.items():
            result[update] = result.get(update, Fraction(0)) + fraction / len(shares)
    return result
