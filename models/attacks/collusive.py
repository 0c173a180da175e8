# SPDX-License-Identifier: Apache-2.0
"""Poison made from what several trainers learnt this round: the circle's updates, or everybody's.

The published attacks have every colluder send the same vector, which a search for copies finds at once. With
``work`` "own" each keeps a residual of its own instead.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bcfl.models.attacks.attack import Attack, Knowledge, Outlook, Scene
from bcfl.models.attacks.vectors import Vector, dot, unit
from bcfl.registry import register

__all__ = ("Alie", "Direction", "Ipm", "Mimic", "MinMax", "MinSum", "Work", "alie_z")

Work = Literal["own", "mean"]
Direction = Literal["unit", "std", "sign"]

_MOST_HIDDEN = 0.999
"""The quantile that stands for "all of the honest", where colluders are a majority already."""


@register("attack", "ipm", source="Xie, Koyejo, Gupta 2019, arXiv 1903.03936")
@dataclass(frozen=True, kw_only=True)
class Ipm(Attack):
    """Inner product manipulation: the mean of the updates it sees, backwards and ``epsilon`` times as long.

    A small epsilon turns the aggregate against the honest mean while it hides inside their spread.
    """

    epsilon: float = 0.5
    knowledge: Knowledge = "colluders"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise ValueError(f"epsilon must be above 0, not {self.epsilon}")

    async def craft(self, scene: Scene) -> Vector:
        """−ε · mean."""
        return -self.epsilon * _mean(scene.peers)


@dataclass(frozen=True, kw_only=True)
class _InCompany(Attack):
    """What attacks have in common that hide in the spread of several updates: alone there is none."""

    work: Work = "own"
    knowledge: Literal["colluders", "omniscient"] = "colluders"

    def ready(self, outlook: Outlook) -> bool:
        """Whether there are others whose models it sees."""
        return outlook.colluders > 1 or (self.knowledge == "omniscient" and outlook.cohort > 1)


@register("attack", "alie", source="Baruch et al. 2019, arXiv 1902.06156")
@dataclass(frozen=True, kw_only=True)
class Alie(_InCompany):
    """A little is enough: every coordinate ``z`` standard deviations off the mean of the updates it sees.

    Without ``z`` it is the paper's, from n and f (``alie_z``). ``work`` "own": off the colluder's own update,
    so that the colluders' mean is the same and no two are alike. Alone it has no spread to hide in and is honest.
    """

    z: float | None = None

    async def craft(self, scene: Scene) -> Vector | None:
        """Base − z · σ."""
        if len(scene.peers) < 2:
            return None
        z = alie_z(scene.outlook.cohort, scene.outlook.colluders) if self.z is None else self.z
        base = scene.own if self.work == "own" else _mean(scene.peers)
        return base - z * _deviation(scene.peers)


def alie_z(cohort: int, colluders: int) -> float:
    """The largest z at which enough honest updates lie further out than the attack, for a normal spread.

    s = ⌊n/2⌋ + 1 − f honest ones are needed for a majority; z = Φ⁻¹((n − f − s)/(n − f)), at least 0.
    """
    honest = max(1, cohort - colluders)
    needed = max(0, cohort // 2 + 1 - colluders)
    share = min(_MOST_HIDDEN, max(0.5, (honest - needed) / honest))
    return statistics.NormalDist().inv_cdf(share)


@register("attack", "min_max", source="Shejwalkar & Houmansadr 2021, NDSS")
@dataclass(frozen=True, kw_only=True)
class MinMax(_InCompany):
    """As far off the mean as stays no further from any update it sees than the two furthest are from each other.

    ``perturbation`` is the direction: against the mean, its standard deviations, or its signs. ``work`` "own" starts
    half-way between the mean and the colluder's own update; the bound is the same. Alone it is honest.
    """

    perturbation: Direction = "unit"

    async def craft(self, scene: Scene) -> Vector | None:
        """Base + γ · direction with the largest γ; the bound is quadratic in γ, so it is solved, not searched."""
        if len(scene.peers) < 2:
            return None
        base, direction = _base(scene, self.work), _direction(scene.peers, self.perturbation)
        limit = float(_squared_distances(scene.peers).max())
        return base + direction * min(
            _largest(direction, base - peer, dot(base - peer, base - peer) - limit) for peer in scene.peers
        )


@register("attack", "min_sum", source="Shejwalkar & Houmansadr 2021, NDSS")
@dataclass(frozen=True, kw_only=True)
class MinSum(_InCompany):
    """As far off the mean as keeps the sum of squared distances to all within the largest such sum among them.

    Knobs as ``min_max``. Alone it is honest.
    """

    perturbation: Direction = "unit"

    async def craft(self, scene: Scene) -> Vector | None:
        """Base + γ · direction with the largest γ."""
        if len(scene.peers) < 2:
            return None
        base, direction = _base(scene, self.work), _direction(scene.peers, self.perturbation)
        limit = float(_squared_distances(scene.peers).sum(axis=1).max())
        total = sum(dot(base - peer, base - peer) for peer in scene.peers)
        # Σ‖b + γp − Δᵢ‖² = k·(γ²‖p‖² + 2γ p·(b − mean)) + total: one quadratic, divided by k
        count = len(scene.peers)
        return base + direction * _largest(direction, base - _mean(scene.peers), (total - limit) / count)


@register("attack", "mimic", source="Karimireddy, He, Jaggi 2022, arXiv 2006.09365")
@dataclass(frozen=True, kw_only=True)
class Mimic(Attack):
    """Every mimic sends the update of one honest victim, whose data then count several times.

    The victim is the one furthest out along the direction in which updates differ most, chosen anew in each round.
    "public": it is copied from the last round, without work; "omniscient": from this one.
    """

    knowledge: Literal["public", "omniscient"] = "public"

    def effort(self, full: int) -> int:  # noqa: ARG002 - none of it
        """None."""
        return 0

    def ready(self, outlook: Outlook) -> bool:
        """In the first round nothing has been public."""
        return self.knowledge == "omniscient" or outlook.round > 1

    async def craft(self, scene: Scene) -> Vector | None:
        """The victim's update; who did no work is nobody's victim."""
        seen = scene.peers if self.knowledge == "omniscient" else await scene.revealed()
        victims = [update for update in seen if update.any()]
        if not victims:
            return None
        rows = np.stack(victims)
        centred = rows - rows.mean(axis=0)
        # the left singular vectors are the eigenvectors of the small Gram matrix: (k, k), not (d, d)
        _, vectors = np.linalg.eigh(np.array([[dot(a, b) for b in centred] for a in centred]))
        return victims[int(np.abs(vectors[:, -1]).argmax())]


def _mean(updates: tuple[Vector, ...]) -> Vector:
    mean: Vector = np.mean(np.stack(updates), axis=0)
    return mean


def _deviation(updates: tuple[Vector, ...]) -> Vector:
    deviation: Vector = np.std(np.stack(updates), axis=0, ddof=1)
    return deviation


def _base(scene: Scene, work: Work) -> Vector:
    mean = _mean(scene.peers)
    return mean if work == "mean" else (mean + scene.own) / 2


def _direction(updates: tuple[Vector, ...], kind: Direction) -> Vector:
    match kind:
        case "unit":
            return -unit(_mean(updates))
        case "std":
            return -_deviation(updates)
        case "sign":
            return -np.sign(_mean(updates))


def _squared_distances(updates: tuple[Vector, ...]) -> Vector:
    """‖Δᵢ − Δⱼ‖², (k, k)."""
    distances: Vector = np.array([[dot(a - b, a - b) for b in updates] for a in updates])
    return distances


def _largest(direction: Vector, offset: Vector, excess: float) -> float:
    """The largest γ ≥ 0 with γ²‖p‖² + 2γ p·offset + excess ≤ 0; 0 if there is none."""
    square = dot(direction, direction)
    if square == 0:
        return 0.0
    half = dot(direction, offset)
    inside = half * half - square * excess
    return max(0.0, (math.sqrt(inside) - half) / square) if inside > 0 else 0.0
