# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
import yaml

from bcfl.scenarios import errors
from bcfl.scenarios.definition.loading import from_mapping, load, resolved
from bcfl.scenarios.definition.yaml_text import Problem, dump, parse_document, parse_value
from bcfl.scenarios.errors import ScenarioInvalid

SCENARIOS = Path(__file__).parents[4] / "scenarios"
BUNDLED = sorted(
    [*SCENARIOS.glob("*.yaml"), *SCENARIOS.glob("examples/*.yaml"), *SCENARIOS.glob("consortium-*/*.yaml")]
)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_every_bundled_scenario_is_right_and_resolves_to_itself(path, tmp_path):
    scenario = load(path)
    copy = tmp_path / "copy.yaml"
    copy.write_text(resolved(scenario), encoding="utf-8")
    assert load(copy) == scenario
    assert scenario.name == path.stem


@pytest.mark.parametrize(
    "path", sorted(SCENARIOS.glob("consortium-flips/*.yaml")), ids=lambda path: path.stem
)
def test_members_with_wrong_labels_stand_from_the_cleanest_to_the_worst(path):
    members = load(path).population.trainers
    flipped = [member.flipped for member in members]
    assert flipped == sorted(flipped)
    published = {"graded-strong": [0, 0.2, 0.4, 0.6, 0.8], "graded-mild": [0, 0.1, 0.2, 0.3, 0.4]}
    if path.stem in published:
        assert flipped == published[path.stem]
    else:
        _, share, *_ = path.stem.split("-")
        members_in_all = 5 if path.stem.endswith("-of-five") else 3
        assert flipped == [0] * (members_in_all - 1) + [int(share) / 100]


def test_the_template_shows_every_key_with_its_default():
    path = next(path for path in BUNDLED if path.stem == "template")
    shown = yaml.safe_load(path.read_text(encoding="utf-8"))
    whole = yaml.safe_load(resolved(load(path)))
    assert shown == whole


def test_a_file_with_a_byte_order_mark_is_read(tmp_path, small):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + small.encode())
    assert load(path).name == "small"


class TestOverrides:
    def test_replaces_a_value_and_a_later_one_wins(self, small_file):
        assert load(small_file, ["task.rounds=4", "task.rounds=5"]).task.rounds == 5

    def test_makes_the_mapping_that_the_file_leaves_out(self, small_file):
        assert load(small_file, ["storage.kind=kubo"]).storage.kind == "kubo"

    def test_reaches_a_list_item_by_number(self, small_file):
        assert load(small_file, ["population.trainers.1.count=3"]).trainer_names[-1] == "charlie-3"

    def test_gives_a_parameter_to_a_bare_name_and_to_a_default(self, small_file):
        assert load(
            small_file, ["data.partition=shards", "data.partition.classes_per_client=3"]
        ).data.partition.parameters == {"classes_per_client": 3}
        assert load(small_file, ["task.aggregator.by=score"]).task.aggregator.parameters == {"by": "score"}

    def test_the_seed_option_wins(self, small_file):
        assert load(small_file, ["seed=3"], seed=4).seed == 4

    def test_null_clears_a_value(self, small_file):
        assert load(small_file, ["compute.workers=null"]).compute.workers is None

    @pytest.mark.parametrize(
        "text", ["task.rounds", "=3", "task..rounds=3", "name.x=1", "population.trainers.7.name=x", "seed=[1"]
    )
    def test_what_cannot_be_set_is_refused_with_its_source(self, small_file, text):
        with pytest.raises(errors.ScenarioError, match=r"^--set ") as caught:
            load(small_file, [text])
        assert "\n" not in str(caught.value)

    def test_a_wrong_value_names_the_option_not_the_file(self, small_file):
        with pytest.raises(errors.ScenarioInvalid) as caught:
            load(small_file, ["task.rounds=0"])
        assert (caught.value.source, caught.value.key) == ("--set task.rounds=0", "task.rounds")
        assert (
            str(caught.value)
            == "--set task.rounds=0: 'task.rounds' is 0; write at least 1 and at most 10,000."
        )

    def test_a_wrong_seed_names_its_option(self, small_file):
        with pytest.raises(errors.ScenarioInvalid, match=r"^--seed -1: 'seed' is -1"):
            load(small_file, seed=-1)


