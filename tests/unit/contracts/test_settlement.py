# SPDX-License-Identifier: Apache-2.0
"""Rewards by example; their laws and the contract's own figures are in ``tests/property/test_settlement.py``."""

from __future__ import annotations

import pytest

from bcfl.contracts.settlement import (
    FRACTION_UNIT,
    Settled,
    carried,
    credit,
    equal_split,
    evaluation_pays,
    majority_probe,
    payout,
    settle,
    withheld,
)


@pytest.mark.parametrize(
    ("scores", "rate", "round_budget", "bonus", "escrow", "paid"),
    [
        ([2 * 10**9, 10**9], 7, 0, 0, 100, 21),
        ([2 * 10**9, -(10**9)], 7, 0, 0, 100, 14),  # who harms costs nobody else
        ([10**9], 7, 0, 5, 100, 12),  # what was slashed is paid on top, also by rate
        ([10**9 - 1], 1, 0, 0, 100, 0),
        ([1], 0, 50, 0, 100, 50),
        ([1], 0, 50, 8, 100, 58),
        ([10**9], 700, 0, 5, 100, 100),
        ([1], 0, 50, 60, 110, 100),  # at most as much again
        ([10**9], 7, 0, 60, 110, 14),
        ([10**9 - 1], 1, 0, 5, 100, 0),
        ([1], 0, 50, 60, 90, 90),
        ([0, -1], 7, 0, 5, 100, 0),
        ([0, -1], 0, 50, 5, 100, 0),
        ([], 7, 50, 5, 100, 0),
    ],
)
def test_what_a_round_pays(scores, rate, round_budget, bonus, escrow, paid):
    assert payout(scores, rate=rate, round_budget=round_budget, bonus=bonus, escrow=escrow) == paid


@pytest.mark.parametrize(
    ("bonus", "paid", "escrow", "left"),
    [
        (0, 21, 100, 0),
        (5, 12, 100, 0),  # 7 of its own
        (5, 0, 100, 5),
        (60, 14, 110, 53),
        (60, 100, 110, 10),
        (60, 90, 90, 0),  # none left that could wait
        (30, 25, 30, 5),
    ],
)
def test_what_waits_of_a_bonus(bonus, paid, escrow, left):
    assert carried(bonus, paid=paid, escrow=escrow) == left


@pytest.mark.parametrize(
    ("scores", "total", "shares"),
    [
        ([1, 1, 1], 10, (4, 3, 3)),
        ([1, 2, 2], 11, (2, 5, 4)),  # the remainder goes to the first of the best
        ([-5, 1, 0], 10, (0, 10, 0)),
        ([3], 7, (7,)),
        ([0, -1], 7, (0, 0)),
        ([], 7, ()),
        ([2**63 - 1, 1], 2**56, (2**56, 0)),
    ],
)
def test_what_each_is_credited(scores, total, shares):
    assert credit(scores, total) == shares


@pytest.mark.parametrize(("total", "count", "shares"), [(10, 3, (4, 3, 3)), (2, 3, (2, 0, 0)), (9, 0, ())])
def test_an_equal_split(total, count, shares):
    assert equal_split(total, count) == shares


def test_a_forfeiter_s_share_is_nobody_s():
    assert withheld({0: 5, 3: 7, 4: 0}, (3,)) == {0: 5, 3: 0, 4: 0}


# ---- a consortium

FOUR_TO_ONE = {0: {1: 1, 2: 1}, 1: {0: 4, 2: 1}, 2: {0: 4, 1: 1}}
"""What honest members with true shares 4 : 1 : 1 say of each other."""


@pytest.mark.parametrize(("passes", "ratio"), [(1, 2.3), (3, 3.6)])
def test_passes_bring_back_what_a_judge_cannot_say_of_itself(passes, ratio):
    fractions = settle((0, 1, 2), FOUR_TO_ONE, passes=passes).fractions
    assert fractions[0] / fractions[1] == pytest.approx(ratio, abs=0.05)
    assert fractions[1] == fractions[2]


def test_three_passes_are_the_contract_s():
    assert settle((0, 1, 2), FOUR_TO_ONE) == settle((0, 1, 2), FOUR_TO_ONE, passes=3)


