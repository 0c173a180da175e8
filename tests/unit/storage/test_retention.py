# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.storage.content_id import content_id
from bcfl.storage.retention import FinalisedRound, RetentionPolicy, retain

GENESIS = content_id(b"genesis")


def model(number: int):
    return content_id(b"model %d" % number)


def update(number: int, trainer: int):
    return content_id(b"update %d of %d" % (number, trainer))


ROUNDS = [
    FinalisedRound(number=number, model=model(number), updates=(update(number, 0), update(number, 1)))
    for number in range(1, 6)
]


def test_by_default_everything_is_kept():
    kept = retain(permanent=[GENESIS], rounds=ROUNDS, policy=RetentionPolicy())
    assert kept.prune == frozenset()
    assert len(kept.keep) == 1 + 5 * 3


def test_the_newest_rounds_are_kept_whatever_their_order():
    for rounds in (ROUNDS, ROUNDS[::-1]):
        kept = retain(permanent=[GENESIS], rounds=rounds, policy=RetentionPolicy(models=2, updates=1))
        assert kept.keep == {GENESIS, model(4), model(5), update(5, 0), update(5, 1)}
        assert kept.prune == {model(1), model(2), model(3)} | {
            update(n, t) for n in range(1, 5) for t in (0, 1)
        }


def test_no_updates_at_all_may_be_kept():
    kept = retain(permanent=[GENESIS], rounds=ROUNDS, policy=RetentionPolicy(models=1, updates=0))
    assert kept.keep == {GENESIS, model(5)}


def test_a_content_named_again_by_a_kept_round_is_kept():
    # Round 6 was void: its model is that of round 2; and somebody sent an old update again.
    void = FinalisedRound(number=6, model=model(2), updates=(update(1, 0),))
    kept = retain(permanent=[GENESIS], rounds=[*ROUNDS, void], policy=RetentionPolicy(models=1, updates=1))
    assert kept.keep == {GENESIS, model(2), update(1, 0)}
    assert not kept.keep & kept.prune


def test_what_is_permanent_is_never_pruned():
    kept = retain(permanent=[GENESIS, model(1)], rounds=ROUNDS, policy=RetentionPolicy(models=1, updates=0))
    assert model(1) in kept.keep


def test_before_the_first_round_there_is_only_what_is_permanent():
    kept = retain(permanent=[GENESIS], rounds=[], policy=RetentionPolicy(models=1, updates=1))
    assert (kept.keep, kept.prune) == ({GENESIS}, frozenset())


@pytest.mark.parametrize("bounds", [{"models": 0}, {"models": -1}, {"updates": -1}])
def test_a_policy_keeps_the_current_model(bounds):
    with pytest.raises(ValueError, match="kept"):
        RetentionPolicy(**bounds)
