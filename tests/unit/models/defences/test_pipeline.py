# SPDX-License-Identifier: Apache-2.0
"""The default pipeline on real training: cheats go, the honest stay, every layer can be switched off."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.defences.defence import Fault
from bcfl.models.defences.pipeline import Pipeline

PIPELINE = Pipeline()


def _update(federation, model):
    return model.vector.astype(np.float64) - federation.start.vector


@pytest.mark.asyncio
async def test_without_adversaries_nobody_is_suspended(federation):
    async with federation() as task:
        for _ in range(6):
            verdict = await task.judge(PIPELINE, await task.trained())
            assert verdict.suspend == {}
            assert all(0 <= factor <= 1 for factor in verdict.factors.values())
        assert len(verdict.models) >= 4


@pytest.mark.asyncio
async def test_an_exact_copy_with_other_bytes_goes_and_its_source_stays(federation):
    async with federation() as task:
        models = await task.trained()
        models[6] = models[1]
        verdict = await task.judge(PIPELINE, models)
        assert verdict.suspend == {6: (PIPELINE.clerk.suspension, Fault.COPIED)}
        assert verdict.rejected[6] == "copied"
        assert 1 in verdict.models
        assert (await task.judge(PIPELINE, await task.trained())).eject == {6: Fault.COPIED}


@pytest.mark.asyncio
async def test_of_two_alike_the_later_commitment_goes(federation):
    async with federation() as task:
        models = await task.trained()
        models[6] = models[1]
        order = {index: -index for index in models}
        assert set((await task.judge(PIPELINE, models, positions=order)).suspend) == {1}


@pytest.mark.asyncio
async def test_last_rounds_work_with_noise_is_no_new_work(federation):
    async with federation() as task:
        models = await task.trained()
        old = _update(task, models[3])
        await task.judge(PIPELINE, models)
        models = await task.trained()
        noise = np.random.default_rng(0).standard_normal(old.shape)
        models[3] = task.shifted(old + 0.5 * noise * np.linalg.norm(old) / np.linalg.norm(noise))
        verdict = await task.judge(PIPELINE, models)
        assert verdict.suspend == {3: (PIPELINE.clerk.suspension, Fault.NO_NEW_WORK)}
        assert verdict.evidence[3]["freshness"] < PIPELINE.screen.fresh


@pytest.mark.asyncio
async def test_flipped_updates_are_left_out_at_once_and_their_senders_go(federation):
    async with federation() as task:
        for _ in range(7):
            models = await task.trained()
            for index in {6, 7} - task.suspended - task.gone:
                models[index] = task.shifted(-_update(task, models[index]))
            verdict = await task.judge(PIPELINE, models)
            assert not {6, 7} & set(verdict.models)
        assert task.gone
        assert task.gone | task.suspended <= {6, 7}


@pytest.mark.asyncio
async def test_own_work_is_in_the_game_also_where_the_model_does_without_it(federation):
    async with federation() as task:
        for _ in range(4):
            verdict = await task.judge(
                Pipeline(gain=0.0, least_kept=0.2, evidence=False), await task.trained()
            )
            assert set(verdict.scored) == set(range(8))
            assert set(verdict.models) < set(verdict.scored)
            assert set(verdict.rejected.values()) == {"not_selected"}


@pytest.mark.asyncio
async def test_without_sanctions_nobody_is_suspended_and_harm_is_still_left_out(federation):
    async with federation() as task:
        defence = Pipeline(sanctions=False)
        for _ in range(2):
            models = await task.trained()
            models[7] = task.shifted(-_update(task, models[7]))
            verdict = await task.judge(defence, models)
            assert (verdict.suspend, verdict.eject) == ({}, {})
            assert 7 not in verdict.models


@pytest.mark.asyncio
@pytest.mark.parametrize("layer", ["novelty", "freshness", "subset", "evidence", "effort"])
async def test_every_layer_can_be_switched_off(federation, layer):
    async with federation() as task:
        models = await task.trained()
        old = _update(task, models[3])
        defence = Pipeline(**{layer: False})
        await task.judge(defence, models)
        models = await task.trained()
        models[1] = models[2]
        models[3] = task.shifted(old)
        models[7] = task.shifted(-_update(task, models[7]))
        verdict = await task.judge(defence, models)
        assert ("copied" in verdict.rejected.values()) == (layer != "novelty")
        if layer in {"novelty", "freshness"}:
            stale = verdict.rejected.get(3)
            assert (stale == "no_new_work") == (layer != "freshness")
        assert (verdict.factors == {}) == (layer == "effort")


@pytest.mark.asyncio
async def test_a_long_update_is_shortened_to_three_times_the_median(federation):
    async with federation() as task:
        models = await task.trained()
        models[0] = task.shifted(20 * _update(task, models[0]))
        lengths = [np.linalg.norm(_update(task, models[index])) for index in sorted(models)]
        start = task.start.vector.astype(np.float64)
        verdict = await task.judge(Pipeline(subset=False, evidence=False), models)
        length = np.linalg.norm(verdict.models[0].vector - start)
        assert length == pytest.approx(3 * np.median(lengths), rel=1e-3)


@pytest.mark.asyncio
async def test_the_same_rounds_give_the_same_verdicts(federation):
    async def play():
        async with federation() as task:
            found = []
            for _ in range(3):
                models = await task.trained()
                models[7] = task.shifted(-_update(task, models[7]))
                verdict = await task.judge(PIPELINE, models)
                found.append((verdict.suspend, verdict.eject, verdict.evidence, verdict.factors))
            return found

    assert await play() == await play()


@pytest.mark.asyncio
async def test_a_round_with_nothing_valid_has_a_verdict(federation):
    async with federation() as task:
        models = await task.trained()
        verdict = await task.judge(PIPELINE, models, invalid=dict.fromkeys(models, Fault.INVALID))
        assert verdict.models == {}
        again = await task.judge(PIPELINE, await task.trained(), invalid={2: Fault.INVALID})
        assert again.suspend == {2: (PIPELINE.clerk.suspension, Fault.INVALID)}


@pytest.mark.asyncio
async def test_what_is_paid_does_not_depend_on_who_was_quicker(federation):
    async with federation() as task:
        models = await task.trained()
        start, memory = task.start, task.memory
        early = await task.judge(PIPELINE, models)
        task.start, task.memory = start, memory
        late = await task.judge(PIPELINE, models, positions={index: 100 - index for index in models})
        assert early.factors == pytest.approx(late.factors)


@pytest.mark.asyncio
async def test_two_honest_members_who_deviate_alike_are_paid(federation):
    """As members do whose samples are all of one class, and all the honest do beside saboteurs: each has work of its own."""
    async with federation() as task:
        models = await task.trained()
        lean = np.random.default_rng(4).standard_normal(len(task.start.vector))
        lean *= 2 * np.linalg.norm(_update(task, models[0])) / np.linalg.norm(lean)
        for index in (5, 6):
            models[index] = task.shifted(_update(task, models[index]) + lean)
        verdict = await task.judge(Pipeline(evidence=False), models)
        assert {5, 6} <= set(verdict.scored)
        assert verdict.suspend == {}


@pytest.mark.asyncio
async def test_sending_the_model_back_unchanged_is_no_copy_and_forgiven_once(federation):
    async with federation() as task:
        models = await task.trained()
        models[3] = task.start
        verdict = await task.judge(PIPELINE, models)
        assert verdict.rejected[3] == "no_new_work"
        assert verdict.suspend == {}
        models = await task.trained()
        models[3] = task.start
        assert set((await task.judge(PIPELINE, models)).suspend) == {3}


@pytest.mark.asyncio
@pytest.mark.parametrize("members", [1, 2, 3])
async def test_few_honest_members_are_all_aggregated_and_paid(federation, members):
    async with federation() as task:
        models = await task.trained()
        few = {index: models[index] for index in range(members)}
        assert set((await task.judge(PIPELINE, few)).models) == set(few)


@pytest.mark.asyncio
async def test_noise_on_little_work_earns_no_more(federation):
    async with federation() as task:
        models = await task.trained()
        part = 0.2 * _update(task, models[7])
        noise = np.random.default_rng(2).standard_normal(len(part))
        noise *= 0.9 * np.linalg.norm(_update(task, models[0])) / np.linalg.norm(noise)
        start, memory = task.start, task.memory
        gate = Pipeline(subset=False, evidence=False, freshness=False, novelty=False)
        plain = await task.judge(gate, models | {7: task.shifted(part)})
        task.start, task.memory = start, memory
        noisy = await task.judge(gate, models | {7: task.shifted(part + noise)})
        assert noisy.factors[7] < 0.5
        assert plain.factors[7] < 0.5


@pytest.mark.parametrize(
    "wrong",
    [{"clip": -1.0}, {"probe": 0}, {"directions": 0}, {"history": 1}, {"gain": 1.5}, {"least_kept": 2.0}],
)
def test_bad_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Pipeline(**wrong)
