# SPDX-License-Identifier: Apache-2.0
"""Claims about the number of samples."""

from __future__ import annotations

import pytest

from bcfl.agents.adversaries.claims import SampleSizeLiar


@pytest.mark.parametrize(("factor", "samples", "claim"), [(10, 60, 600), (0.5, 61, 30), (0, 60, 1)])
def test_the_claim_is_so_many_times_the_samples_and_at_least_one(factor, samples, claim, turn_of):
    assert SampleSizeLiar(factor=factor).claim(turn_of(samples=samples)) == claim


@pytest.mark.asyncio
async def test_its_work_is_honest(turn_of):
    turn = turn_of()
    await SampleSizeLiar().update(turn)
    assert turn.engine.trained == 1
