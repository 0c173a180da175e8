# SPDX-License-Identifier: Apache-2.0
"""Why a run ended: diverging training is named, with what to do; what somebody may have done is not called that."""

from __future__ import annotations

import pytest

from bcfl.scenarios.outcome.ending import why_ended
from bcfl.scenarios.outcome.summary import Final, Genesis

LOWER = "; set task.training.learning_rate lower"
HARM = {"bob": "model_harmful", "charlie": "model_harmful"}


@pytest.fixture
def ended(swept):
    """``ended(changes of the rounds, last=, first=)``: a summary of three honest rounds, changed one by one."""

    def make(*changes, last=1.0, first=2.3, rounds_to_eject=()):
        summary = swept("none", rounds_to_eject=rounds_to_eject).result.summary
        rounds = tuple(
            done.model_copy(update=changes[place] if place < len(changes) else {})
            for place, done in enumerate(summary.rounds)
        )
        final = Final(loss=last, accuracy=0.1, cid="bafkreiexample")
        changed = {"rounds": rounds, "final": final, "genesis": Genesis(loss=first, accuracy=0.1)}
        return summary.model_copy(update=changed)

    return make


def reverted(**objections):
    return {"overturned": True, "objections": objections or HARM}


def test_a_run_that_learnt_something_needs_no_explanation(ended):
    assert why_ended(ended()) == ""


def test_where_every_model_was_reverted_for_harm_alone_training_diverges(ended):
    told = why_ended(ended(reverted(), reverted(), reverted(), last=2.3))
    assert told == "training diverges: every model was worse on the trainers' own data" + LOWER


def test_where_most_were(ended):
    told = why_ended(ended({}, reverted(), reverted()))
    assert told == "training diverges: 2 of 3 models were worse on the trainers' own data" + LOWER
    assert why_ended(ended({}, {}, reverted())) == ""


def test_a_reversal_that_blames_the_evaluator_is_another_story(ended):
    blamed = reverted(bob="model_harmful", charlie="model_mismatch")
    assert why_ended(ended(blamed, blamed, blamed, last=2.3)) == ""


def test_objections_that_were_not_upheld_explain_nothing(ended):
    heard = {"objections": HARM}
    assert why_ended(ended(heard, heard, heard)) == ""


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (2.31, "the last model's loss is 2.31, the first one's 2.3"),
        (None, "the last model's loss is not finite"),
    ],
)
def test_a_last_model_that_is_worse_than_the_first(ended, last, why):
    assert why_ended(ended(last=last)) == f"training diverges: {why}{LOWER}"
    assert why_ended(ended(last=last, rounds_to_eject=(None,))) == "", "an adversary may have done it"


def test_updates_without_finite_numbers(ended):
    names = ended().rounds[0].scores
    broken = {"rejected": dict.fromkeys(names, "non_finite")}
    told = why_ended(ended(broken, broken, broken, last=2.3))
    assert told == f"training diverges: no update has finite numbers{LOWER}"
    other = {"rejected": {**broken["rejected"], next(iter(names)): "slow"}}
    assert why_ended(ended(broken, broken, other, last=2.3)) == ""


def test_a_run_without_an_evaluated_round_says_nothing(ended):
    void = {"scores": {}}
    assert why_ended(ended(void, void, void, last=None)) == ""
