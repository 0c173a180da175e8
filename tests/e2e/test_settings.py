# SPDX-License-Identifier: Apache-2.0
"""The task's options, each through a whole run: it completes, money adds up, and the audit agrees."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import Results, results_of
from bcfl.scenarios.running.runner import run

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"


async def carried_out(tmp_path: Path, *settings: str) -> Results:
    result = await run(load(QUICK, list(settings)), out=tmp_path / "run")
    tokens = result.summary.tokens
    assert result.summary.status == "completed"
    assert int(tokens.paid) + int(tokens.returned) == int(tokens.budget)
    assert int(tokens.paid) > 0
    audited = await audit(result.directory)
    assert audited.findings == ()
    return results_of(RunDirectory.open(result.directory).events())


@pytest.mark.asyncio
async def test_in_the_open_without_commit_and_reveal(tmp_path: Path) -> None:
    results = await carried_out(tmp_path, "task.intake.commit_reveal=false")
    record = results.state.rounds[1]
    assert len(record.updates) == 3
    assert not record.commitments


@pytest.mark.asyncio
@pytest.mark.parametrize("rule", ["random", "first_come", "score_order"])
async def test_cohorts_of_two_of_three(tmp_path: Path, rule: str) -> None:
    results = await carried_out(
        tmp_path, f"task.selection.rule={rule}", "task.selection.cohort=2", "task.rounds=4"
    )
    records = list(results.state.rounds.values())
    assert all(len(record.cohort) == 2 and len(record.updates) == 2 for record in records)
    if rule == "first_come":
        assert {record.cohort for record in records} == {(0, 1)}
    if rule == "score_order":
        # Whoever has no score yet comes first; then the best two of all.
        assert set(records[0].cohort) | set(records[1].cohort) == {0, 1, 2}


@pytest.mark.asyncio
async def test_a_fixed_budget_a_round_pays_exactly_that(tmp_path: Path) -> None:
    results = await carried_out(
        tmp_path, "task.reward.mode=round_budget", 'task.reward.per_round="7"', 'task.reward.budget="14"',
        "task.reward.vesting_rounds=1",
    )  # fmt: skip
    assert [record.payout for record in results.state.rounds.values()] == [7 * 10**9] * 2


@pytest.mark.asyncio
async def test_stakes_come_back_and_standby_evaluators_get_their_bonds(tmp_path: Path) -> None:
    results = await carried_out(
        tmp_path, 'task.membership.stake="5"', "population.evaluators=[{name: alice}, {name: ann}]"
    )
    assert all(member.stake == 0 for member in results.state.members.values())
    assert all(evaluator.returned for evaluator in results.state.evaluators)
    assert [evaluator.served for evaluator in results.state.evaluators] == [True, False]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("score", "aggregator"),
    [("step", "{name: fedavg, by: unweighted}"), ("leave_one_out", "fedavg"), ("shapley_mean", "{name: fedavg, by: score}")],
)  # fmt: skip
async def test_other_scores_and_aggregators(tmp_path: Path, score: str, aggregator: str) -> None:
    await carried_out(tmp_path, f"task.score={score}", f"task.aggregator={aggregator}")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "partition",
    ["{name: dirichlet, alpha: 0.5}", "{name: shards, classes_per_client: 4}", "{name: slices, size: 100}"],
)
async def test_other_partitions(tmp_path: Path, partition: str) -> None:
    await carried_out(tmp_path, f"data.partition={partition}", "storage.kind=directory")


@pytest.mark.asyncio
async def test_confirmations_are_waited_for_on_a_driven_clock(tmp_path: Path) -> None:
    plain = await carried_out(tmp_path / "plain")
    deep = await carried_out(tmp_path / "deep", "chain.confirmations=3")
    assert deep.state.model == plain.state.model
    assert [m.earned for m in deep.state.members.values()] == [m.earned for m in plain.state.members.values()]


@pytest.mark.asyncio
async def test_a_publisher_ends_the_task_once_a_model_is_good_enough(tmp_path: Path) -> None:
    result = await run(load(QUICK, ["task.rounds=8", "task.target_loss=0.6"]), out=tmp_path / "run")
    summary = result.summary
    reached = next(done.round for done in summary.rounds if done.global_loss <= 0.6)
    assert summary.status == "cancelled"
    assert len(summary.rounds) == reached + 1 < 8
    assert summary.conclusion.startswith(
        f"the target was reached: the model of round {reached} has a loss of 0."
    )
    assert int(summary.tokens.paid) + int(summary.tokens.returned) == int(summary.tokens.budget)
    assert (await audit(result.directory)).findings == ()


@pytest.mark.asyncio
async def test_who_hands_in_at_the_last_moment_earns_no_share_for_being_early(tmp_path: Path) -> None:
    late = (
        "population.trainers=[{name: bob}, {name: charlie}, {name: david, behaviour: straggler}]",
        "task.rounds=3",
    )
    usual = await carried_out(tmp_path / "usual", *late)
    early = await carried_out(tmp_path / "early", *late, "task.reward.timeliness=0.5")
    for number, record in early.state.rounds.items():
        before = usual.state.rounds[number].scores
        for index, score in record.scores.items():
            grown = 1 + 0.5 * record.timeliness(index)
            assert score == pytest.approx(before[index] * (grown if before[index] > 0 else 1), abs=2)
        bob, _, david = sorted(record.commitments)
        assert record.timeliness(bob) > 0.9
        assert record.timeliness(david) < 0.3
