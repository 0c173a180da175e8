# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from pathlib import Path

import pydantic
import pytest

from bcfl.scenarios.errors import SummaryUnreadable
from bcfl.scenarios.outcome.summary import (
    SCHEMA_VERSION,
    Detection,
    EventCounts,
    Fairness,
    Final,
    GasTotals,
    Genesis,
    Liveness,
    MemberSummary,
    Participant,
    Performance,
    RoundAgreement,
    RoundSummary,
    Summary,
    Suspension,
    Timings,
    TokenTotals,
    read_summary,
    summary_text,
)


@pytest.fixture
def summary() -> Summary:
    return Summary(
        scenario="small",
        seed=7,
        genesis=Genesis(loss=2.3, accuracy=0.1),
        rounds=(
            RoundSummary(
                round=1,
                global_loss=0.5,
                global_accuracy=0.9,
                scores={"bob": 0.25},
                tokens={"bob": str(2**200)},
                rejected={"eve": "not_finite"},
                ejected=("eve",),
                gas={"trainer": 5},
                agreement=RoundAgreement(settled=True, evaluation_tokens={"bob": "3"}, model="bafy"),
            ),
        ),
        final=Final(loss=0.5, accuracy=0.9, cid="bafy"),
        participants={
            "bob": Participant(
                role="trainer",
                address="0x00",
                suspensions=(Suspension(round=1, until_round=3, reason="copied"),),
            )
        },
        members={
            "bob": MemberSummary(
                training_tokens="4",
                contribution=None,
                samples=8,
                held_out=2,
                federated=Performance(accuracy=0.5, auroc=None, loss=math.inf, samples=3),
            )
        },
        tokens=TokenTotals(budget="10", paid="4", returned="6"),
        detection=Detection(
            precision=1.0,
            recall=None,
            f1=None,
            false_ejection_rate=0.0,
            rounds_to_eject={"eve": None},
            reward_share=0.0,
            return_on_misbehaviour={"eve": "-3", "bob": None},
            liveness=Liveness(rounds_planned=2, rounds_finalised=1),
        ),
        fairness=Fairness(updates=3, pay={"bob": "4"}, samples={"bob": 8}),
        timings=Timings(total_s=1.5),
        gas=GasTotals(total=5, per_trainer_round=5.0),
        events=EventCounts(delivered=3, retracted=0),
    )


def test_what_is_written_is_read_back_equal(tmp_path, summary):
    path = tmp_path / "summary.json"
    path.write_text(summary_text(summary))
    assert read_summary(path) == summary


def test_the_file_has_the_documented_fields(tmp_path, summary):
    path = tmp_path / "summary.json"
    path.write_text(summary_text(summary))
    data = json.loads(path.read_text())
    assert data["schema_version"] == SCHEMA_VERSION == 1
    documented = (Path(__file__).parents[4] / "docs" / "summary.md").read_text(encoding="utf-8")
    for keys in (
        data,
        data["rounds"][0],
        data["detection"],
        data["fairness"],
        data["timings"],
        data["gas"],
        data["events"],
        data["participants"]["bob"],
        data["participants"]["bob"]["suspensions"][0],
        data["detection"]["liveness"],
        data["final"],
        data["rounds"][0]["agreement"],
        data["members"]["bob"],
        data["members"]["bob"]["federated"],
    ):
        assert [key for key in keys if key not in documented] == []
    assert data["rounds"][0]["tokens"]["bob"] == str(2**200)
    assert data["participants"]["bob"]["behaviour"] == "honest"


def test_a_file_of_an_earlier_version_1_is_still_read(tmp_path, summary):
    data = json.loads(summary.model_dump_json())
    data["detection"] = None
    for part, since in (
        (data, ("members", "conclusion")),
        (data["final"], ("backdoor_success",)),
        (data["rounds"][0], ("reasons", "overturned", "objections", "agreement")),
        (data["participants"]["bob"], ("ejected_reason", "suspensions", "removed_round", "removed_reason")),
    ):
        for key in since:
            del part[key]
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(data))
    bob = summary.participants["bob"].model_copy(update={"suspensions": ()})
    plain = summary.rounds[0].model_copy(update={"agreement": None})
    changes = {"detection": None, "participants": {"bob": bob}, "members": {}, "rounds": (plain,)}
    assert read_summary(path) == summary.model_copy(update=changes)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_diverged_loss_is_null(value):
    assert Genesis(loss=value, accuracy=0.1).loss is None


@pytest.mark.parametrize("tokens", ["-1", "1.5", "1e3", ""])
def test_tokens_are_whole_base_units(tokens):
    with pytest.raises(pydantic.ValidationError):
        TokenTotals(budget=tokens, paid="0", returned="0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "JSON"),
        ("[1]", "version None"),
        ('{"schema_version": 2}', "version 2, this bcfl reads 1"),
        ('{"schema_version": 1}', "'scenario'"),
    ],
)
def test_what_is_not_a_summary_is_refused_in_words(tmp_path, text, words):
    path = tmp_path / "summary.json"
    path.write_text(text)
    with pytest.raises(SummaryUnreadable, match=words):
        read_summary(path)


def test_a_missing_summary_is_refused_in_words(tmp_path):
    with pytest.raises(SummaryUnreadable, match="missing"):
        read_summary(tmp_path / "summary.json")
