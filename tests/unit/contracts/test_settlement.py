# SPDX-License-Identifier: Apache-2.0
"""Rewards by example; their laws and the contract's own figures are in ``tests/property/test_settlement.py``."""

from __future__ import annotations

import pytest

from bcfl.contracts.settlement import credit, equal_split, payout


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
        ([1], 0, 50, 60, 100, 100),
        ([0, -1], 7, 0, 5, 100, 0),
        ([0, -1], 0, 50, 5, 100, 0),
        ([], 7, 50, 5, 100, 0),
    ],
)
def test_what_a_round_pays(scores, rate, round_budget, bonus, escrow, paid):
    assert payout(scores, rate=rate, round_budget=round_budget, bonus=bonus, escrow=escrow) == paid


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
