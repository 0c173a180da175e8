# SPDX-License-Identifier: Apache-2.0
"""An evaluator whose software was changed, and one friend, against four honest trainers: out after one round.

Each lies in one thing: the limit of claims, who is in the report, or the scores that weigh. A standby is honest.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.agents.common.behaviour import Honest
from bcfl.agents.common.folding import Counted, encode_model, outcomes
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.contracts import events as e
from bcfl.models.weights import Weights
from bcfl.registry import register

pytestmark = pytest.mark.anvil

FRIEND = 4
HUGE = 9_999_999_999


@pytest.fixture
def usurper(registered):
    """``usurper(claim=)``: a friend that hands in ten times the opposite of what it learnt."""

    @register("behaviour", "usurper")
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Usurper(Honest):
        """It wants the model for itself."""

        claimed: int | None = None

        misbehaves = True

        async def update(self, turn):
            good = await turn.train()
            turn.share(good)
            start = turn.start.vector.astype(np.float64)
            return Weights(turn.start.schema, (start - 10 * (good.vector - start)).astype(np.float32))

        def claim(self, turn):
            return self.claimed or turn.samples

    return lambda **parameters: {"name": "usurper", **parameters}


@pytest.fixture
def changed(monkeypatch):
    """``changed(unlimited=, complete=)``: the software of the first evaluator that evaluates, and of no other."""
    hostile = []
    evaluate, complete = RoundEvaluator.evaluate, RoundEvaluator._complete

    def change(*, unlimited=False, lie=None):
        async def evaluated(self, *, specification, **rest):
            hostile[:] = hostile or [self]
            if unlimited and self is hostile[0]:
                specification = dataclasses.replace(specification, sample_limit=10**10)
            return await evaluate(self, specification=specification, **rest)

        async def completed(self, specification, record, judged, remembers):
            outcome = await complete(self, specification, record, judged, remembers)
            if lie is None or self is not hostile[0] or FRIEND not in judged.models:
                return outcome
            return await lie(specification, record, judged, outcome)

        monkeypatch.setattr(RoundEvaluator, "evaluate", evaluated)
        monkeypatch.setattr(RoundEvaluator, "_complete", completed)

    return change


async def _named(specification, record, judged, outcome, members):
    """The outcome with all the score for the friend, and the model of these members."""
    scores = {index: 10**9 if index == FRIEND else 0 for index in outcome.scores}
    counted = Counted(
        start=judged.begin,
        models={index: judged.models[index] for index in members},
        samples=judged.samples,
        scores=scores,
    )
    (aggregate,) = await outcomes(specification, counted)
    weights = dict(zip(members, aggregate.integers, strict=True))
    model = encode_model(aggregate.model, record.number)
    return dataclasses.replace(outcome, scores=scores, weights=weights, model=model)


async def _omit(specification, record, judged, outcome):
    return await _named(specification, record, judged, outcome, [FRIEND])


async def _loud(specification, record, judged, outcome):
    rejected = {index: "harmful" for index in outcome.scores if index != FRIEND}
    return dataclasses.replace(await _omit(specification, record, judged, outcome), rejected=rejected)


async def _score(specification, record, judged, outcome):
    return await _named(specification, record, judged, outcome, sorted(judged.models))


LIES = {
    "limit": ({"unlimited": True}, "verdict_unfounded"),
    "omit": ({"lie": _omit}, "members_mismatch"),
    "loud": ({"lie": _loud}, "verdict_unfounded"),
    "score": ({"lie": _score}, "model_harmful"),
}


@pytest.mark.parametrize("mode", LIES)
def test_an_evaluator_and_its_friend_have_the_model_for_one_round(play, honest, changed, usurper, mode):
    change, reason = LIES[mode]
    changed(**change)
    played = play(
        [
            *honest("bob charlie david eve"),
            {"name": "mallory", "behaviour": usurper(**({"claimed": HUGE} if mode == "limit" else {}))},
        ],
        rounds=4,
        evaluators=({"name": "alice"}, {"name": "erin"}),
        membership={"stake": "10"},
        training={"batch_size": 20, "learning_rate": 0.05, "momentum": 0.9, "epochs": 2},
        aggregator={"name": "fedavg", "by": "score"} if mode == "score" else "fedavg",
        reward={"mode": "round_budget", "per_round": "10", "budget": "40"},
    )
    records = played.state.rounds
    assert set(played.rounds[0].objections.values()) == {reason}
    assert records[1].reverted
    assert [record.evaluator for record in records.values() if record.report is not None] == [0, 1, 1]
    told = [event for event in played.results.task_events if isinstance(event, e.StakeSlashed)]
    assert told == []
    if mode == "score":
        assert played.state.evaluators[0].bond == played.state.config.bond, "harm alone moves no bond"
    assert played.tokens("bob", "charlie", "david", "eve") > 0
