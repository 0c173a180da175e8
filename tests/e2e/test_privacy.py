# SPDX-License-Identifier: Apache-2.0
"""Trainers who keep their samples private: what it costs is told, noise earns nothing, and the audit agrees."""

from __future__ import annotations

import pytest

from bcfl.models.training.privacy import Privacy
from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.running.runner import run
from bcfl.views.run.report import write_report

_TASK = """
  rounds: 4
  network: {name: mlp, hidden: 16}
  training: {learning_rate: 0.1, momentum: 0.0, batch_size: 20, epochs: 2}
"""
_DATA = "data: {dataset: {name: synthetic, samples: 2000, test_samples: 600}}\n"
_CROWD = f"""
name: private
task:{_TASK}  score: step
{_DATA}population:
  evaluators: [{{name: alice}}]
  trainers:
    - {{name: open, count: 2}}
    - {{name: little, privacy: {{noise_multiplier: 0.5}}}}
    - {{name: much, privacy: {{noise_multiplier: 3.0}}}}
"""
_MEMBERS = f"""
name: private-silos
task:
  kind: consortium{_TASK}  reward: {{mode: round_budget, per_round: "10"}}
{_DATA}population:
  trainers: [{{name: a}}, {{name: b}}, {{name: c, privacy: {{noise_multiplier: 0.8, delta: 0.001}}}}]
"""


def _scenario(tmp_path, text):
    path = tmp_path / "it.yaml"
    path.write_text(text)
    return load(path)


@pytest.mark.asyncio
async def test_more_noise_earns_less_and_its_cost_adds_up(tmp_path):
    summary = (await run(_scenario(tmp_path, _CROWD), out=tmp_path / "run")).summary
    paid = {name: int(one.tokens) for name, one in summary.participants.items()}
    assert paid["much"] < paid["little"] < min(paid["open-1"], paid["open-2"])
    for number, done in enumerate(summary.rounds, start=1):
        assert done.epsilon == {
            name: pytest.approx(
                Privacy(noise_multiplier=noise).epsilon(samples=500, batch_size=20, steps=number * 2 * 25)
            )
            for name, noise in (("little", 0.5), ("much", 3.0))
        }
    assert not (await audit(tmp_path / "run")).findings
    assert "privacy spent, ε" in write_report(RunDirectory.open(tmp_path / "run")).read_text()


@pytest.mark.asyncio
async def test_a_member_of_a_consortium_may_be_private_too(tmp_path):
    summary = (await run(_scenario(tmp_path, _MEMBERS), out=tmp_path / "run")).summary
    spent = [done.epsilon for done in summary.rounds]
    assert [set(one) for one in spent] == [{"c"}] * 4
    assert spent[0]["c"] < spent[-1]["c"]
    assert not (await audit(tmp_path / "run")).findings
