# SPDX-License-Identifier: Apache-2.0
"""A task that is published among strangers: a scenario's task part, and nothing of a population."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bcfl.contracts.ids import ZERO_ADDRESS
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.models.errors import KernelUnavailable
from bcfl.scenarios.errors import ModelTooLarge, ScenarioInvalid, TermsInvalid
from bcfl.scenarios.planning.terms import read_terms
from bcfl.storage.content_id import content_id

PAGE = Path(__file__).parents[4] / "docs" / "operating.md"
PUBLISHER, TOKEN, SOMEBODY, ANOTHER = ("0x" + digit * 40 for digit in "1234")
CROWD = """\
rounds: 3
network: {name: mlp, inputs: 4, classes: 2}
membership: {capacity: 7, minimum: 3}
reward: {budget: "30"}
"""
CONSORTIUM = """\
name: heart
task:
  kind: consortium
  rounds: 2
  network: {name: tabular, inputs: 4, classes: 2}
  reward: {mode: round_budget, per_round: "10", budget: "24"}
population: {trainers: [{name: left out}]}
"""


async def _read(tmp_path, text, listed=(SOMEBODY,), **more):
    path = tmp_path / "digits.yaml"
    path.write_text(text)
    return await read_terms(path, publisher=PUBLISHER, token=TOKEN, listed=listed, **more)


@pytest.mark.asyncio
async def test_the_task_part_alone_is_a_crowd_s_task(tmp_path):
    terms = await _read(tmp_path, CROWD)
    assert (terms.title, terms.kind, terms.listed) == ("digits", Kind.CROWDSOURCING, (SOMEBODY,))
    config = terms.config
    assert (config.publisher, config.token, config.rounds, config.capacity) == (PUBLISHER, TOKEN, 3, 7)
    assert terms.budget == 30 * 10**9
    assert [content_id(one) for one in terms.contents] == [config.specification, config.genesis]
    assert Specification.decode(terms.contents[0]).network.parameters == {"inputs": 4, "classes": 2}


@pytest.mark.asyncio
async def test_of_a_whole_scenario_the_task_part_counts(tmp_path):
    terms = await _read(tmp_path, CONSORTIUM, (SOMEBODY, ANOTHER))
    assert (terms.title, terms.kind, terms.config.capacity) == ("heart", Kind.CONSORTIUM, 2)
    assert terms.config.bond > 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text", re.findall(r"^```yaml \w+\.yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
async def test_the_tasks_of_the_operator_s_page_can_be_published(tmp_path, text):
    assert (await _read(tmp_path, text, (SOMEBODY, ANOTHER))).budget


@pytest.mark.asyncio
async def test_an_aggregator_is_named_by_its_address(tmp_path):
    crowd = await _read(tmp_path, CROWD, aggregator=ANOTHER)
    assert crowd.config.aggregator == ANOTHER
    consortium = await _read(tmp_path, CONSORTIUM, (SOMEBODY, ANOTHER), aggregator=ANOTHER)
    assert consortium.config.aggregator == ANOTHER
    with pytest.raises(TermsInvalid, match="none of the members"):
        await _read(tmp_path, CONSORTIUM, (SOMEBODY, ANOTHER), aggregator=TOKEN)


@pytest.mark.asyncio
async def test_two_tasks_of_one_file_start_from_models_of_their_own(tmp_path):
    first, second = await _read(tmp_path, CROWD), await _read(tmp_path, CROWD)
    assert first.config.genesis != second.config.genesis
    assert first.config.specification == second.config.specification


@pytest.mark.asyncio
async def test_a_key_may_be_set_by_hand(tmp_path):
    assert (await _read(tmp_path, CROWD, overrides=["task.rounds=9"])).config.rounds == 9


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "listed", "error", "sentence"),
    [
        (CROWD, (), TermsInvalid, "name an evaluator with --evaluator"),
        (CONSORTIUM, (), TermsInvalid, "name members with --member"),
        (
            CROWD.replace("capacity: 7, ", ""),
            (SOMEBODY,),
            TermsInvalid,
            "'task.membership.capacity' is missing",
        ),
        (
            CROWD.replace("rounds: 3", "rounds: none"),
            (SOMEBODY,),
            ScenarioInvalid,
            r"digits\.yaml, line 1: 'task\.rounds'",
        ),
        (CROWD.replace("mlp", "mpl"), (SOMEBODY,), ScenarioInvalid, "mlp"),
        (CROWD + "intake: {max_update_bytes: 64}\n", (SOMEBODY,), ModelTooLarge, "set it to"),
        ("task: 3", (SOMEBODY,), TermsInvalid, "a mapping of keys"),
        (CROWD + "aggregator_role: bob\n", (SOMEBODY,), TermsInvalid, "aggregator_role"),
    ],
)
async def test_what_cannot_be_published_is_said_with_its_key(tmp_path, text, listed, error, sentence):
    with pytest.raises(error, match=sentence):
        await _read(tmp_path, text, listed)


@pytest.mark.asyncio
async def test_the_kernel_is_part_of_the_terms_and_must_have_the_network(tmp_path):
    plain = await _read(tmp_path, CROWD)
    named = await _read(tmp_path, CROWD, kernel="lanes")
    assert Specification.decode(plain.contents[0]).kernel == "torch"
    assert Specification.decode(named.contents[0]).kernel == "lanes"
    adam = CROWD + "training: {optimizer: adam}\n"
    with pytest.raises(KernelUnavailable, match="not by adam"):
        await _read(tmp_path, adam, kernel="lanes")


@pytest.mark.asyncio
async def test_a_rooted_task_names_its_rooter_and_the_file_says_what_else_it_needs(tmp_path):
    relayed = {"overrides": ["task.intake.relayed=true"]}
    terms = await _read(tmp_path, CROWD, rooter=ANOTHER, **relayed)
    assert (terms.config.rooter, terms.config.unique_digests) == (ANOTHER, False)
    assert (await _read(tmp_path, CROWD, **relayed)).config.rooter == ZERO_ADDRESS
    with pytest.raises(TermsInvalid, match="nobody is named who posts the roots"):
        await _read(tmp_path, CROWD, overrides=["task.intake.relayed=true", "task.intake.rooted=true"])
    with pytest.raises(ScenarioInvalid, match=re.escape("write true at task.intake.relayed too")):
        await _read(tmp_path, CROWD, rooter=ANOTHER)
