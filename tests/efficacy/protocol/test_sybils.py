# SPDX-License-Identifier: Apache-2.0
"""Several accounts of one participant."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest

from bcfl.agents.common.behaviour import Honest
from bcfl.agents.runtime.actions import Transact
from bcfl.contracts import calls
from bcfl.contracts.phases import Phase
from bcfl.registry import register

pytestmark = pytest.mark.anvil


def _sybils(**parameters):
    return {"name": "eve", "count": 3, "group": "eve", "behaviour": {"name": "sybil_split", **parameters}}


SYBILS = ("eve-1", "eve-2", "eve-3")


def test_accounts_with_the_same_bytes_earn_as_one(play, honest):
    """All but the earliest commitment of a digest are nobody's."""
    played = play([*honest("bob charlie"), _sybils(dither=0)])
    for record in played.state.rounds.values():
        owners = [name for name in SYBILS if record.updates[played.index(name)].owned]
        assert len(owners) == 1
        assert sum(record.credits[played.index(name)] > 0 for name in SYBILS) <= 1
    trained = {r["source"] for r in played.records if r["event"] == "trained"}
    assert trained & set(SYBILS) == {"eve-1"}


@pytest.fixture(scope="module")
def alone(play, honest):
    """``alone(seed)``: the share of one honest account in the place of the three."""
    return functools.cache(lambda seed: play(honest("bob charlie eve"), seed=seed).share("eve"))


def test_without_a_defence_dithered_accounts_multiply_the_reward(play, honest, alone, lower_bound):
    """The harm: one piece of work in three bodies, which no two digests betray."""

    def gain(seed):
        played = play([*honest("bob charlie"), _sybils(dither=0.01)], seed=seed)
        assert not any(played.rejections(name) for name in SYBILS)
        return played.share(*SYBILS) - alone(seed)

    assert lower_bound(gain) > 0.03


def test_dividing_the_update_gains_nothing(play, honest, alone):
    shares = [
        play([*honest("bob charlie"), _sybils(dither=0.01, divide=True)], seed=seed).share(*SYBILS)
        for seed in (1, 2, 3)
    ]
    assert sum(shares) <= 1.1 * sum(alone(seed) for seed in (1, 2, 3))


@pytest.fixture
def stubborn(registered):
    """Commits in rounds that it has no part in, as no client should."""

    @register("behaviour", "stubborn")
    @dataclass(frozen=True, kw_only=True)
    class Stubborn(Honest):
        """Ignores its suspension and its ejection."""

        misbehaves = True

        def decide(self, view, me, actions, circle=None):
            state = view.seen
            if state is None or state.round == 0 or state.phase is not Phase.TRAINING:
                return actions
            index = state.index_of[me]
            if index in state.current.cohort:
                return actions
            call = calls.commit(state.address, round_number=state.round, index=index, commitment=b"c" * 32)
            return [*actions, Transact(round=state.round, name="commit", call=call)]


def test_who_is_out_cannot_submit(play, honest, stubborn, outcast):
    """E4: the contract refuses, however stubborn the client."""
    played = play(
        [*honest("bob charlie david frank"), {"name": "eve", "behaviour": "stubborn"}],
        rounds=4,
        defence=outcast,
    )
    eve = played.index("eve")
    assert eve in played.state.rounds[1].suspended
    assert played.member("eve").ejected_round is not None
    assert played.sent("eve", "commit") == 1
    assert played.sent("eve", "commit", "reverted") >= 2
    assert [eve in record.updates for record in played.state.rounds.values()] == [True] + [False] * 3


def test_a_whitewasher_comes_back_as_another_and_each_account_needs_a_stake(play, honest, outcast):
    played = play(
        [
            *honest("bob charlie david frank"),
            {"name": "eve", "count": 3, "group": "eve", "behaviour": "whitewasher"},
        ],
        rounds=4,
        defence=outcast,
        membership={"stake": "1"},
        schedule={"enrolment_s": 60},
    )
    joined = [name for name in SYBILS if played.summary.participants[name].address in played.state.index_of]
    assert joined == list(SYBILS)
    served = {
        name: [n for n, r in played.state.rounds.items() if played.index(name) in r.updates]
        for name in joined
    }
    # One round each, and a round outside before the next may begin: an account buys half the rounds at most.
    assert all(len(rounds) <= 1 for rounds in served.values())
    assert served["eve-1"] == [1]
    assert played.share(*SYBILS) < 0.1
    assert played.finalised == 4
