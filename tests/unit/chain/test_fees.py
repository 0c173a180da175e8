# SPDX-License-Identifier: Apache-2.0
import pytest

from bcfl.chain.errors import FeeCapReached
from bcfl.chain.fees import FeePolicy, Fees, bump, initial, is_priced_out, is_stuck

GWEI = 10**9


def test_a_first_offer_survives_six_full_blocks():
    base_fee = 7 * GWEI
    offer = initial(base_fee, tip=GWEI)
    for _ in range(5):  # each full block raises the base fee by one eighth
        base_fee = base_fee * 9 // 8
    assert offer == Fees(max_fee=15 * GWEI, priority_fee=GWEI)
    assert not is_priced_out(offer, base_fee)


@pytest.mark.parametrize("base_fee", [0, None])
def test_without_a_base_fee_the_offer_is_the_tip(base_fee):
    assert initial(base_fee, tip=3) == Fees(max_fee=3, priority_fee=3)
    assert bump(Fees(max_fee=3, priority_fee=3), base_fee) == Fees(max_fee=4, priority_fee=4)


def test_an_offer_stays_within_the_cap():
    assert initial(10, tip=5, cap=12) == Fees(max_fee=12, priority_fee=5)
    assert initial(1, tip=50, cap=12) == Fees(max_fee=12, priority_fee=12)


def test_a_base_fee_above_the_cap_is_refused():
    with pytest.raises(FeeCapReached, match="13 wei is above the cap of 12 wei"):
        initial(13, tip=1, cap=12)


@pytest.mark.parametrize(
    "old",
    [Fees(max_fee=100, priority_fee=8), Fees(max_fee=1, priority_fee=0), Fees(max_fee=9999, priority_fee=77)],
)
def test_a_replacement_raises_both_fields_by_an_eighth(old):
    new = bump(old, 0)
    assert new.max_fee * 8 >= old.max_fee * 9
    assert new.priority_fee * 8 >= old.priority_fee * 9
    assert new.max_fee > old.max_fee
    assert new.priority_fee > old.priority_fee


def test_a_replacement_follows_a_risen_base_fee():
    new = bump(Fees(max_fee=10, priority_fee=8), 1000)
    assert new == Fees(max_fee=2009, priority_fee=9)


def test_a_replacement_is_cut_to_the_cap_but_never_below_what_the_pool_wants():
    old = Fees(max_fee=80, priority_fee=8)
    assert bump(old, 80, cap=100) == Fees(max_fee=100, priority_fee=9)
    with pytest.raises(FeeCapReached):
        bump(old, 0, cap=89)
    with pytest.raises(FeeCapReached):
        bump(old, 101, cap=100)


def test_what_is_priced_out_is_stuck_after_the_patience_and_what_is_passed_over_much_later():
    fees = Fees(max_fee=10, priority_fee=1)
    assert not is_stuck(fees, 11, waited=2, patience=3)
    assert is_stuck(fees, 11, waited=3, patience=3)
    assert not is_stuck(fees, 10, waited=11, patience=3)
    assert is_stuck(fees, 10, waited=12, patience=3)
    assert not is_stuck(fees, None, waited=3, patience=3)


def test_a_policy_without_patience_is_refused():
    with pytest.raises(ValueError, match="patience"):
        FeePolicy(patience=0)
