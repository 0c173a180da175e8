# SPDX-License-Identifier: Apache-2.0
"""Every judge of the catalogue before crowds of 3 to 12 honest trainers with stakes, and a standby behind it.

Who shows itself in what trainers can check is out after one round; nobody honest loses a stake or another round, and
everybody is paid. ``benchmarks/judges_crowd.py`` makes the whole table.
"""

from __future__ import annotations

import pytest

from bcfl.contracts import events as e
from bcfl.registry import entries

pytestmark = pytest.mark.anvil

SHOWN = {
    "equivocator": "model_mismatch",
    "equivocator, unavailable": "model_unavailable",
    "ejector": "sanction_unfounded",
}
"""Judges that trainers can see, and what they find."""
UNSEEN = ("bias", "self_dealer", "inverter", "random_scores", "uniform", "copycat")
"""They lie in scores alone: the audit names them."""
PARAMETERS = {"equivocator, unavailable": {"name": "equivocator", "what": "unavailable"}}
STAKE = 10 * 10**9


def _play(play, honest, judge, trainers, **options):
    names = [f"bob-{number}" for number in range(trainers)]
    return play(
        [*honest(names[0], group="ring"), *honest(" ".join(names[1:]))],
        rounds=4,
        evaluators=(
            {"name": "mallory", "behaviour": PARAMETERS.get(judge, judge), "group": "ring"},
            {"name": "erin"},
        ),
        membership={"stake": "10"},
        reward={"mode": "round_budget", "per_round": "10", "budget": "40"},
        training={"batch_size": 20, "learning_rate": 0.05},
        score="step",
        **options,
    )


def _events(played, kind):
    return [event for event in played.results.task_events if isinstance(event, kind)]


def test_every_judge_of_the_catalogue_is_here():
    assert {*(name.split(",")[0] for name in SHOWN), *UNSEEN, "withholder"} == {
        entry.name
        for entry in entries("judge")
        if entry.source != "this test"  # other tests register judges of their own
    }


@pytest.mark.parametrize(
    ("judge", "trainers"),
    [(judge, n) for place, judge in enumerate(SHOWN) for n in ((3, 9), (5, 12))[place % 2]],
)
def test_who_shows_itself_is_out_after_one_round(play, honest, judge, trainers):
    played = _play(play, honest, judge, trainers)
    mallory, erin = played.state.evaluators
    assert (mallory.removed, erin.removed) == (True, False)
    records = played.state.rounds
    assert [record.reverted for record in records.values()] == [True, False, False, False]
    assert set(played.rounds[0].objections.values()) == {SHOWN[judge]}
    # The round that was under way is void; no other, and nobody objects to the standby.
    evaluated = {number: record.evaluator for number, record in records.items() if record.report is not None}
    assert evaluated == {1: 0, 3: 1, 4: 1}
    assert not any(record.objections for record in list(records.values())[1:])
    assert not _events(played, e.StakeSlashed)
    assert {event.amount for event in _events(played, e.StakeReturned)} == {STAKE}
    assert all(played.tokens(f"bob-{n}") > 0 for n in range(trainers))
    assert played.improved


@pytest.mark.parametrize(
    ("judge", "trainers"),
    [(judge, n) for place, judge in enumerate(UNSEEN) for n in ((5, 12), (3, 9))[place % 2]],
)
def test_who_lies_in_scores_alone_is_the_audits(play, honest, judge, trainers):
    played = _play(play, honest, judge, trainers)
    assert not any(record.objections for record in played.state.rounds.values())
    assert not _events(played, e.StakeSlashed)
    assert played.finalised == 4
    assert played.improved


@pytest.mark.parametrize("trainers", [3, 12])
def test_who_says_nothing_costs_a_window(play, honest, trainers):
    played = _play(play, honest, "withholder", trainers, schedule={"evaluation_s": 300})
    mallory, erin = played.state.evaluators
    assert (mallory.removed, erin.removed) == (True, False)
    assert not any(record.objections for record in played.state.rounds.values())
    assert not _events(played, e.StakeSlashed)
    assert all(played.tokens(f"bob-{n}") > 0 for n in range(trainers))


@pytest.mark.parametrize("aggregator", [entry.name for entry in entries("aggregator")])
@pytest.mark.parametrize("defence", ["none", "pipeline"])
def test_where_training_diverges_no_bond_moves_and_the_last_line_says_so(play, honest, aggregator, defence):
    played = play(
        honest("bob charlie david eve frank"),
        evaluators=({"name": "alice"}, {"name": "erin"}),
        membership={"stake": "10"},
        training={"batch_size": 20, "learning_rate": 20.0, "momentum": 0.9},
        aggregator=aggregator,
        defence=defence,
        score="step",
    )
    assert all(record["blames"] is False for record in played.records if record["event"] == "object")
    assert played.summary.conclusion.startswith("training diverges: ")
    assert not _events(played, e.StakeSlashed)
    assert {removal.slashed for removal in _events(played, e.EvaluatorRemoved)} <= {0}
    bonds = {event.amount for event in _events(played, e.BondReturned)}
    assert bonds == {played.state.config.bond}
    assert len(_events(played, e.BondReturned)) == 2