def test_one_pass_by_hand():
    vectors = {
        0: {1: 30, 2: -5, 5: 10},
        1: {0: 1, 2: 1, 5: 2},
        2: {0: 0, 1: 0, 5: 0},
        9: {0: 1, 1: 2, 2: 0, 5: 0},
    }
    settled = settle((0, 1, 2, 5), vectors, passes=1)
    quarter, third = FRACTION_UNIT // 4, 333_333_333 * 10**9
    medians = {
        0: quarter,  # of 1/4, 0 and 1/3
        1: 666_666_666 * 10**9,  # of 3/4, 0 and 2/3
        2: 0,  # of 0, 1/4 and 0
        5: quarter // 2,  # of 1/4, 1/2, 0 and 0
    }
    whole = sum(medians.values())
    assert settled.fractions == {target: part * FRACTION_UNIT // whole for target, part in medians.items()}
    assert settled.scores == {target: part // 10**9 for target, part in settled.fractions.items()}
    p = settled.fractions
    assert settled.distances[2] == p[0] + p[1] + p[5]
    # Its negative score counts as zero, which is what target 2 got.
    left = FRACTION_UNIT - p[0]
    assert settled.distances[0] == (
        abs(750_000_000 * left // 10**9 - p[1]) + abs(250_000_000 * left // 10**9 - p[5])
    )
    assert settled.distances[9] == abs(third - p[0]) + abs(medians[1] - p[1]) + p[2] + p[5]
    left = FRACTION_UNIT - p[1]
    assert settled.distances[1] == (
        abs(250_000_000 * left // 10**9 - p[0])
        + abs(250_000_000 * left // 10**9 - p[2])
        + abs(500_000_000 * left // 10**9 - p[5])
    )


@pytest.mark.parametrize(
    "vectors",
    [
        {},
        {0: {1: 0, 2: 0}, 1: {0: 0, 2: -3}, 2: {0: -(2**63), 1: 0}},
        {0: {1: 5, 2: 5}, 1: {0: 0, 2: 0}, 2: {0: 0, 1: 0}, 3: {0: 0, 1: 0, 2: 0}},  # only a minority gives
    ],
)
def test_where_the_medians_are_zero_nobody_scores(vectors):
    settled = settle((0, 1, 2), vectors)
    assert settled.fractions == settled.scores == {0: 0, 1: 0, 2: 0}


def test_a_target_that_is_judged_by_two_gets_their_mean_rounded_down():
    # Of two members each is judged by one alone, who can only give it everything.
    settled = settle((4, 7), {4: {7: 1}, 7: {4: 3}})
    assert settled.fractions == {4: FRACTION_UNIT // 2, 7: FRACTION_UNIT // 2}
    thirds = settle((0, 1), {5: {0: 1, 1: 2}, 6: {0: 1, 1: 1}}, passes=1)
    low, high = (333_333_333 + 500_000_000) * 10**9 // 2, (666_666_666 + 500_000_000) * 10**9 // 2
    assert thirds.fractions == {
        0: low * FRACTION_UNIT // (low + high),
        1: high * FRACTION_UNIT // (low + high),
    }


def test_the_largest_scores_do_not_overflow_a_share():
    limit = 2**63 - 1
    vectors = {0: {1: limit, 2: limit}, 1: {0: limit, 2: 1}, 2: {0: limit, 1: 1}}
    settled = settle((0, 1, 2), vectors)
    assert 0 < settled.fractions[1] == settled.fractions[2] < settled.fractions[0]


@pytest.mark.parametrize(
    ("digests", "agreed"),
    [("aab", "a"), ("ab", None), ("aabb", None), ("bba", "b"), ("abc", None), ("a", "a"), ("", None)],
)
def test_more_than_half_of_the_probes_make_a_majority(digests, agreed):
    assert majority_probe(dict(enumerate(digests))) == agreed


def _pays(distances, probes="aaaa", *, pool=400, cohort=4, tolerance=10**9, escrow=10**6):
    settled = Settled(
        fractions={}, distances={n: int(part * FRACTION_UNIT) for n, part in enumerate(distances)}
    )
    pays = evaluation_pays(
        settled,
        {n: probes[n].encode() for n in range(len(distances))},
        pool=pool,
        cohort=cohort,
        tolerance=tolerance,
        escrow=escrow,
    )
    return list(pays.values())


def test_a_judge_is_paid_by_its_distance_and_for_its_probe():
    assert _pays([0, 0.25, 1, 1.5]) == [100, 75, 0, 0]
    assert _pays([0, 0.25, 0.5], tolerance=5 * 10**8) == [100, 50, 0]
    assert _pays([0, 0, 0], probes="aba") == [100, 0, 100]
    assert _pays([0, 0, 0, 0], probes="abab") == [0, 0, 0, 0]
    assert _pays([0, 0], cohort=3) == [133, 133]
    assert _pays([0.005], pool=403) == [99], "of 100 each: what does not divide by the members is nobody's"
    assert _pays([0, 0], pool=0) == [0, 0]
    assert _pays([]) == []


def test_judges_are_paid_in_order_as_far_as_the_escrow_goes():
    assert _pays([0, 0.5, 0, 0], escrow=170) == [100, 50, 20, 0]
