# SPDX-License-Identifier: Apache-2.0
"""A hostile evaluator on a real anvil: honest trainers remove it, and the standby finishes the task."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import bcfl.scenarios
from bcfl.agents.common.behaviour import HonestJudge
from bcfl.contracts import events as e
from bcfl.contracts.event_codec import event_from_json
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.phases import Phase
from bcfl.registry import register
from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.directory.run_directory import RunDirectory

pytestmark = pytest.mark.anvil


@register("judge", "absent_minded", source="this test")
@dataclasses.dataclass(frozen=True, kw_only=True)
class AbsentMinded(HonestJudge):
    """Publishes ``model`` in place of the model: ``nothing``, ``garbage``, or ``zeros`` in the right form."""

    model: str = "nothing"
    misbehaves = True

    def name_model(self, model: bytes, **_: Any) -> bytes:
        length = int.from_bytes(model[:8], "little") + 8
        other = {
            "nothing": model,
            "garbage": b"garbage",
            "zeros": model[:length] + bytes(len(model) - length),
        }
        return other[self.model]

    async def publish(self, model: bytes, store: Any) -> Any:
        content = await store.put(model)
        if self.model == "nothing":
            return dataclasses.replace(content, digest=bytes(reversed(content.digest)))
        return content


def _scenario(model: str, *, rounds: int):
    return from_mapping(
        {
            "name": "hostile",
            "seed": 1,
            "task": {
                "rounds": rounds,
                "network": {"name": "mlp", "hidden": 4},
                "training": {"learning_rate": 0.05, "batch_size": 20, "epochs": 1},
                "score": "shapley",
            },
            "data": {"dataset": {"name": "synthetic", "samples": 90, "test_samples": 60}},
            "population": {
                "evaluators": [
                    {"name": "alice", "behaviour": {"name": "absent_minded", "model": model}},
                    {"name": "erin"},
                ],
                "trainers": [{"name": "bob"}, {"name": "charlie"}, {"name": "david"}],
            },
            "storage": {"kind": "directory"},
            "compute": {"executor": "threads", "workers": 1},
        }
    )


async def _played(scenario: Any, tmp_path: Any):
    """The run's directory, its task at the end, and the trainers' reasons to object."""
    result = await bcfl.scenarios.run(scenario, out=tmp_path / "run")
    records = list(RunDirectory.open(result.directory).events())
    told = [event_from_json(r) for r in records if r["source"] == "chain" and hasattr(e, r["event"])]
    created = next(event for event in told if isinstance(event, e.TaskCreated))
    state = first_state(created)
    state = fold(state, [event for event in told if event.origin.address == state.address])
    return result, state, [record["reason"] for record in records if record["event"] == "object"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [("nothing", "model_unavailable"), ("garbage", "model_malformed"), ("zeros", "model_mismatch")],
)
@pytest.mark.asyncio
async def test_three_honest_trainers_remove_it_and_the_standby_finishes(tmp_path, model, reason):
    result, state, reasons = await _played(_scenario(model, rounds=4), tmp_path)
    assert reasons == [reason] * 3
    assert state.phase is Phase.COMPLETED
    assert state.rounds[1].reverted
    assert state.rounds[1].objections == (0, 1, 2)
    assert [number for number, record in state.rounds.items() if record.report is None] == [2], (
        "more than one round is lost"
    )
    assert [state.rounds[n].evaluator for n in (1, 3, 4)] == [0, 1, 1]
    assert state.rounds[3].start_model == state.config.genesis, (
        "the standby did not begin from the good model"
    )
    bond = state.config.bond
    assert sum(state.rounds[1].bond_shares.values()) == bond
    assert max(state.rounds[1].bond_shares.values()) - min(state.rounds[1].bond_shares.values()) <= 2
    assert [one.withdrawn for one in state.members.values()] == [one.earned for one in state.members.values()]
    assert state.earned == sum(record.payout for record in state.rounds.values()) + bond
    assert bond >= state.rounds[1].payout
    assert [place for place, one in enumerate(state.evaluators) if one.returned] == [1]
    assert result.summary.final.accuracy is not None


@pytest.mark.asyncio
async def test_in_closing_the_last_model_goes_back(tmp_path):
    _, state, reasons = await _played(_scenario("garbage", rounds=1), tmp_path)
    assert reasons == ["model_malformed"] * 3
    assert state.phase is Phase.COMPLETED
    assert state.model == state.config.genesis
    assert (state.round, state.rounds[1].reverted) == (1, True)


@pytest.mark.asyncio
async def test_the_audit_names_the_wrong_model_and_finds_that_the_money_adds_up(tmp_path):
    result, _, _ = await _played(_scenario("zeros", rounds=3), tmp_path)
    audited = await audit(result.directory)
    differences = [str(difference) for difference in audited.findings]
    assert any("round 1, global model" in text for text in differences)
    assert {found.round for found in audited.findings} == {1}, differences
