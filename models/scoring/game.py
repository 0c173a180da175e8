# SPDX-License-Identifier: Apache-2.0
"""The game whose players are a round's updates, and what a score is.

Two games are known. With the round's aggregation weights pᵢ **fixed**, v(S) = L(w) − L(w + Σ_S pᵢ(wᵢ − w)):
who is absent counts as no update. In the **mean** game of the published experiments v(S) = L(w) − L(mean of
S) and v(∅) = 0; there, members who return the global model earn half of all Shapley values, because they
soften whatever coalition they join. L is the mean loss on the evaluator's samples; with another value −ln L, accuracy
or the mean probability of the right class takes the place of −L. Accuracy moves in steps of one sample, so late in a
training it says less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import InvalidRound
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.network import Network
from bcfl.models.training.job import ClassEvaluation
from bcfl.models.weights import Weights

__all__ = (
    "LOSS_CEILING",
    "CoalitionLosses",
    "CoalitionScore",
    "CoalitionValues",
    "Game",
    "Score",
    "ScoringEngine",
    "ScoringRound",
    "Value",
    "coalition_scores",
)

Game = Literal["fixed", "mean"]

Value = Literal["loss", "relative_loss", "accuracy", "probability", "balanced_probability"]
"""What a coalition's model is judged by: how far it lowers the mean loss, by what factor it does (−ln L: halving the loss is
worth the same in every round, while by the loss itself the first round pays for nearly everything), or how far it raises
the accuracy or the mean probability of the right class, of all samples or of all classes alike. With all but the losses, evenly wrong labels of the judge shrink
all values alike (a symmetric loss: Ghosh, Kumar, Sastry 2017, arXiv 1712.09482), while its mean loss comes to prefer models
that were taught wrong labels too. Where classes count alike, a judge whom one class of cases hardly reaches does not take
the models of those for harmful whom it reaches often."""

LOSS_FLOOR = 1e-9
"""What a smaller loss counts as for ``relative_loss``: a model that is never wrong is not worth infinitely much."""

LOSS_CEILING = 1e6
"""What a loss counts as when it is larger or no number, so that one broken update leaves the others' scores finite."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoringRound:
    """What is scored: the models of one round, the global model they began with, and who weighs how much.

    ``updates`` are whole models. ``weights`` are the aggregation weights pᵢ of the round; they usually sum to 1. ``losses``: mean
    losses of coalitions' models in the fixed game, by bit mask, that are known already.
    """

    network: Network
    start: Weights
    updates: tuple[Weights, ...]
    weights: tuple[float, ...]
    samples_key: str
    losses: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.updates) != len(self.weights) or not all(map(math.isfinite, self.weights)):
            raise InvalidRound(
                f"{len(self.updates)} updates need one finite aggregation weight each, not {list(self.weights)}."
            )


class CoalitionLosses(Protocol):
    """Where the values of coalitions come from: the training engine."""

    async def coalition_losses(
        self,
        network: Network,
        start: Weights,
        updates: Sequence[Weights],
        weights: Sequence[float] | None,
        coalitions: Sequence[int],
        samples_key: str,
        indices: npt.NDArray[np.int64] | None = None,
    ) -> list[float]:
        """The mean loss of each coalition's model; ``weights`` None is the mean game, ``indices`` None all samples."""
        ...

    async def coalition_evaluations(
        self,
        network: Network,
        start: Weights,
        updates: Sequence[Weights],
        weights: Sequence[float] | None,
        coalitions: Sequence[int],
        samples_key: str,
    ) -> list[Evaluation]:
        """Loss and accuracy of each coalition's model."""
        ...