RULES = [
    # what to set, the key that the sentence names, what it says
    (["population.trainers=[{name: alice}, {name: b}]"], "population.trainers.0.name", "second time"),
    (["population.evaluators=[{name: a}, {name: a}]"], "population.evaluators.1.name", "second time"),
    (["population.trainers=[{name: t-1}, {name: t, count: 2}]"], "population.trainers.1.name", "'t-1'"),
    (["task.membership.minimum=3"], "task.membership.minimum", "at most 2"),
    (["task.membership={minimum: 2, capacity: 1}"], "task.membership.capacity", "at least 2"),
    (["population.trainers.0.share=2"], "population.trainers.0.share", "by_size"),
    (["data.partition=by_size"], "data.partition", "share"),
    (["data.partition=by_size", "population.trainers.0.share=2"], "population.trainers.1", "no share"),
    (["data.partition={name: by_size, ratios: [1, 2, 3]}"], "data.partition.ratios", "one a trainer"),
    (
        [
            "data.partition={name: by_size, ratios: [1, 2]}",
            "population.trainers=[{name: b, count: 2, share: 1}]",
        ],
        "data.partition.ratios",
        "keep one",
    ),
    (['task.reward.budget="0"'], "task.reward.budget", "zero"),
    (["population.trainers.0.name=keeper"], "population.trainers.0.name", "another name"),
    (["population.evaluators.0.name=chain"], "population.evaluators.0.name", "another name"),
    (["task.reward.mode=round_budget"], "task.reward", "per_round"),
    (['task.reward={mode: round_budget, per_round: "0"}'], "task.reward", "per_round"),
    (['task.reward.per_round="1"'], "task.reward.per_round", "round_budget"),
    (['task.reward.rate="0"'], "task.reward.rate", "zero"),
    (['task.reward={mode: round_budget, per_round: "50.1"}'], "task.reward.per_round", "2 rounds"),
    (['task.membership.bond="49"'], "task.membership.bond", "divided by the rounds"),
    (
        ['task.reward={mode: round_budget, per_round: "50"}', 'task.membership.bond="49"'],
        "task.membership.bond",
        "one round",
    ),
    (['task.reward.budget="72057595"'], "task.reward.budget", "72,057,594"),
    (['task.membership.stake="1100"'], "task.membership.stake", "65,536 members"),
    (["task.membership.capacity=2049"], "task.membership.capacity", "2,048"),
    (["task.selection={rule: all, cohort: 1}"], "task.selection.cohort", "random"),
    (["task.selection=random"], "task.selection", "cohort"),
    (["task.selection={rule: random, cohort: 3}"], "task.selection.cohort", "at most 2"),
    (["population.trainers=[{name: t, count: 17}]"], "task.score", "16"),
    (["population.trainers=[{name: t, count: 2049}]", "task.score=step"], "task.selection", "2,048"),
    (["population.trainers=[{name: t, count: 65536}, {name: u}]"], "population.trainers", "65,536"),
    (["task.network=mplp"], "task.network", "'mlp'"),
    (["task.network={name: mlp, hiden: 3}"], "task.network.hiden", "'hidden'"),
    (["task.network={name: mlp, hidden: few}"], "task.network.hidden", "integer"),
    (["data.dataset=npz"], "data.dataset", "path"),
    (["storage.url=http://x"], "storage.url", "kubo"),
    (["chain={url: 'ws://x', block_time: 1}"], "chain.block_time", "devnet"),
    (["chain.funder=key.json"], "chain.funder", "chain.url"),
]


