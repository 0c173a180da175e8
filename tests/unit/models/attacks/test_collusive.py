# SPDX-License-Identifier: Apache-2.0
"""Collusive poison: the published formulas, their bounds, and no two alike where each keeps its residual."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from bcfl.models.attacks.attack import Outlook
from bcfl.models.attacks.collusive import Alie, Ipm, Mimic, MinMax, MinSum, alie_z

PEERS = [[1.0, 0.0], [3.0, 0.0], [2.0, 3.0]]  # mean (2, 1); sample deviations 1 and √3


@pytest.mark.asyncio
async def test_ipm_reverses_the_mean_of_what_it_sees(scene):
    assert (await Ipm(epsilon=0.5).craft(scene(PEERS[0], peers=PEERS))).tolist() == [-1.0, -0.5]
    assert (await Ipm(epsilon=2.0).craft(scene([1.0, 4.0]))).tolist() == [-2.0, -8.0]


@pytest.mark.asyncio
async def test_alie_is_z_deviations_off_the_mean_or_off_the_own_update(scene):
    given = scene(PEERS[0], peers=PEERS)
    assert await Alie(z=1.5, work="mean").craft(given) == pytest.approx([0.5, 1 - 1.5 * 3**0.5])
    assert await Alie(z=1.5, work="own").craft(given) == pytest.approx([-0.5, -1.5 * 3**0.5])


@pytest.mark.asyncio
async def test_alie_with_own_work_has_the_published_mean_and_no_two_alike(scene):
    crafted = [await Alie(z=1.0).craft(scene(own, peers=PEERS)) for own in PEERS]
    published = await Alie(z=1.0, work="mean").craft(scene(PEERS[0], peers=PEERS))
    assert np.mean(crafted, axis=0) == pytest.approx(published)
    assert len({tuple(update) for update in crafted}) == len(PEERS)


def test_alie_z_is_the_papers():
    # n = 50, f = 24: s = 25 + 1 − 24 = 2 of 26 honest ones are needed
    assert alie_z(50, 24) == pytest.approx(statistics.NormalDist().inv_cdf(24 / 26))
    assert alie_z(10, 3) == pytest.approx(statistics.NormalDist().inv_cdf(4 / 7))
    assert alie_z(10, 1) == 0  # too few of them to move anything unseen
    assert alie_z(10, 10) == alie_z(10, 6) == pytest.approx(3.09, abs=0.01)  # a majority may go far


@pytest.mark.parametrize("perturbation", ["unit", "std", "sign"])
@pytest.mark.parametrize("work", ["own", "mean"])
@pytest.mark.asyncio
async def test_min_max_goes_exactly_as_far_as_the_two_furthest(scene, perturbation, work):
    peers = np.random.default_rng(3).normal(1.0, 1.0, size=(4, 30))
    crafted = await MinMax(perturbation=perturbation, work=work).craft(scene(peers[1], peers=peers, place=1))
    furthest = max(np.linalg.norm(a - b) for a in peers for b in peers)
    assert max(np.linalg.norm(crafted - peer) for peer in peers) == pytest.approx(furthest)


@pytest.mark.parametrize("perturbation", ["unit", "std", "sign"])
@pytest.mark.parametrize("work", ["own", "mean"])
@pytest.mark.asyncio
async def test_min_sum_has_exactly_the_largest_sum_of_squares(scene, perturbation, work):
    peers = np.random.default_rng(4).normal(1.0, 1.0, size=(4, 30))
    crafted = await MinSum(perturbation=perturbation, work=work).craft(scene(peers[1], peers=peers, place=1))
    largest = max(sum(np.square(a - b).sum() for b in peers) for a in peers)
    assert sum(np.square(crafted - peer).sum() for peer in peers) == pytest.approx(largest)


@pytest.mark.asyncio
async def test_min_max_goes_against_the_mean(scene):
    peers = np.random.default_rng(5).normal(1.0, 0.2, size=(4, 30))
    mean = peers.mean(axis=0)
    for attack in (MinMax(), MinSum()):
        crafted = await attack.craft(scene(peers[0], peers=peers))
        assert crafted @ mean < peers[0] @ mean


@pytest.mark.parametrize("attack", [Alie(z=1.0), MinMax(), MinSum()], ids=str)
@pytest.mark.asyncio
async def test_who_is_alone_has_no_spread_to_hide_in_and_is_honest(scene, attack):
    assert await attack.craft(scene([1.0, 2.0])) is None


@pytest.mark.parametrize("attack", [Alie(z=1.0), MinMax(), MinSum()], ids=str)
@pytest.mark.asyncio
async def test_identical_peers_leave_no_room(scene, attack):
    same = [[1.0, 2.0]] * 3
    assert (await attack.craft(scene(same[0], peers=same))).tolist() == [1.0, 2.0]


@pytest.mark.asyncio
async def test_mimics_agree_on_the_update_that_stands_out(scene):
    honest = [[1.0, 0.1], [1.1, 0.0], [0.9, 5.0]]
    for own in ([0.0, 0.0], [7.0, 7.0]):
        assert (await Mimic().craft(scene(own, revealed=honest))).tolist() == honest[2]
    peers = [[0.0, 0.0], *honest]
    assert (await Mimic(knowledge="omniscient").craft(scene(peers[0], peers=peers))).tolist() == honest[2]


@pytest.mark.asyncio
async def test_a_mimic_with_nobody_to_copy_is_honest(scene):
    assert await Mimic().craft(scene([0.0, 0.0])) is None
    assert Mimic().effort(40) == 0
    first = Outlook(round=1, moved=False, cohort=10)
    assert not Mimic().ready(first)
    assert Mimic(knowledge="omniscient").ready(first)


@pytest.mark.parametrize("kind", [Alie, MinMax, MinSum])
def test_alone_it_is_honest_unless_it_sees_everybody(kind):
    alone = Outlook(round=2, moved=True, cohort=10, colluders=1)
    together = Outlook(round=2, moved=True, cohort=10, colluders=3)
    assert not kind().ready(alone)
    assert kind().ready(together)
    assert kind(knowledge="omniscient").ready(alone)
