# SPDX-License-Identifier: Apache-2.0
"""Every behaviour and every judge is an entry with a source, a summary and defaults, and misbehaves."""

from __future__ import annotations

import pytest

from bcfl import registry
from bcfl.agents.adversaries import naming
from bcfl.agents.common.behaviour import Honest, HonestJudge

BEHAVIOURS = {
    "absentee",
    "commit_copier",
    "front_runner",
    "garbage_cid",
    "malformed",
    "no_reveal",
    "oversize_blob",
    "sample_size_liar",
    "slot_filler",
    "slow_cid",
    "straggler",
    "sybil_split",
    "tx_spam",
    "unavailable_cid",
    "whitewasher",
}
JUDGES = {"bias", "ejector", "equivocator", "inverter", "random_scores", "self_dealer", "withholder"}


@pytest.mark.parametrize(("kind", "names"), [("behaviour", BEHAVIOURS), ("judge", JUDGES)])
def test_the_catalogue_has_them_with_source_and_summary(kind, names):
    found = {entry.name: entry for entry in registry.entries(kind)}
    assert names <= set(found)
    assert all(found[name].source and found[name].summary for name in names)


@pytest.mark.parametrize("name", sorted(BEHAVIOURS))
def test_each_behaviour_is_made_by_its_name_alone(name):
    made = naming.behaviour(name, {})
    assert isinstance(made, Honest)
    assert made.misbehaves


@pytest.mark.parametrize("name", sorted(JUDGES))
def test_each_judge_is_made_by_its_name_alone(name):
    made = naming.judge(name, {})
    assert isinstance(made, HonestJudge)
    assert made.misbehaves


@pytest.mark.parametrize(
    ("make", "name", "parameters"),
    [
        (naming.behaviour, "straggler", {"margin_s": 1}),
        (naming.behaviour, "straggler", {"when": "never"}),
        (naming.behaviour, "malformed", {"kind": "rude"}),
        (naming.judge, "ejector", {"rounds": 0}),
        (naming.judge, "bias", {"bonus": "much"}),
    ],
)
def test_parameters_that_cannot_be_are_refused(make, name, parameters):
    with pytest.raises(registry.InvalidParameters):
        make(name, parameters)
