# SPDX-License-Identifier: Apache-2.0
"""What nobody can use is named, paid nothing and holds nobody up beyond a deadline."""

from __future__ import annotations

import functools
import os

import numpy as np
import pytest

from bcfl.agents.adversaries.malformed import UNPICKLED_MARK
from bcfl.agents.common.retrieval import Retrieval
from bcfl.contracts.phases import Phase
from bcfl.scenarios.running import hosting

pytestmark = pytest.mark.anvil

SCHEDULE = {"training_s": 500, "reveal_s": 300, "evaluation_s": 400}
KINDS = {
    "nan": "non_finite",
    "inf": "non_finite",
    "wrong_shape": "shape",
    "wrong_dtype": "dtype",
    "extra_keys": "names",
    "truncated": "truncated",
    "pickle": "header_size",
}


def _eve(name, behaviour):
    return {"name": name, "behaviour": behaviour}


def test_what_is_committed_and_never_opened_costs_the_stake(play, honest):
    griefers = ["no_reveal", "commit_copier", "oversize_blob"]
    played = play(
        [*honest("bob charlie"), *(_eve(name, name) for name in griefers)],
        schedule=SCHEDULE,
        membership={"stake": "2"},
        intake={"max_update_bytes": 200_000},
    )
    assert played.finalised == 2
    assert played.improved
    for name in griefers:
        assert played.rejections(name) == {"not_revealed"}
        assert played.tokens(name) == 0
        assert played.sent(name, "reveal") == 0
    assert played.state.slashed == 6 * 10**9
    # The slashed stakes are a bonus for those who worked, at most as much again; the rest is nobody's, never the evaluator's or
    # the publisher's.
    scored = sum(max(score, 0) for round_ in played.rounds for score in round_.scores.values())
    assert 0 < scored < 6
    assert played.tokens("bob", "charlie") == pytest.approx(2 * scored * 10**18, rel=1e-6)
    assert played.state.bonus == pytest.approx((6 - scored) * 10**9, rel=1e-6)
    assert 300 <= played.lasted(Phase.REVEAL) <= 305  # the delay that is left


def test_a_copied_commitment_is_on_chain_and_opens_for_nobody(play, honest):
    played = play([*honest("bob charlie"), _eve("eve", "commit_copier")], rounds=1, schedule=SCHEDULE)
    record = played.state.rounds[1]
    copied = record.commitments[played.index("eve")].commitment
    assert copied in {record.commitments[played.index(name)].commitment for name in ("bob", "charlie")}
    assert played.index("eve") not in record.updates
    assert sorted(record.updates) == sorted(played.index(name) for name in ("bob", "charlie"))


def test_the_malformed_corpus_is_named_and_nothing_of_it_runs(play, honest):
    """E9: no crash, no execution, no number that is not finite, each with its reason."""
    wrong = [_eve(f"m-{kind}", {"name": "malformed", "kind": kind}) for kind in KINDS]
    others = [_eve("garbage", "garbage_cid"), _eve("absent", "unavailable_cid")]
    played = play([*honest("bob charlie"), *wrong, *others], rounds=1)
    reasons = {name: played.rejections(name) for name in played.rounds[0].rejected}
    assert reasons == {
        **{f"m-{kind}": {reason} for kind, reason in KINDS.items()},
        "garbage": reasons["garbage"],  # random bytes fail in a random way
        "absent": {"unavailable"},
    }
    assert reasons["garbage"] <= {"header_size", "header_syntax", "truncated"}
    assert UNPICKLED_MARK not in os.environ
    assert np.isfinite(played.summary.final.loss)
    assert played.improved
    assert played.tokens("garbage", "absent", *(f"m-{kind}" for kind in KINDS)) == 0
    assert played.tokens("bob", "charlie") > 0


def test_a_content_that_drips_is_given_up_at_the_deadline_of_a_fetch(play, honest, monkeypatch):
    monkeypatch.setattr(hosting, "Retrieval", functools.partial(Retrieval, deadline_s=0.5))
    played = play([*honest("bob charlie"), _eve("eve", "slow_cid")], rounds=1)
    assert played.rejections("eve") == {"slow"}
    assert played.tokens("eve") == 0
    assert played.improved


MIXES = {
    "silent": ["absentee", "no_reveal", "commit_copier", {"name": "straggler", "when": "too_late"}],
    "unusable": ["garbage_cid", "unavailable_cid", "oversize_blob", {"name": "malformed", "kind": "inf"}],
    "of each": ["absentee", "no_reveal", "unavailable_cid", {"name": "malformed", "kind": "pickle"}],
}


@pytest.mark.parametrize("mix", MIXES)
def test_with_forty_percent_griefers_all_rounds_are_finalised_within_their_deadlines(play, honest, mix):
    griefers = [_eve(f"griefer-{n}", behaviour) for n, behaviour in enumerate(MIXES[mix])]
    names = [griefer["name"] for griefer in griefers]
    played = play([*honest("a b c d e f"), *griefers], rounds=3, schedule=SCHEDULE)
    assert played.finalised == played.state.config.rounds == 3
    assert played.summary.status == "completed"
    assert played.share(*names) == 0
    assert played.improved
    for number in (1, 2, 3):
        assert played.lasted(Phase.TRAINING, number) <= SCHEDULE["training_s"] + 5
        assert played.lasted(Phase.REVEAL, number) <= SCHEDULE["reveal_s"] + 5
        assert len(played.rounds[number - 1].scores) >= 6
