# SPDX-License-Identifier: Apache-2.0
"""Which tasks suit an agent."""

from __future__ import annotations

import pytest

from bcfl.agents.hosting.auditing import AuditorProgram
from bcfl.agents.hosting.choice import Choice
from bcfl.agents.hosting.limits import Limits
from bcfl.agents.hosting.programs import (
    AggregatorProgram,
    EvaluatorProgram,
    KeeperProgram,
    MemberProgram,
    TrainerProgram,
    kind_of,
)
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import EntryReference, Specification

OTHER = "0x" + "7" * 40


def test_whoever_wants_nothing_takes_everything(story):
    assert Choice().refuses(story().state, Kind.CROWDSOURCING) is None
    assert Choice().refuses(story(kind=Kind.CONSORTIUM).state, Kind.CONSORTIUM) is None


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"kind": Kind.CONSORTIUM}, "it is a crowdsourcing task"),
        ({"publishers": frozenset({OTHER})}, "its publisher is"),
        ({"token": OTHER}, "it pays in"),
        ({"least_pay": 10**15}, "tokens a round"),
        ({"most_rounds": 1}, "it has"),
        ({"task": OTHER}, "it is another task"),
    ],
)
def test_each_wish_is_a_reason_to_pass(story, choice, reason):
    state = story(rounds=3).state
    assert reason in Choice(**choice).refuses(state, Kind.CROWDSOURCING)


def test_what_others_put_at_stake_is_no_reason(story):
    """A crowd's bond is its evaluator's alone, and a keeper, an aggregator or an auditor stakes nothing."""
    crowd, consortium = story(stake=2, bond=900).state, story(stake=2, bond=900, kind=Kind.CONSORTIUM).state
    samples = object()
    deposits = {
        TrainerProgram(samples=samples): (crowd, 2),
        EvaluatorProgram(samples=samples): (crowd, 900),
        MemberProgram(samples=samples): (consortium, 902),
        AggregatorProgram(): (crowd, 0),
        KeeperProgram(): (crowd, 0),
        AuditorProgram(): (crowd, 0),
    }
    for program, (state, deposit) in deposits.items():
        assert program.deposit(state) == deposit
        assert Choice(limits=Limits(stake=deposit)).refuses(state, kind_of(state), deposit=deposit) is None
        reason = Choice(limits=Limits(stake=deposit - 1)).refuses(state, kind_of(state), deposit=deposit)
        assert reason == f"it asks for {deposit / 1e9:g} tokens of stake and bond"


def test_wishes_that_are_met_are_none(story):
    state = story(rounds=3).state
    choice = Choice(
        kind=Kind.CROWDSOURCING,
        publishers=frozenset({state.publisher}),
        token=state.config.token,
        least_pay=state.budget // 3,
        most_rounds=3,
    )
    assert choice.refuses(state, Kind.CROWDSOURCING) is None


def test_the_one_task_that_is_named_is_taken_whatever_else(story):
    state = story().state
    assert (
        Choice(task=state.address, kind=Kind.CONSORTIUM, most_rounds=0).refuses(state, Kind.CROWDSOURCING)
        is None
    )


def test_what_is_trained_is_of_the_specification():
    specification = Specification(
        title="t",
        network=EntryReference("mlp"),
        training={},
        score=EntryReference("shapley"),
        aggregator=EntryReference("fedavg"),
        tensors=(),
    )
    assert Choice(networks=frozenset({"mlp", "tabular"})).refuses_specification(specification) is None
    assert Choice(networks=frozenset({"tabular"})).refuses_specification(specification) == "it trains mlp"
