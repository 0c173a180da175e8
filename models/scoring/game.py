# SPDX-License-Identifier: Apache-2.0
"""The game whose players are a round's updates, and what a score is.

Two games are known. With the round's aggregation weights pᵢ **fixed**, v(S) = L(w) − L(w + Σ_S pᵢ(wᵢ − w)):
who is absent counts as no update. In the **mean** game of the published experiments v(S) = L(w) − L(mean of
S) and v(∅) = 0; there, members who return the global model earn half of all Shapley values, because they
soften whatever coalition they join. L is the mean loss on the evaluator's samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bcfl.models.errors import InvalidRound
from bcfl.models.networks.network import Network
from bcfl.models.weights import Weights

__all__ = ("LOSS_CEILING", "CoalitionLosses", "Game", "Score", "ScoringRound", "coalition_scores")

Game = Literal["fixed", "mean"]

LOSS_CEILING = 1e6
"""What a loss counts as when it is larger or no number, so that one broken update leaves the others' scores finite."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoringRound:
    """What is scored: the models of one round, the global model they began with, and who weighs how much.

    ``updates`` are whole models. ``weights`` are the aggregation weights pᵢ of the round; they usually sum to 1.
    """

    network: Network
    start: Weights
    updates: tuple[Weights, ...]
    weights: tuple[float, ...]
    samples_key: str

    def __post_init__(self) -> None:
        if len(self.updates) != len(self.weights) or not all(map(math.isfinite, self.weights)):
            raise InvalidRound(
                f"{len(self.updates)} updates need one finite aggregation weight each, not {list(self.weights)}."
            )


class CoalitionLosses(Protocol):
    """Where losses come from: the training engine."""

    async def coalition_losses(
        self,
        network: Network,
        start: Weights,
        updates: Sequence[Weights],
        weights: Sequence[float] | None,
        coalitions: Sequence[int],
        samples_key: str,
    ) -> list[float]:
        """The mean loss of each coalition's model; ``weights`` None is the mean game."""
        ...


class Score(Protocol):
    """An entry of kind ``score``: a frozen dataclass whose fields are its parameters."""

    async def scores(self, scoring: ScoringRound, engine: CoalitionLosses) -> tuple[float, ...]:
        """One number for each update of the round, in their order; more is better, in units of loss.

        Raises:
            TooManyMembers: the score cannot be computed for that many.
        """
        ...


class CoalitionScore(Protocol):
    """A score that is a pure function of the values of some coalitions."""

    @property
    def game(self) -> Game:
        """The game whose values it takes."""
        ...

    def coalitions(self, members: int) -> tuple[int, ...]:
        """The non-empty coalitions, as bit masks, whose values ``combine`` needs."""
        ...

    def combine(self, members: int, values: Mapping[int, float]) -> tuple[float, ...]:
        """Scores from the values of those coalitions."""
        ...


async def coalition_scores(
    score: CoalitionScore, scoring: ScoringRound, engine: CoalitionLosses
) -> tuple[float, ...]:
    """Compute a score that is a pure function of coalition values."""
    members = len(scoring.updates)
    if members == 0:
        return ()
    coalitions = (0, *score.coalitions(members))
    losses = await engine.coalition_losses(
        scoring.network,
        scoring.start,
        scoring.updates,
        scoring.weights if score.game == "fixed" else None,
        coalitions,
        scoring.samples_key,
    )
    nothing, *others = (min(loss, LOSS_CEILING) if math.isfinite(loss) else LOSS_CEILING for loss in losses)
    values = {coalition: nothing - loss for coalition, loss in zip(coalitions[1:], others, strict=True)}
    return score.combine(members, values)