class ScoringEngine(CoalitionLosses, Protocol):
    """Everything that a score or a defence may ask of the training engine."""

    async def class_losses(
        self,
        network: Network,
        models: Sequence[Weights],
        samples_key: str,
        *,
        indices: npt.NDArray[np.int64] | None = None,
        probe: int = 0,
        by_sample: bool = False,
    ) -> ClassEvaluation:
        """Loss a class, accuracy and samples a class of each model, and its outputs on the first ``probe`` samples.

        ``indices``: of the samples of that key; None: all.

        With ``by_sample`` its loss on each sample too.
        """
        ...

    async def class_gradients(
        self,
        network: Network,
        weights: Weights,
        samples_key: str,
        *,
        groups: npt.NDArray[np.int64],
        parts: int = 1,
    ) -> npt.NDArray[np.float32]:
        """The gradient of the mean loss of each group of classes at ``weights``, (groups, parts, d), as a sum of parts.

        ``groups``: of each class, (classes,), from 0 on.
        """
        ...


class Score(Protocol):
    """An entry of kind ``score``: a frozen dataclass whose fields are its parameters.

    One that cannot be computed for many members names its ``largest_round`` (``models/declared.py``).
    """

    async def scores(self, scoring: ScoringRound, engine: ScoringEngine) -> tuple[float, ...]:
        """One number for each update of the round, in their order; more is better, in units of loss or accuracy.

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

    @property
    def value(self) -> Value:
        """What those values measure."""
        ...

    def coalitions(self, members: int) -> tuple[int, ...]:
        """The non-empty coalitions, as bit masks, whose values ``combine`` needs."""
        ...

    def combine(self, members: int, values: Mapping[int, float]) -> tuple[float, ...]:
        """Scores from the values of those coalitions."""
        ...


class CoalitionValues:
    """v of coalitions of one round, each asked of the engine once at most; v(∅) is 0."""

    def __init__(
        self, scoring: ScoringRound, engine: CoalitionLosses, *, game: Game, value: Value = "loss"
    ) -> None:
        self._scoring = scoring
        self._engine = engine
        self._weights = scoring.weights if game == "fixed" else None
        self._value = value
        self._utilities: dict[int, float] = {}
        self._values: dict[int, float] = {}

    async def of(self, coalitions: Iterable[int]) -> Mapping[int, float]:
        """The values of these coalitions, bit masks over the round's updates, and of all that were asked before."""
        wanted = dict.fromkeys((0, *coalitions))
        missing = [coalition for coalition in wanted if coalition not in self._utilities]
        if missing:
            self._utilities.update(zip(missing, await self._evaluated(missing), strict=True))
            nothing = self._utilities[0]
            self._values.update({coalition: self._utilities[coalition] - nothing for coalition in missing})
        return self._values

    async def _evaluated(self, coalitions: Sequence[int]) -> list[float]:
        """Accuracies or probabilities, or losses or their logarithms with the sign turned."""
        given = self._scoring
        if self._value not in {"loss", "relative_loss"}:
            found = await self._engine.coalition_evaluations(
                given.network, given.start, given.updates, self._weights, coalitions, given.samples_key
            )
            if self._value == "accuracy":
                return [evaluation.accuracy for evaluation in found]
            chances = [getattr(evaluation, self._value) for evaluation in found]
            return [chance if math.isfinite(chance) else 0.0 for chance in chances]
        known = given.losses if self._weights is not None else {}
        missing = [coalition for coalition in coalitions if coalition not in known]
        evaluated = await self._engine.coalition_losses(
            given.network, given.start, given.updates, self._weights, missing, given.samples_key
        )
        of_all = {**known, **dict(zip(missing, evaluated, strict=True))}
        losses = [of_all[coalition] for coalition in coalitions]
        bounded = [min(loss, LOSS_CEILING) if math.isfinite(loss) else LOSS_CEILING for loss in losses]
        if self._value == "relative_loss":
            return [-math.log(max(loss, LOSS_FLOOR)) for loss in bounded]
        return [-loss for loss in bounded]


async def coalition_scores(
    score: CoalitionScore, scoring: ScoringRound, engine: CoalitionLosses
) -> tuple[float, ...]:
    """Compute a score that is a pure function of coalition values."""
    members = len(scoring.updates)
    if members == 0:
        return ()
    values = CoalitionValues(scoring, engine, game=score.game, value=score.value)
    return score.combine(members, await values.of(score.coalitions(members)))
