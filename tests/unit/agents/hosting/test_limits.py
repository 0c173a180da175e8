# SPDX-License-Identifier: Apache-2.0
"""What tasks ask of an agent's machine, and which of them it passes for that."""

from __future__ import annotations

import pytest

from bcfl.agents.hosting.auditing import AuditorProgram
from bcfl.agents.hosting.limits import Limits, Needs
from bcfl.agents.hosting.programs import (
    AggregatorProgram,
    EvaluatorProgram,
    KeeperProgram,
    MemberProgram,
    TrainerProgram,
)
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import EntryReference, Specification

MODEL = 4 * 1_000
FETCHED = 16 * 1000  # of the story's largest updates


def _specification(**kept):
    return Specification(
        title="t",
        network=EntryReference("mlp"),
        training={},
        score=EntryReference("step"),
        aggregator=EntryReference("fedavg"),
        tensors=(("w", (10, 99)), ("b", (10,))),
        **kept,
    )


def test_needs_follow_model_people_and_rounds(story):
    crowd = story(rounds=100, capacity=50).state
    ward = story(rounds=100, capacity=5, kind=Kind.CONSORTIUM).state
    specification = _specification()
    trainer = TrainerProgram(samples=None).needs(crowd, specification)
    assert trainer == Needs(memory=6 * MODEL, disk=100 * MODEL, upload=MODEL)
    evaluator = EvaluatorProgram(samples=None).needs(crowd, specification)
    assert evaluator == Needs(memory=56 * MODEL + FETCHED, disk=(100 * 50 + 100) * MODEL, upload=MODEL)
    assert AggregatorProgram().needs(crowd, specification) == Needs(
        memory=56 * MODEL + FETCHED, disk=(100 + 100) * MODEL, upload=MODEL
    )
    assert MemberProgram(samples=None).needs(ward, specification).memory == 11 * MODEL + FETCHED
    assert AuditorProgram().needs(crowd, specification) == Needs(memory=56 * MODEL + FETCHED)
    assert KeeperProgram().needs(crowd, specification) == Needs()


def test_a_cohort_and_what_the_terms_let_go_of_ask_for_less(story):
    state = story(rounds=100, capacity=50, cohort_size=8).state
    found = EvaluatorProgram(samples=None).needs(state, _specification(kept_models=3, kept_updates=2))
    assert found == Needs(memory=14 * MODEL + FETCHED, disk=(3 * 8 + 4) * MODEL, upload=MODEL)
    short = EvaluatorProgram(samples=None).needs(
        story(rounds=2, capacity=50).state, _specification(kept_models=30, kept_updates=20)
    )
    assert short.disk == (2 * 50 + 2) * MODEL  # not more rounds than there are


def test_a_server_optimiser_s_memory_is_kept_with_each_model(story):
    state = story(rounds=100, capacity=5, kind=Kind.CONSORTIUM).state
    adam = _specification(server_optimizer=EntryReference("adam"), kept_models=9, kept_updates=9)
    needs = MemberProgram(samples=None).needs(state, adam)
    assert (needs.disk, needs.upload) == ((10 + 10 * 3) * MODEL, 3 * MODEL)


@pytest.mark.parametrize("what", ["memory", "disk", "upload"])
def test_what_asks_for_more_than_the_limit_is_passed_with_both_amounts(what):
    needs = Needs(**{what: 3_000_000})
    assert Limits().refuses(needs) is None
    assert Limits(**{what: 3_000_000}).refuses(needs) is None
    reason = Limits(**{what: 2_999_999}).refuses(needs)
    assert reason.startswith("it asks for 3 MB of ")
    assert reason.endswith("and the limit is 3 MB")
    assert Limits(**{what: 512}).refuses(needs).endswith("512 bytes")
