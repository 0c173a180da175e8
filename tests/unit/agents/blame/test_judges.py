# SPDX-License-Identifier: Apache-2.0
"""Every dishonest judge of the catalogue, and reports that lie in other ways: what trainers find, and what they cannot."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest

from bcfl import registry
from bcfl.agents.common.behaviour import HonestJudge
from bcfl.agents.crowdsourcing.objecting.evaluation_check import MOST_FOLDED, draw
from bcfl.contracts.phases import Reason

from .rules import AGGREGATORS, DEFENCES, named

FRIEND = 0


def _judge(name, **parameters):
    return registry.create("judge", name, parameters)


# ---------------------------------------------------------------- the catalogue


@pytest.mark.parametrize("noise", [1.0, 0.01])
@pytest.mark.parametrize("defence", ["none", "pipeline"])
@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=named)
@pytest.mark.asyncio
async def test_another_model_than_the_updates_give_is_noticed_by_everybody(crowd, aggregator, defence, noise):
    async with crowd(trainers=5, aggregator=aggregator, defence=defence) as made:
        await made.round(_judge("equivocator", noise=noise))
        found = await made.findings()
        assert {finding.reason for finding in found.values()} == {"model_mismatch"}
        assert all(finding.blames and finding.usable for finding in found.values())
        assert not await made.check.repeats(made.work(), secret=b"successor")


@pytest.mark.asyncio
async def test_a_model_that_nobody_has_is_noticed(crowd):
    async with crowd(trainers=3) as made:
        await made.round(_judge("equivocator", what="unavailable"))
        assert await made.reasons() == {"model_unavailable"}


@pytest.mark.parametrize("rounds", [2, 4])
@pytest.mark.parametrize("defence", DEFENCES)
@pytest.mark.parametrize("trainers", [3, 9])
@pytest.mark.asyncio
async def test_who_sends_away_all_but_its_friends_is_noticed_at_once(crowd, defence, rounds, trainers):
    """Rounds 4 are what the defences give; then it takes what harm they can have found."""
    async with crowd(trainers=trainers, defence=defence) as made:
        await made.round(_judge("ejector", rounds=rounds), friends={FRIEND})
        assert made.state.rounds[1].suspended
        assert await made.reasons() == {"sanction_unfounded"}


@pytest.mark.asyncio
async def test_nor_can_it_wait_until_there_were_rounds_enough(crowd):
    """After three rounds suspicion could be that high, but whom the report weighs it does not suspect."""
    async with crowd(trainers=5, defence="pipeline") as made:
        for _ in range(3):
            await made.round()
        said = await made.round(_judge("ejector", rounds=4), friends={FRIEND})
        assert len(said.weights) > 1
        assert await made.reasons() == {"sanction_unfounded"}


@pytest.mark.parametrize("name", ["bias", "self_dealer", "inverter", "random_scores", "uniform", "copycat"])
@pytest.mark.asyncio
async def test_scores_alone_are_the_audits_unless_weights_follow_them(crowd, name):
    async with crowd(trainers=4) as made:
        await made.round(_judge(name), friends={FRIEND})
        assert await made.reasons() == {None}
    async with crowd(trainers=4, aggregator={"name": "fedavg", "by": "score"}) as made:
        await made.round(_judge(name), friends={FRIEND})
        assert await made.reasons() == {"model_mismatch"}


# ---------------------------------------------------------------- beyond it


class Chooser(HonestJudge):
    """Makes the model one member's update, or what another function makes of the bytes."""

    misbehaves = True

    def __init__(self, model):
        self.model = model

    def name_model(self, model, *, rng):
        return self.model(model)


def _far(data):
    """Every number times a thousand."""
    (length,) = struct.unpack_from("<Q", data)
    values = np.frombuffer(data, dtype="<f4", offset=8 + length)
    return data[: 8 + length] + (values * 1000).astype("<f4").tobytes()


