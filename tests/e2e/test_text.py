# SPDX-License-Identifier: Apache-2.0
"""Text as data: a crowd with the default defence and a consortium learn to guess the next token, and both audits agree."""

from __future__ import annotations

import pytest

from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.running.runner import run

_TASK = """
  rounds: 3
  network: {name: char_lstm, embedding: 6, hidden: 24, layers: 1, dropout: 0.0, vocabulary: CLASSES, classes: CLASSES, learn: LEARN}
  training: {learning_rate: 0.4, momentum: 0.8, batch_size: 20, epochs: 2}
"""
_DATA = "  dataset: {name: synthetic, form: texts, classes: CLASSES, features: 8, samples: 1600, test_samples: 400, noise: 0.5}\n"
_CROWD = f"""
name: text
task:{_TASK}  defence: pipeline
data:
{_DATA}population:
  evaluators: [{{name: alice}}]
  trainers:
    - {{name: bob, count: 4}}
    - {{name: mallory, behaviour: {{name: low_quality, noise: 5}}}}
    - {{name: larry, behaviour: replay_global}}
"""
_MEMBERS = f"""
name: text-silos
task:
  kind: consortium{_TASK}  reward: {{mode: round_budget, per_round: "10"}}
data:
{_DATA}population:
  trainers: [{{name: a}}, {{name: b}}, {{name: c, flipped: 0.5}}]
"""


def _scenario(tmp_path, text, classes, learn="all"):
    path = tmp_path / "it.yaml"
    path.write_text(text.replace("CLASSES", str(classes)).replace("LEARN", learn))
    return load(path)


@pytest.mark.parametrize("classes", [9, 100])
@pytest.mark.asyncio
async def test_a_crowd_learns_from_text(tmp_path, classes):
    summary = (await run(_scenario(tmp_path, _CROWD, classes), out=tmp_path / "run")).summary
    assert summary.rounds[-1].global_loss < summary.genesis.loss - 0.3
    paid = {name: int(one.tokens) for name, one in summary.participants.items()}
    honest = [paid[f"bob-{number}"] for number in range(1, 5)]
    assert paid["larry"] == 0
    assert paid["mallory"] < min(honest)
    assert max(honest) < 2 * min(honest)
    assert not (await audit(tmp_path / "run")).findings


@pytest.mark.asyncio
async def test_a_consortium_learns_from_text(tmp_path):
    summary = (await run(_scenario(tmp_path, _MEMBERS, 9, "last"), out=tmp_path / "run")).summary
    assert summary.rounds[-1].global_loss < summary.genesis.loss - 0.3
    paid = {name: int(one.tokens) for name, one in summary.participants.items()}
    assert paid["c"] < min(paid["a"], paid["b"])
    assert not (await audit(tmp_path / "run")).findings
