# SPDX-License-Identifier: Apache-2.0
"""Rooted tasks on a real chain: everybody is paid, whom the rooter leaves out acts by proof, and a list that is missing stops nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bcfl.agents.relayer import relayer, rooting
from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.running.runner import run

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(300), pytest.mark.asyncio]

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"
ROOTED = ["task.intake.relayed=true", "task.intake.rooted=true"]


def _records(directory):
    return [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]


def _names(directory, source="chain"):
    return [record["event"] for record in _records(directory) if record["source"] == source]


def _sent(directory, source):
    return [
        record["action"].partition(":")[0]
        for record in _records(directory)
        if record["event"] == "transaction" and record["source"] == source
    ]


async def test_a_rooted_task_pays_everybody_and_its_audit_finds_nothing(tmp_path):
    result = await run(load(QUICK, ROOTED), out=tmp_path / "run")
    assert result.summary.status == "completed"
    names = _names(tmp_path / "run")
    assert (names.count("RootCommitted"), names.count("RootRevealed")) == (2, 2)
    assert names.count("UpdateSubmitted") == 6
    assert set(_sent(tmp_path / "run", "relayer")) == {"join", "commit", "reveal"}
    assert not _sent(tmp_path / "run", "bob")
    found = await audit(tmp_path / "run")
    assert found.findings == ()


async def test_whom_the_rooter_leaves_out_opens_by_proof(tmp_path, monkeypatch):
    honest = rooting.opening

    def leaving_out(state, batch, results):
        return honest(state, [held for held in batch if held.message.index != 1], results)

    monkeypatch.setattr(rooting, "opening", leaving_out)
    result = await run(load(QUICK, ROOTED), out=tmp_path / "run")
    assert result.summary.status == "completed"
    names = _names(tmp_path / "run")
    assert (names.count("RootCommitted"), names.count("RootRevealed")) == (2, 2)
    assert names.count("UpdateSubmitted") == 6
    alone = [_sent(tmp_path / "run", name) for name in ("bob", "charlie", "david")]
    assert sorted(alone) == [[], [], ["reveal", "reveal"]]
    found = await audit(tmp_path / "run")
    assert found.findings == ()


async def test_whom_the_rooter_leaves_out_of_its_root_commits_alone(tmp_path, monkeypatch):
    honest = rooting.committing

    def leaving_out(state, batch, results):
        return honest(state, [message for message in batch if message.index != 1], results)

    monkeypatch.setattr(rooting, "committing", leaving_out)
    result = await run(load(QUICK, ROOTED), out=tmp_path / "run")
    assert result.summary.status == "completed"
    assert _names(tmp_path / "run").count("UpdateSubmitted") == 6
    alone = [_sent(tmp_path / "run", name) for name in ("bob", "charlie", "david")]
    assert sorted(alone) == [[], [], ["commit", "commit"]], "its openings the rooter brings, by proof"
    assert _sent(tmp_path / "run", "relayer").count("reveal") == 4
    found = await audit(tmp_path / "run")
    assert found.findings == ()


async def test_a_list_that_is_not_there_makes_updates_unknown_and_stops_nobody(tmp_path, monkeypatch):
    honest = relayer.Relayer.perform

    async def withholding(self, work):
        if isinstance(work, rooting.KeepList) and work.round == 1 and work.listing[0] == 1:
            return work.content  # the openings of round 1 never come into the store
        return await honest(self, work)

    monkeypatch.setattr(relayer.Relayer, "perform", withholding)
    result = await run(load(QUICK, ROOTED), out=tmp_path / "run")
    assert result.summary.status == "completed"
    directory = tmp_path / "run"
    submitted = [record["round"] for record in _records(directory) if record["event"] == "UpdateSubmitted"]
    assert submitted == [2, 2, 2]
    scored = {record["round"]: record for record in _records(directory) if record["event"] == "scored"}
    assert set(scored[1]["rejected"].values()) == {"unlisted"}
    assert not scored[2]["rejected"]
    said = [record for record in _records(directory) if record["event"] == "TrainerSuspended"]
    assert said == []
    assert "is unknown: their rooter" in (directory / "log.jsonl").read_text()
    rooter = result.summary.participants["relayer"].address
    found = await audit(directory)
    assert [f"the rooter {rooter} names the list" in one.message for one in found.findings] == [True]
    assert found.findings[0].round == 1
