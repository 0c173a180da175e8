# SPDX-License-Identifier: Apache-2.0
"""Published filters: what they find, and what they do to the honest."""

from __future__ import annotations

import pytest

from bcfl.models.defences.published import DropLowest, ScoreThreshold


@pytest.mark.asyncio
@pytest.mark.parametrize(("patience", "first"), [(0, {7}), (1, set())])
async def test_a_threshold_finds_a_flipped_update_after_its_patience(federation, patience, first):
    async with federation() as task:
        models = await task.trained()
        models[7] = task.shifted(-(models[7].vector.astype(float) - task.start.vector))
        verdict = await task.judge(ScoreThreshold(score="step", patience=patience), models)
        assert set(verdict.suspend) == first
        await task.judge(ScoreThreshold(score="step", patience=patience), await task.trained())
        assert task.gone == first


@pytest.mark.asyncio
async def test_dropping_the_lowest_ejects_an_honest_member_every_round(federation):
    async with federation() as task:
        for _ in range(3):
            verdict = await task.judge(DropLowest(), await task.trained())
            assert len(verdict.suspend) == 1
        assert len(task.gone) == 2


@pytest.mark.asyncio
async def test_few_members_lose_nobody_to_rounding(federation):
    async with federation() as task:
        models = await task.trained()
        few = {index: models[index] for index in (0, 1, 2, 3)}
        assert (await task.judge(DropLowest(), few)).suspend == {}
