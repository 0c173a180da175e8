# SPDX-License-Identifier: Apache-2.0
"""Every attack is registered with its source, made with its defaults, and keeps to the port."""

from __future__ import annotations

import typing
from pathlib import Path

import numpy as np
import pytest

from bcfl.models.attacks.attack import Knowledge, Outlook
from bcfl.registry import create, entries

ATTACKS = {entry.name: entry for entry in entries("attack") if entry.factory.__module__.startswith("bcfl.")}
DATA_ATTACKS = {
    entry.name: entry for entry in entries("data_attack") if entry.factory.__module__.startswith("bcfl.")
}
DOCUMENT = Path(__file__).parents[4] / "docs" / "adversaries.md"


def test_the_whole_catalogue_is_registered():
    assert set(ATTACKS) == {
        *("sign_flip", "gaussian", "scaling", "zero", "random"),
        *("ipm", "alie", "min_max", "min_sum", "mimic"),
        *("replay_global", "delta_weights", "stale_resubmit", "under_trainer"),
        *("plagiarist", "on_off", "score_aware", "drifter", "ace"),
    }
    assert set(DATA_ATTACKS) == {"label_flip", "low_quality", "backdoor"}


def test_each_names_its_source_and_is_documented_with_every_knob():
    rows = {
        row.split("|")[1].strip(" `"): row
        for row in DOCUMENT.read_text().splitlines()
        if row.startswith("| `")
    }
    for entry in (*ATTACKS.values(), *DATA_ATTACKS.values()):
        assert entry.source, entry.name
        assert entry.summary, entry.name
        for parameter in entry.parameters:
            assert f"`{parameter.name}`" in rows[entry.name], f"{entry.name} {parameter.name}"


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.asyncio
async def test_an_attack_keeps_to_the_port_and_repeats_itself(scene, name):
    attack = create("attack", name)
    assert attack.knowledge in typing.get_args(Knowledge)
    assert 0 <= attack.effort(7) <= 7
    assert attack.ready(Outlook(round=5, moved=True, cohort=10, colluders=3, place=1)) in (True, False)
    draw = np.random.default_rng(0)
    peers = draw.normal(size=(3, 20))

    def given():
        return scene(
            peers[1],
            start=draw.normal(size=20) * 0,
            peers=peers if attack.knowledge == "colluders" else None,
            place=1 if attack.knowledge == "colluders" else 0,
            steps=peers[:2],
            past=peers[:2],
            past_models=peers[:2],
            handed_in=2,
            revealed=peers,
            loss=lambda update: float(np.square(update - peers[1]).sum()),
            number=5,
            seed=9,
        )

    crafted, again = await attack.craft(given()), await attack.craft(given())
    assert crafted.shape == (20,)
    assert crafted.dtype == np.float64
    assert crafted.tolist() == again.tolist()


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.asyncio
async def test_an_attack_leaves_what_it_was_given_alone(scene, name):
    attack = create("attack", name)
    peers = np.random.default_rng(0).normal(size=(3, 20))
    before = peers.copy()
    given = scene(
        peers[1],
        peers=peers,
        place=1,
        steps=peers[:2],
        past=peers[:2],
        past_models=peers[:2],
        revealed=peers,
        loss=lambda update: float(np.square(update - before[1]).sum()),
    )
    await attack.craft(given)
    for vectors in (given.peers, given.steps[:2], given.past):
        for place, vector in enumerate(vectors):
            assert vector.tolist() == before[place].tolist()
    assert given.own.tolist() == before[1].tolist()
