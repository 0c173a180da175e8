# SPDX-License-Identifier: Apache-2.0
"""Dishonest evaluators: each changes one thing in what an honest evaluation would post.

Their friends are the trainers of their ``group``. None gives a score to who revealed somebody else's digest: the contract
would refuse the whole evaluation.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bcfl.agents.common.behaviour import HonestJudge, Judgement
from bcfl.agents.crowdsourcing.evaluator import Evaluate
from bcfl.agents.runtime.actions import Action, Transact, View
from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.phases import Reason
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.state import TaskState
from bcfl.registry import register
from bcfl.storage.content_id import content_id

__all__ = (
    "Bias",
    "Copycat",
    "Ejector",
    "Equivocator",
    "Inverter",
    "RandomScores",
    "SelfDealer",
    "Uniform",
    "Withholder",
)


_NO_PROBE = bytes(32)


def _rescored(judgement: Judgement, scores: dict[TrainerIndex, int], state: TaskState) -> Judgement:
    """The judgement with these scores, as far as the contract takes them."""
    updates = state.current.updates
    allowed = {index: score if updates[index].owned else 0 for index, score in sorted(scores.items())}
    return dataclasses.replace(judgement, scores=allowed)


def _probed(judgement: Judgement, probe: bool) -> Judgement:
    return judgement if probe else dataclasses.replace(judgement, probe=_NO_PROBE)


@register("judge", "bias", source="2CP: one evaluator, signed scores without bounds (E6)")
@dataclass(frozen=True, kw_only=True)
class Bias(HonestJudge):
    """Adds ``bonus``, in units of loss, to its friends' scores and takes it from everybody else's."""

    bonus: float = 0.1

    misbehaves = True

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,
        friends: frozenset[TrainerIndex],
        rng: np.random.Generator,  # noqa: ARG002 - nothing random
    ) -> Judgement:
        """Shifted scores."""
        bonus = round(self.bonus * SCORE_UNIT)
        scores = {
            index: score + (bonus if index in friends else -bonus)
            for index, score in judgement.scores.items()
        }
        return _rescored(judgement, scores, state)


@register("judge", "self_dealer", source="2CP: one evaluator, signed scores without bounds (E6)")
@dataclass(frozen=True, kw_only=True)
class SelfDealer(HonestJudge):
    """Shares all that it scored, times ``inflation``, among its friends in equal parts; the others get nothing."""

    inflation: float = 1.0

    misbehaves = True

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,
        friends: frozenset[TrainerIndex],
        rng: np.random.Generator,  # noqa: ARG002 - nothing random
    ) -> Judgement:
        """Everything for the circle."""
        total = sum(score for score in judgement.scores.values() if score > 0)
        paid = [
            index for index in judgement.scores if index in friends and state.current.updates[index].owned
        ]
        part = round(total * self.inflation) // len(paid) if paid else 0
        scores = {index: part if index in paid else 0 for index in judgement.scores}
        return _rescored(judgement, scores, state)


@register("judge", "inverter", source="VBFL (Chen et al., 2021), malicious validators")
@dataclass(frozen=True, kw_only=True)
class Inverter(HonestJudge):
    """Posts every score with its sign changed."""

    misbehaves = True

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,
        friends: frozenset[TrainerIndex],  # noqa: ARG002 - it has none
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Judgement:
        """Upside down."""
        return _rescored(judgement, {index: -score for index, score in judgement.scores.items()}, state)


@register("judge", "random_scores", source="VBFL (Chen et al., 2021); lazy evaluators of bittensor")
@dataclass(frozen=True, kw_only=True)
class RandomScores(HonestJudge):
    """Posts scores drawn evenly from 0 to ``highest``, in units of loss, whatever the updates are worth."""

    highest: float = 0.1

    misbehaves = True

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,
        friends: frozenset[TrainerIndex],  # noqa: ARG002 - it has none
        rng: np.random.Generator,
    ) -> Judgement:
        """Dice."""
        scores = {index: int(rng.uniform(0, self.highest) * SCORE_UNIT) for index in sorted(judgement.scores)}
        return _rescored(dataclasses.replace(judgement, probe=_NO_PROBE), scores, state)


@register(
    "judge", "uniform", source="adversarial catalogue, evaluators: flat scores (VBFL, Chen et al., 2021)"
)
@dataclass(frozen=True, kw_only=True)
class Uniform(HonestJudge):
    """Posts the same score for everybody, without a look; ``probe``: it runs a consortium's probe nevertheless."""

    score: float = 0.1
    probe: bool = False

    misbehaves = True

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,
        friends: frozenset[TrainerIndex],  # noqa: ARG002 - it has none
        rng: np.random.Generator,  # noqa: ARG002 - nothing random
    ) -> Judgement:
        """All alike."""
        scores = dict.fromkeys(judgement.scores, round(self.score * SCORE_UNIT))
        return _rescored(_probed(judgement, self.probe), scores, state)


