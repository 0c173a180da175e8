# SPDX-License-Identifier: Apache-2.0
"""The silent and the late cost the others time up to a deadline, never a round (E5)."""

from __future__ import annotations

import pytest

from bcfl.contracts.phases import Phase

pytestmark = pytest.mark.anvil

SCHEDULE = {"training_s": 500, "reveal_s": 300, "evaluation_s": 400}


@pytest.fixture(scope="module")
def undisturbed(play, honest):
    return play(honest("bob charlie david"), schedule=SCHEDULE)


def test_undisturbed_rounds_take_seconds_and_drop_nobody(undisturbed):
    """The measure for all others."""
    assert undisturbed.lasted(Phase.TRAINING) < 10
    assert undisturbed.finalised == 2
    for record in undisturbed.state.rounds.values():
        assert sorted(record.updates) == [0, 1, 2]
        assert not record.suspended
        assert not record.ejected


@pytest.mark.parametrize("behaviour", ["absentee", {"name": "straggler", "when": "too_late"}])
def test_a_silent_member_delays_to_the_deadline_and_earns_nothing(play, honest, behaviour):
    played = play([*honest("bob charlie"), {"name": "eve", "behaviour": behaviour}], schedule=SCHEDULE)
    assert [played.lasted(Phase.TRAINING, number) >= 500 for number in (1, 2)] == [True, True]
    assert played.lasted(Phase.TRAINING) <= 500 + 5  # and not a block longer
    assert played.finalised == 2
    assert played.improved
    assert played.tokens("eve") == 0
    assert min(played.tokens("bob"), played.tokens("charlie")) > 0


def test_a_straggler_at_the_last_moment_delays_and_is_paid_for_its_work(play, honest):
    played = play([*honest("bob charlie"), {"name": "eve", "behaviour": "straggler"}], schedule=SCHEDULE)
    assert 495 <= played.lasted(Phase.TRAINING) < 500
    assert 295 <= played.lasted(Phase.REVEAL) < 300
    assert played.finalised == 2
    assert not played.rejections("eve")
    assert played.tokens("eve") > 0


def test_slot_fillers_lock_the_honest_out_and_the_task_ends_on_time(play, honest):
    """E4. Nothing but the stake and an ejection frees a place: whoever is first is in."""
    played = play(
        [{"name": "mallory", "count": 2, "behaviour": "slot_filler"}, *honest("bob charlie david")],
        schedule=SCHEDULE,
        membership={"capacity": 4},
    )
    assert played.summary.participants["david"].address not in played.state.index_of
    assert played.finalised == 2
    assert played.lasted(Phase.TRAINING) >= 500
    assert played.tokens("mallory-1", "mallory-2", "david") == 0
    assert played.improved


def test_a_spammer_pays_for_its_noise_and_delays_nobody(play, honest, undisturbed):
    spam = {"name": "tx_spam", "count": 10}
    played = play([*honest("bob charlie"), {"name": "eve", "behaviour": spam}], schedule=SCHEDULE)
    assert played.sent("eve", "spam:") == 20
    assert played.finalised == 2
    assert played.lasted(Phase.TRAINING) <= undisturbed.lasted(Phase.TRAINING) + 2
    more = played.rounds[0].gas["trainer"] - undisturbed.rounds[0].gas["trainer"]
    assert more > 10 * 21_000
