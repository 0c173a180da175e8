# SPDX-License-Identifier: Apache-2.0
"""Rewards by digest: what copies, stale digests and false claims earn with and without the protocol's rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bcfl.agents.common.behaviour import Honest
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import encode
from bcfl.registry import register

pytestmark = pytest.mark.anvil

OPEN = {"commit_reveal": False, "unique_digests": False}


def _population(honest):
    return [*honest("bob charlie"), {"name": "eve", "behaviour": "front_runner"}]


def test_without_the_rules_a_copied_digest_earns_what_the_work_earns(play, honest):
    """E1, E2. Eve does no work and is paid as the victim is."""
    played = play(_population(honest), intake=OPEN)
    record = played.state.rounds[1]
    victim = next(
        name
        for name in ("bob", "charlie")
        if record.updates[played.index(name)].content == record.updates[played.index("eve")].content
    )
    assert played.tokens("eve") == pytest.approx(played.tokens(victim), rel=0.01)
    assert not any(record["source"] == "eve" and record["event"] == "trained" for record in played.records)


def test_the_harm_of_copied_digests_is_a_quarter_of_the_reward(play, honest, lower_bound):
    assert lower_bound(lambda seed: play(_population(honest), seed=seed, intake=OPEN).share("eve")) > 0.25


def test_a_digest_belongs_to_whoever_submitted_it_first(play, honest):
    played = play(_population(honest), intake={"commit_reveal": False})
    assert played.rejections("eve") == {"digest_not_owned"}
    assert played.tokens("eve") == 0
    assert min(played.tokens("bob"), played.tokens("charlie")) > 0


def test_behind_commitments_there_is_nothing_to_copy_in_time(play, honest):
    played = play(_population(honest), rounds=1)
    assert not played.rejections("eve")
    assert any(record["source"] == "eve" and record["event"] == "trained" for record in played.records)


def test_a_stale_digest_earns_once(play, honest, registered):
    """E3: the same bytes in every round are a digest that is taken."""

    @register("behaviour", "same_bytes")
    @dataclass(frozen=True, kw_only=True)
    class SameBytes(Honest):
        """One fixed update for ever."""

        misbehaves = True

        async def update(self, turn):
            generator = np.random.default_rng(0)
            return Weights(turn.start.schema, generator.normal(size=turn.start.schema.size).astype("f4"))

        def encode(self, turn, weights, metadata):
            return encode(weights, {**metadata, "round": "1", "start": "00"})

    played = play([*honest("bob charlie"), {"name": "eve", "behaviour": "same_bytes"}])
    first, second = (played.state.rounds[number] for number in (1, 2))
    eve = played.index("eve")
    assert first.updates[eve].content == second.updates[eve].content
    assert (first.updates[eve].owned, second.updates[eve].owned) == (True, False)
    assert played.rounds[1].rejected == {"eve": "digest_not_owned"}
    assert second.credits[eve] == 0
    assert first.credits[eve] == played.member("eve").earned  # nothing changes afterwards


def _claiming(honest, behaviour):
    return [*honest("bob charlie", share=4), *honest("eve", share=1, behaviour=behaviour)]


def test_a_claim_beyond_the_largest_share_is_rejected(play, honest):
    liar = {"name": "sample_size_liar", "factor": 40}
    played = play(_claiming(honest, liar), partition="by_size", rounds=1)
    assert played.rejections("eve") == {"invalid_samples"}
    assert played.tokens("eve") == 0


def test_a_claim_within_it_at_least_doubles_the_pay_and_gives_no_more_than_an_equal_share(
    play, honest, lower_bound
):
    """The harm that the protocol leaves: weight as a member with the largest share has it."""

    def share(seed, behaviour):
        played = play(_claiming(honest, behaviour), partition="by_size", rounds=1, seed=seed)
        assert not played.rejections("eve")
        return played.share("eve")

    def gain(seed):
        told, lied = share(seed, "honest"), share(seed, {"name": "sample_size_liar", "factor": 3.9})
        assert lied <= 1 / 3
        return lied - 2 * told

    assert lower_bound(gain) > 0