@pytest.mark.parametrize(("overrides", "key", "words"), RULES, ids=[f"{rule[1]}:{rule[2]}" for rule in RULES])
def test_rules_that_span_keys(small_file, overrides, key, words):
    with pytest.raises(errors.ScenarioInvalid) as caught:
        load(small_file, overrides)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_a_bond_of_one_round_is_enough(small_file):
    assert load(small_file, ['task.membership.bond="50"']).bond == 50 * 10**18
    assert load(small_file, ['task.reward={mode: round_budget, per_round: "5"}', 'task.membership.bond="5"'])


def test_a_cohort_keeps_exact_shapley_feasible(small_file):
    many = "population.trainers=[{name: t, count: 100}]"
    assert load(small_file, [many, "task.selection={rule: random, cohort: 16}"]).cohort == 16


def test_plain_data_is_checked_the_same_way(small):
    data = yaml.safe_load(small)
    assert from_mapping(data).name == "small"
    with pytest.raises(errors.ScenarioInvalid, match=r"^The scenario: 'task.rounds' is -1"):
        from_mapping({**data, "task": {**data["task"], "rounds": -1}})


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1e-3", 0.001),
            ("no", "no"),
            ("on", "on"),
            ("012", "012"),
            ("0x10", 16),
            ("12:30", "12:30"),
            ("2024-01-01", "2024-01-01"),
            ("~", None),
            ("", None),
            ("true", True),
            ("-3", -3),
            ("1.5", 1.5),
            ("[1, a]", [1, "a"]),
        ],
    )
    def test_plain_values_follow_yaml_1_2(self, text, value):
        assert parse_value(text) == value

    def test_lines_are_counted_from_one(self):
        assert parse_document("a: 1\nb:\n  - c: 2\n  - 3\n").lines[("b", 0, "c")] == 3

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("a: 1\na: 2\n", 2, "twice"),
            ("a: &x 1\nb: *x\n", 1, "anchor"),
            ("a: !!python/object:os.system 1\n", 1, "tag"),
            ("a: !!binary aGk=\n", 1, "tag"),
            ("1: 2\n", 1, "plain word"),
            ("a: .inf\n", 1, "finite"),
            ("a: 1e999\n", 1, "finite"),
            ("a: [1\nb: 2\n", 2, "YAML"),
            ("a: 1\n---\nb: 2\n", 2, "YAML"),
            ("[" * 30 + "]" * 30, 1, "levels"),
            ("{" * 200_000, 1, "levels"),
        ],
    )
    def test_what_a_scenario_may_not_be(self, text, line, words):
        with pytest.raises(Problem, match=words) as caught:
            parse_document(text)
        assert caught.value.line == line

    def test_aliases_that_grow_exponentially_cost_nothing(self):
        bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 64))
        with pytest.raises(Problem, match="alias"):
            parse_document(bomb)

    @hypothesis.settings(deadline=None)
    @hypothesis.given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(max_size=12),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text("abcno", min_size=1, max_size=3), inner, max_size=3)
            ),
            max_leaves=8,
        )
    )
    def test_what_is_written_reads_back(self, data):
        assert parse_document(dump({"data": data})).data == {"data": data}

    @hypothesis.settings(deadline=None)
    @hypothesis.given(st.text(max_size=60))
    def test_any_text_is_parsed_or_refused(self, text):
        try:
            parse_document(text)
        except Problem as problem:
            assert problem.message  # noqa: PT017 - either outcome is right, nothing else may be raised


def test_a_schedule_that_comes_to_nothing_is_refused_before_the_run():
    decay = "task.training.schedule={name: step_decay, every: 1, by: 0.1}"
    assert load(SCENARIOS / "quick.yaml", [decay, "task.rounds=20"])
    with pytest.raises(ScenarioInvalid, match="leaves no learning rate in round 400"):
        load(SCENARIOS / "quick.yaml", [decay, "task.rounds=400"])
