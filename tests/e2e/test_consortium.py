# SPDX-License-Identifier: Apache-2.0
"""Members who train, judge each other and agree on a model, through a whole run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import Results, results_of
from bcfl.scenarios.outcome.summary import Summary
from bcfl.scenarios.running.runner import run

TOKEN = 10**18
MEMBERS = ("anna", "ben", "cleo", "dora")


async def carried_out(tmp_path: Path, *, findings: bool = False, **changes) -> tuple[Summary, Results]:
    """A run with changes at ``task`` and at Dora; the audit must agree, or must not."""
    task = {
        "kind": "consortium",
        "rounds": 2,
        "network": {"name": "mlp", "hidden": 8},
        "training": {"batch_size": 20},
        "score": {"name": "shapley", "value": "probability"},
        "reward": {"mode": "round_budget", "per_round": "10", "budget": "24"},
    }
    scenario = from_mapping(
        {
            "name": "tiny",
            "seed": 3,
            "task": {**task, **changes.get("task", {})},
            "data": {"dataset": {"name": "synthetic", "samples": 400, "test_samples": 100}},
            "population": {
                "trainers": [
                    *({"name": name} for name in MEMBERS[:3]),
                    {"name": "dora", **changes.get("dora", {})},
                ]
            },
            "compute": {"executor": "threads"},
            "chain": changes.get("chain", {}),
        }
    )
    result = await run(scenario, out=tmp_path / "run")
    results = results_of(RunDirectory.open(result.directory).events())
    state = results.state
    assert result.summary.status == "completed"
    assert state.returned is not None
    paid = sum(member.withdrawn for member in state.members.values())
    assert paid + state.returned == state.budget + state.slashed
    assert all(not member.bond and not member.stake for member in state.members.values())
    assert bool((await audit(result.directory)).findings) is findings
    return result.summary, results


def test_a_run_pays_for_training_and_for_judging_and_compares_with_going_alone(finished, tiny, bcfl):
    directory = finished(scenario=tiny)
    told = json.loads((directory / "summary.json").read_text())
    assert told["status"] == "completed"
    members = told["members"]
    assert list(members) == list(MEMBERS)
    paid = {name: int(told["participants"][name]["tokens"]) for name in MEMBERS}
    for name, member in members.items():
        assert int(member["training_tokens"]) + int(member["judging_tokens"]) == paid[name]
        assert (member["samples"], member["held_out"], member["judge"]) == (80, 20, "honest")
        for model in ("alone", "pooled", "federated"):
            assert 0 <= member[model]["accuracy"] <= 1
            assert member[model]["samples"] == 100
    assert sum(int(member["training_tokens"]) for member in members.values()) == 20 * TOKEN
    assert 0 < sum(int(member["judging_tokens"]) for member in members.values()) <= 4 * TOKEN
    assert sum(member["contribution"] for member in members.values()) == pytest.approx(1)
    assert min(members, key=lambda name: members[name]["contribution"]) == "cleo"
    assert sum(paid.values()) + int(told["tokens"]["returned"]) == 24 * TOKEN
    for round_ in told["rounds"]:
        assert sum(round_["scores"].values()) == pytest.approx(1, abs=1e-8)
        assert round_["agreement"]["settled"]
        assert set(round_["agreement"]["votes"].values()) == {round_["agreement"]["model"]}
        assert set(round_["agreement"]["judged_loss"]) == set(MEMBERS)
    assert told["final"]["loss"] == told["rounds"][-1]["global_loss"] < told["genesis"]["loss"]
    assert told["final"]["cid"] == told["rounds"][-1]["agreement"]["model"]
    # an evaluator's data are nobody's here, and what the log does not hold is nowhere
    for name in ("summary.json", "rounds.jsonl", "log.jsonl"):
        (directory / name).rename(directory / f"{name}.old")
    table = bcfl("replay", str(directory))
    assert table.returncode == 0, table.stderr
    assert f"{told['final']['loss']:.4f}" in table.stdout


def test_same_file_and_seed_give_the_same_digest_whatever_the_workers(finished, tiny, bcfl):
    variants = (("--set", "compute.workers=1"), ("--set", "compute.executor=processes"))
    digests = [
        bcfl("replay", str(finished(*options, scenario=tiny)), "--digest").stdout for options in variants
    ]
    assert len(digests[0].strip()) == 64
    assert digests[0] == digests[1]


def test_another_clock_gives_the_same_models_and_tokens(finished, tiny, outcome):
    soon = ("--set", "task.schedule.closing_s=2")
    driven = finished(*soon, scenario=tiny)
    assert outcome(driven) == outcome(finished(*soon, "--set", "chain.block_time=0.4", scenario=tiny))


def test_an_audit_settles_and_computes_again_and_names_what_differs(finished, tiny, bcfl):
    directory = finished(scenario=tiny)
    confirmed = bcfl("audit", str(directory))
    assert (confirmed.returncode, "all as they say" in confirmed.stdout) == (0, True)
    path = directory / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    opened = next(line for line in lines if line["event"] == "ScoresRevealed")
    opened["scores"][0] += 10**8
    settled = next(line for line in lines if line["event"] == "ScoresSettled")
    settled["scores"][0], settled["scores"][1] = settled["scores"][1], settled["scores"][0]
    path.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
    result = bcfl("audit", str(directory))
    assert result.returncode == 8
    assert "round 1, settled scores" in result.stdout
    assert "by anna: " in result.stdout


@pytest.mark.asyncio
async def test_a_named_member_proposes_and_the_others_confirm(tmp_path: Path) -> None:
    plain, _ = await carried_out(tmp_path / "plain")
    led, results = await carried_out(tmp_path / "led", task={"aggregator_role": "ben"})
    assert led.final.cid == plain.final.cid
    ben = results.state.index_of[results.state.members[1].account]
    assert all(next(iter(record.model_votes)) == ben for record in results.state.rounds.values())


@pytest.mark.asyncio
async def test_stakes_and_bonds_come_back(tmp_path: Path) -> None:
    _, results = await carried_out(tmp_path, task={"membership": {"stake": "1", "bond": "2"}})
    assert results.state.slashed == 0


@pytest.mark.asyncio
async def test_who_keeps_its_scores_to_itself_loses_its_bond_and_its_pay(tmp_path: Path) -> None:
    summary, results = await carried_out(tmp_path, dora={"judge": "withholder"})
    assert [round_.agreement.not_opened for round_ in summary.rounds] == [("dora",), ("dora",)]
    assert results.state.slashed == 3 * 10**9
    assert summary.participants["dora"].tokens == "0"
    assert all(round_.agreement.settled for round_ in summary.rounds)


@pytest.mark.asyncio
async def test_made_up_scores_are_outvoted_and_an_audit_finds_them(tmp_path: Path) -> None:
    summary, _ = await carried_out(tmp_path, dora={"judge": "inverter"}, findings=True)
    honest = [int(summary.members[name].judging_tokens) for name in MEMBERS[:3]]
    assert int(summary.members["dora"].judging_tokens) < min(honest)


@pytest.mark.asyncio
async def test_confirmations_are_waited_for(tmp_path: Path) -> None:
    plain, _ = await carried_out(tmp_path / "plain")
    deep, _ = await carried_out(tmp_path / "deep", chain={"confirmations": 3})
    assert deep.final == plain.final
    assert deep.members == plain.members


@pytest.mark.asyncio
async def test_who_joins_late_is_waited_for_until_the_deadline_alone(tmp_path: Path) -> None:
    summary, results = await carried_out(
        tmp_path, task={"membership": {"capacity": 5}, "schedule": {"enrolment_s": 5}}
    )
    assert len(results.state.members) == 4
    assert summary.detection.liveness.rounds_finalised == 2
