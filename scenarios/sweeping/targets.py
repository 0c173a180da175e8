# SPDX-License-Identifier: Apache-2.0
"""Targets: what a sweep is to show, one number with a bound each, and whether it does.

A target is met when its estimate keeps the bound; the interval is reported beside it. One without cells, or with a
cell that failed, is missed: what was not measured was not shown.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bcfl.scenarios.definition.checked_yaml import read_checked
from bcfl.scenarios.errors import TargetsInvalid
from bcfl.scenarios.sweeping.file import ABSENT
from bcfl.scenarios.sweeping.intervals import Estimate, Observation, quantile, ratio
from bcfl.scenarios.sweeping.measures import METRICS, Measured

__all__ = ("Statistic", "Target", "TargetResult", "Where", "check", "load_targets")

Statistic = Literal["mean", "median", "p95", "max", "min", "pooled"]
Axis = Literal["attack", "defence", "fraction", "heterogeneity", "trainers"]

_ABOUT_HONEST = {
    "false_ejection_rate", "false_suspension_rate", "refused_rate", "refused_rate_first",
    "least_pay", "best_pay", "equal_pay", "size_correlation", "quality_correlation", "smallest_pay_kept",
    "last_paid_honest",
}  # fmt: skip

PER_ADVERSARY = "rounds_to_eject"
"""The metric with one value an adversary, not one a cell."""

_QUANTILES = {"min": 0.0, "median": 0.5, "p95": 0.95, "max": 1.0}
_POOLED: dict[str, Callable[[Measured], tuple[int, int]]] = {
    "precision": lambda m: (m.ejected_adversaries, m.ejected_adversaries + m.ejected_honest),
    "recall": lambda m: (m.ejected_adversaries, len(m.adversaries)),
    "f1": lambda m: (
        2 * m.ejected_adversaries,
        len(m.adversaries) + m.ejected_adversaries + m.ejected_honest,
    ),
    "false_ejection_rate": lambda m: (m.ejected_honest, m.joined_honest),
    "false_suspension_rate": lambda m: (m.fairness.suspended, m.joined_honest),
    "refused_rate": lambda m: (m.fairness.refused, m.fairness.updates),
    "refused_rate_first": lambda m: (m.fairness.first_refused, m.fairness.first_updates),
}


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_listed)]
Axes = Annotated[tuple[Axis, ...], BeforeValidator(_listed)]


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Where(_Model):
    """Which cells: labels, ``*`` and ``?`` in them as in file names, and numbers; an axis that is left out is any.

    References (attack ``absent``) count only where they are named.
    """

    attack: Patterns = ("*",)
    defence: Patterns = ("*",)
    heterogeneity: Patterns = ("*",)
    fraction: Numbers = ()
    trainers: Numbers = ()

    def holds(self, one: Measured) -> bool:
        """Whether a cell is meant."""
        labels = one.labels
        if labels.attack == ABSENT and ABSENT not in self.attack:
            return False
        return all(
            any(fnmatchcase(getattr(labels, axis), pattern) for pattern in getattr(self, axis))
            for axis in ("attack", "defence", "heterogeneity")
        ) and all(
            not wanted or any(abs(value - number) < 1e-9 for number in wanted)
            for value, wanted in ((labels.fraction, self.fraction), (labels.trainers, self.trainers))
        )


class Target(_Model):
    """One bound; with ``worst_over`` the statistic is taken at every value of those axes, and the worst one counts.

    ``cause``: why it is missed, where that has been found out; the report shows it as long as the target is missed.
    """

    name: str
    where: Where = Where()
    metric: str
    statistic: Statistic = "mean"
    worst_over: Axes = ()
    at_most: float | None = None
    at_least: float | None = None
    cause: str = ""

    @model_validator(mode="after")
    def _can_be_measured(self) -> Target:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"'{self.name}' needs one bound, at_most or at_least")
        if self.metric not in METRICS and self.metric != PER_ADVERSARY:
            known = ", ".join(sorted([*METRICS, PER_ADVERSARY]))
            raise ValueError(
                f"'{self.name}' asks for '{self.metric}', which is not measured; known are {known}"
            )
        if self.statistic == "pooled" and self.metric not in _POOLED:
            raise ValueError(
                f"'{self.name}' cannot pool '{self.metric}'; only {', '.join(_POOLED)} are rates of counts"
            )
        return self

    @property
    def bound(self) -> str:
        """``≤ 0.01`` or ``≥ 0.99``."""
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"

    def kept_by(self, value: float) -> bool:
        """Whether a value keeps the bound; rounding noise of a mean does not break it."""
        if self.at_most is not None:
            return value <= self.at_most + 1e-12
        return self.at_least is not None and value >= self.at_least - 1e-12


class _Targets(_Model):
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]


_BESIDE = "accuracy_gap"
"""Measured beside another cell."""


@dataclass(frozen=True, kw_only=True)
class TargetResult:
    """A target beside what was measured.

    Attributes:
        target: the target.
        estimate: None where no cell gives the number.
        worst: the values of ``worst_over`` that gave it.
        cells: how many cells give the number.
        failed: how many of the cells meant did not complete.
        clients: distinct trainers (seed, heterogeneity, number, name) that the number is about.
        met: whether the bound is kept.
    """

    target: Target
    estimate: Estimate | None
    worst: str
    cells: int
    failed: int
    clients: int
    met: bool


def load_targets(path: Path) -> tuple[Target, ...]:
    """Read and check a file of targets.

    Raises:
        TargetsInvalid: with the file, the line and the key.
    """
    return read_checked(_Targets, path, what="targets file", error=TargetsInvalid).targets


def check(targets: Sequence[Target], measured: Sequence[Measured]) -> tuple[TargetResult, ...]:
    """Every target beside what was measured: the missed first, else in their order."""
    findings = [_found(target, [one for one in measured if target.where.holds(one)]) for target in targets]
    return tuple(sorted(findings, key=lambda finding: finding.met))


def _found(target: Target, meant: Sequence[Measured]) -> TargetResult:
    cells = [one for one in meant if one.status != "failed" and _estimate(target, [one]) is not None]
    estimates = [
        (estimate, ", ".join(map(str, point)))
        for point, part in _parts(cells, target.worst_over)
        if (estimate := _estimate(target, part)) is not None
    ]
    worst = (max if target.at_most is not None else min)(
        estimates, key=lambda one: one[0].value, default=(None, "")
    )
    # A cell whose reference failed has no gap: it does not count as measured either.
    failed = sum(
        one.status == "failed"
        or (target.metric == _BESIDE and bool(one.adversaries) and one.values[_BESIDE] is None)
        for one in meant
    )
    return TargetResult(
        target=target,
        estimate=worst[0],
        worst=worst[1],
        cells=len(cells),
        failed=failed,
        clients=len({client for one in cells for client in _clients(target, one)}),
        met=worst[0] is not None and not failed and target.kept_by(worst[0].value),
    )


def _parts(
    cells: Sequence[Measured], axes: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], list[Measured]]]:
    def point(one: Measured) -> tuple[Any, ...]:
        return tuple(getattr(one.labels, axis) for axis in axes)

    for values, part in itertools.groupby(sorted(cells, key=point), key=point):
        yield values, list(part)


def _estimate(target: Target, cells: Sequence[Measured]) -> Estimate | None:
    if target.statistic == "pooled":
        counts = [(one.labels.seed, *_POOLED[target.metric](one)) for one in cells]
        return ratio([Observation(seed=seed, value=part, of=whole) for seed, part, whole in counts])
    observations = [
        Observation(seed=one.labels.seed, value=value)
        for one in cells
        for value in (one.rounds_to_eject if target.metric == PER_ADVERSARY else (one.values[target.metric],))
        if value is not None
    ]
    if target.statistic == "mean":
        return ratio(observations)
    return quantile(observations, _QUANTILES[target.statistic])


def _clients(target: Target, one: Measured) -> Iterator[tuple[int, str, int, str]]:
    about = one.honest if target.metric in _ABOUT_HONEST else one.adversaries or one.honest
    for name in about:
        yield one.labels.seed, one.labels.heterogeneity, one.labels.trainers, name