@register("judge", "copycat", source="weight copying in bittensor (adversarial catalogue, evaluators)")
@dataclass(frozen=True, kw_only=True)
class Copycat(HonestJudge):
    """Posts the scores of the round before, without a look; ``probe``: it runs a consortium's probe nevertheless."""

    probe: bool = False

    misbehaves = True

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,
        friends: frozenset[TrainerIndex],  # noqa: ARG002 - it has none
        rng: np.random.Generator,  # noqa: ARG002 - nothing random
    ) -> Judgement:
        """What was agreed last; the same score for everybody where nothing was."""
        past = (record.scores for number, record in sorted(state.rounds.items()) if number < state.round)
        last = next((scores for scores in reversed(list(past)) if scores), {})
        scores = {index: last.get(index, 0) if last else SCORE_UNIT for index in judgement.scores}
        return _rescored(_probed(judgement, self.probe), scores, state)


@register(
    "judge", "withholder", source="2CP and BCFL_framework wait for the evaluator without a deadline (E5, E6)"
)
@dataclass(frozen=True, kw_only=True)
class Withholder(HonestJudge):
    """Bonds and never evaluates: the evaluation phase lasts until its deadline, half its bond and its place are lost.

    In a consortium it commits to its scores and never opens them, which costs the bond and its reward of the round.
    """

    misbehaves = True

    def decide(self, view: View, me: Address, actions: Sequence[Action]) -> Sequence[Action]:  # noqa: ARG002
        """All but the evaluation."""
        return [
            action
            for action in actions
            if not (
                isinstance(action, Evaluate)
                or (isinstance(action, Transact) and action.name in {"evaluate", "reveal_scores"})
            )
        ]


@register(
    "judge", "equivocator", source="adversarial catalogue, evaluators: another aggregate than the scores give"
)
@dataclass(frozen=True, kw_only=True)
class Equivocator(HonestJudge):
    """Names another model than the updates give: one with noise in it, or one that is nowhere to be had.

    ``noise`` is relative to the root mean square of the weights.
    """

    what: Literal["model", "unavailable"] = "model"
    noise: float = 1.0

    misbehaves = True

    def name_model(self, model: bytes, *, rng: np.random.Generator) -> bytes:
        """The same file with other numbers in it."""
        (length,) = struct.unpack_from("<Q", model)
        head = model[: 8 + length]
        values = np.frombuffer(model, dtype="<f4", offset=8 + length).astype(np.float64)
        spread = self.noise * np.sqrt(np.square(values).mean())
        other = (values + spread * rng.standard_normal(values.size)).astype("<f4")
        return head + bytes(other.tobytes())

    async def publish(self, model: bytes, store: ContentStore) -> ContentId:
        """Name it, and keep it where ``what`` says so."""
        return content_id(model) if self.what == "unavailable" else await store.put(model)


@register("judge", "ejector", source="BCFL_framework drops the lowest of every round, honest or not (E10)")
@dataclass(frozen=True, kw_only=True)
class Ejector(HonestJudge):
    """Suspends everybody but its friends for ``rounds`` rounds and ejects those it has suspended."""

    rounds: int = 2

    misbehaves = True

    def __post_init__(self) -> None:
        """Zero rounds would be an ejection, which the contract refuses before a suspension."""
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}; write at least 1")

    def judge(
        self,
        judgement: Judgement,
        *,
        state: TaskState,
        friends: frozenset[TrainerIndex],
        rng: np.random.Generator,  # noqa: ARG002 - nothing random
    ) -> Judgement:
        """What the contract takes: no second suspension, no ejection of who takes part."""
        sanctions = tuple(
            (index, 0 if state.members[index].suspended else self.rounds, int(Reason.HARMFUL))
            for index in state.active_members
            if index not in friends and not (state.members[index].suspended and index in state.current.cohort)
        )
        return dataclasses.replace(judgement, sanctions=sanctions)
