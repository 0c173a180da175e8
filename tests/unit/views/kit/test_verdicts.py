# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.contracts.phases import Reason
from bcfl.scenarios.outcome.detection import reason_name
from bcfl.scenarios.outcome.summary import Suspension
from bcfl.views.kit.verdicts import eventful, found_in_words, reason_words, verdict


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_of_the_contract_has_words_of_its_own(reason):
    name = reason_name(reason)
    assert reason_words(name) != name.replace("_", " ")


def test_an_unknown_reason_is_told_as_it_is():
    assert reason_words("reason_99") == "reason 99"


def test_verdicts(judged):
    assert verdict(judged, "bob") == "thrown out in round 2: made the model worse"
    assert verdict(judged, "charlie") == "stayed"
    assert verdict(judged, "alice") == ""


def test_a_mistake_is_called_one(judged):
    nobody = judged.detection.model_copy(update={"first_misbehaviour": {}})
    assert verdict(judged.model_copy(update={"detection": nobody}), "bob").endswith("worse (a mistake)")


def test_a_suspension_that_passed(judged):
    times = tuple(Suspension(round=n, until_round=n + 2, reason="unavailable") for n in (1, 4))
    charlie = judged.participants["charlie"].model_copy(update={"suspensions": times})
    changed = judged.model_copy(update={"participants": {"charlie": charlie}})
    assert verdict(changed, "charlie") == "suspended in round 4 (2 times): kept its updates out of reach"


def test_a_removed_evaluator(judged):
    alice = judged.participants["alice"].model_copy(update={"removed_round": 3, "removed_reason": "silent"})
    changed = judged.model_copy(update={"participants": {"alice": alice}})
    assert verdict(changed, "alice") == "removed in round 3: did not answer in time"


def test_an_honest_run_is_uneventful(summary, judged):
    assert eventful(judged)
    assert not eventful(summary)
    honest = judged.detection.model_copy(update={"adversaries": 0})
    assert not eventful(summary.model_copy(update={"detection": honest}))


def test_found_in_words(judged):
    found = judged.detection
    assert found_in_words(found) == (
        "1 of 1 trainer who misbehaved was thrown out, and 0 of 1 honest ones by mistake; those who misbehaved took "
        "12.5% of the pay."
    )
    honest = found.model_copy(update={"adversaries": 0, "ejected_honest": 1, "honest": 9})
    assert found_in_words(honest) == "No trainer misbehaved; 1 of 9 honest ones was thrown out by mistake."


def test_a_member_that_was_voted_out(consortium, judged):
    summary = consortium(detection=judged.detection)
    out = {"ejected_round": 2, "ejected_reason": "voted"}
    people = {**summary.participants, "m-1": summary.participants["m-1"].model_copy(update=out)}
    changed = summary.model_copy(update={"participants": people})
    # no mistake: votes need no misbehaviour that a run could measure
    assert verdict(changed, "m-1") == "thrown out in round 2: was voted out by the members"
    assert verdict(changed, "m-0") == "stayed"