@pytest.mark.asyncio
async def test_of_many_each_trainer_checks_its_own_sample(crowd):
    async with crowd(trainers=40, limit=100) as made:
        await made.round()
        work = made.work()
        everybody = list(range(40))
        drawn = [draw(everybody, work, n.to_bytes(32, "big")) for n in range(40)]
        assert all(len(set(one)) == MOST_FOLDED for one in drawn)
        assert len({tuple(one) for one in drawn}) == 40
        assert {index for one in drawn for index in one} == set(everybody)
        assert draw(everybody, work, b"s") == draw(everybody[::-1], work, b"s")


@pytest.mark.asyncio
async def test_a_wrong_weight_among_many_is_noticed_by_those_who_draw_it(crowd):
    async with crowd(trainers=40, limit=100) as made:
        weights = dict.fromkeys(range(40), 15) | {7: 99}
        await made.round(report={"weights": weights})
        found = await made.findings()
        drew = {n for n in range(40) if 7 in draw(range(40), made.work(), n.to_bytes(32, "big"))}
        assert {n for n, finding in found.items() if finding is not None} == drew
        assert 3 * len(drew) > 2 * 40
        assert {found[n].reason for n in drew} == {"model_mismatch"}


@pytest.mark.parametrize(
    ("aggregator", "weights"),
    [
        ("fedavg", {3: 101}),
        ({"name": "fedavg", "by": "unweighted"}, {3: 2}),
        ({"name": "fedavg", "by": "score"}, {3: 2}),
    ],
    ids=named,
)
@pytest.mark.asyncio
async def test_weights_that_no_claim_or_score_gives_are_noticed_by_all(crowd, aggregator, weights):
    async with crowd(trainers=40, aggregator=aggregator, limit=100) as made:
        said = await made.round()
        work = made.work()
        other = await made.store.put(dataclasses.replace(said, weights={**said.weights, **weights}).encode())
        made._record(1, report=other)
        assert await made.reasons() == {"model_mismatch"}, work


@pytest.mark.asyncio
async def test_a_bad_model_of_many_is_reverted_without_blame(crowd):
    async with crowd(trainers=40) as made:
        await made.round(Chooser(_far))
        found = await made.findings()
        assert {(one.reason, one.blames) for one in found.values()} == {("model_harmful", False)}


@pytest.mark.asyncio
async def test_a_member_that_the_report_rejects_must_deserve_it(crowd):
    async with crowd(trainers=4) as made:
        await made.round(claims={2: "9999999999"})
        assert await made.reasons() == {None}, "an honest evaluator refuses the claim"
        await made.round(updates={2: b"no model"})
        assert await made.reasons() == {None}


@pytest.mark.parametrize("trainers", [4, 40])
@pytest.mark.asyncio
async def test_a_claim_above_the_limit_that_weighs_is_noticed(crowd, trainers):
    """The evaluator's software dropped the limit: nothing else is wrong with its report."""
    async with crowd(trainers=trainers) as made:
        limit = made.specification.sample_limit
        made.specification = dataclasses.replace(made.specification, sample_limit=10**9)
        await made.round(claims={1: "99999"})
        assert made.specification.sample_limit > limit
        found = await made.findings()
        said = {one.reason for one in found.values() if one is not None}
        assert 3 * sum(one is not None for one in found.values()) > 2 * trainers
        assert said <= {"verdict_unfounded", "model_mismatch"}


@pytest.mark.asyncio
async def test_a_bad_sanction_is_noticed_whatever_it_says(crowd):
    async with crowd(trainers=5, defence="pipeline") as made:
        said = await made.round()
        for reason in Reason:
            for rounds in (0, 1, 4):
                report = dataclasses.replace(said, sanctions=((2, rounds, int(reason)),))
                made._record(1, report=await made.store.put(report.encode()))
                assert await made.reasons(1) == {"sanction_unfounded"}, (reason, rounds)


@pytest.mark.asyncio
async def test_a_sanction_that_the_report_hides_is_noticed(crowd):
    async with crowd(trainers=5, defence="pipeline") as made:
        await made.round()
        made._record(1, suspended=(2,))
        assert await made.reasons(1) == {"sanction_unfounded"}
