# SPDX-License-Identifier: Apache-2.0
"""Records that agents write of themselves are declared once; writing, reading and checking go by that."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import bcfl
from bcfl.agents.common import decisions
from bcfl.agents.common.decisions import (
    DECISIONS,
    Aggregated,
    Decision,
    Misbehaving,
    Telling,
    Trained,
    Unusable,
)
from bcfl.scenarios.directory.record_forms import what_is_wrong
from bcfl.scenarios.errors import RunDirectoryUnreadable
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.running.recorder import Recorder

SOURCES = Path(next(iter(bcfl.__path__)))


def written(decision, *, number=3):
    """The line of the event log that an agent's decision becomes."""
    lines = []
    recorder = Recorder(append=lines.append, results=Results(), watch=lambda _: None)
    Telling(observer=recorder, agent="bob", role="trainer")(number, decision)
    recorder.flush()
    return json.loads(json.dumps(lines[-1], allow_nan=False))


def test_every_kind_of_decision_has_a_name_of_its_own():
    declared = {kind for kind in vars(decisions).values() if isinstance(kind, type)}
    kinds = {kind for kind in declared if issubclass(kind, Decision)} - {Decision}
    assert set(DECISIONS.values()) == kinds
    assert all(DECISIONS[kind.name] is kind for kind in kinds)


def test_no_agent_writes_a_record_past_the_declarations():
    callers = {
        path.relative_to(SOURCES).as_posix()
        for folder in ("agents", "scenarios")
        for path in (SOURCES / folder).rglob("*.py")
        if re.search(r"\.decided\(", path.read_text())
    }
    # A transaction is named after its action; metrics and traces pass on what they hear; a process of its own says when it ends.
    assert callers == {
        "agents/common/decisions.py",
        "agents/hosting/observing/metrics.py",
        "agents/hosting/observing/tracing.py",
        "agents/runtime/shell.py",
        "scenarios/running/participant.py",
    }


@pytest.mark.parametrize(
    "decision",
    [
        Trained(loss=0.5, samples=10, steps=4),
        Trained(loss=float("nan"), samples=10, steps=4),
        Aggregated(cid="bafy", weights={"0": 3, "12": 5}),
        Unusable(reason="it is not there"),
        Misbehaving(),
    ],
)
def test_what_is_written_is_sound_and_read_as_it_was(decision):
    record = written(decision)
    assert what_is_wrong(record) is None
    results = Results()
    results.take(record)
    [said] = results.told(3, type(decision)).values()
    loss = getattr(decision, "loss", None)
    assert said == (decision.model_copy(update={"loss": None}) if loss != loss else decision)
    assert record.keys() - {"block", "time", "event", "source", "role", "round"} == decision.model_fields_set


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"samples": "10"}, "samples"),
        ({"steps": -1}, "steps"),
        ({"loss": "much"}, "loss"),
        ({"steps": None}, "steps"),
    ],
)
def test_a_record_in_another_form_is_said_to_be_wrong(change, where):
    record = written(Trained(loss=0.5, samples=10, steps=4)) | change
    assert f"'{where}'" in what_is_wrong(record)
    results = Results()
    results.take(record)
    with pytest.raises(
        RunDirectoryUnreadable, match=f"'trained' of bob in round 3 .*'{where}'.*run the scenario again"
    ):
        results.told(3, Trained)


def test_an_index_is_written_in_one_way():
    record = written(Aggregated(cid="bafy", weights={"3": 1}))
    assert "weights" in what_is_wrong(record | {"weights": {"03": 1}})
