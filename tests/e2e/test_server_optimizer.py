# SPDX-License-Identifier: Apache-2.0
"""Server optimisers in both settings: everybody comes to the same model, trainers can check it, and audits repeat it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcfl.models.wire.tensors import decode
from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.directory.trained import trained_model
from bcfl.scenarios.running.runner import run

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"


async def carried_out(path, tmp_path, *settings):
    result = await run(load(path, list(settings)), out=tmp_path / "run")
    audited = await audit(result.directory)
    assert audited.findings == ()
    return result.summary


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["momentum", "adam", "yogi"])
async def test_a_crowd_steps_by_it_and_nobody_objects(tmp_path, name):
    plain = (await run(load(QUICK, ["task.rounds=4"]), out=tmp_path / "plain")).summary
    summary = await carried_out(QUICK, tmp_path, "task.rounds=4", f"task.server_optimizer={name}")
    assert summary.status == "completed"
    assert [done.objections for done in summary.rounds] == [{}] * 4
    assert summary.rounds[-1].global_loss != plain.rounds[-1].global_loss
    assert summary.rounds[-1].global_loss < summary.genesis.loss
    card, _ = trained_model(RunDirectory(tmp_path / "run"))
    _, metadata = decode((tmp_path / "run" / "final.safetensors").read_bytes(), card.build().schema())
    assert len(metadata["server_memory"]) == 64


@pytest.mark.asyncio
async def test_momentum_is_quicker_where_steps_are_small(tmp_path):
    small = ["task.rounds=6", "task.training.learning_rate=0.005"]
    plain = (await run(load(QUICK, small), out=tmp_path / "plain")).summary
    summary = await carried_out(QUICK, tmp_path, *small, "task.server_optimizer=momentum")
    assert summary.final.loss < plain.final.loss - 0.05


@pytest.mark.asyncio
async def test_a_consortium_agrees_on_it(tmp_path, tiny):
    summary = await carried_out(
        tiny, tmp_path, "task.rounds=3", 'task.reward.budget="36"', "task.server_optimizer=yogi"
    )
    assert summary.status == "completed"
    assert len(summary.rounds) == 3


@pytest.mark.asyncio
async def test_an_evaluator_that_names_another_model_is_found_out(tmp_path):
    summary = (
        await run(
            load(
                QUICK,
                [
                    "task.rounds=3",
                    "task.server_optimizer=momentum",
                    "population.evaluators=[{name: alice, behaviour: equivocator}, {name: bea}]",
                ],
            ),
            out=tmp_path / "run",
        )
    ).summary
    assert summary.rounds[0].overturned
    assert summary.participants["alice"].removed_round is not None
    assert not any(done.overturned for done in summary.rounds[1:])
