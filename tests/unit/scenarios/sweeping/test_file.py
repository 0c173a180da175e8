# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bcfl.scenarios.errors import SweepInvalid
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import expand
from bcfl.scenarios.sweeping.targets import load_targets

ROOT = Path(__file__).parents[4]

SWEEP = """\
name: tiny
base:
  name: cell
  task: {rounds: 2, network: {name: mlp, hidden: 8}}
  data: {dataset: {name: synthetic, samples: 400}}
attacks:
  flip: {behaviour: sign_flip, group: ring}
defences:
  off: {}
  ours: {task.defence: pipeline}
fractions: [0.25]
trainers: [4]
seeds: 20-22
"""


def replaced(old, new):
    assert old in SWEEP
    return SWEEP.replace(old, new)


def test_a_range_of_seeds_a_list_and_one_seed_are_the_same_thing(write):
    for text, seeds in (("20-22", (20, 21, 22)), ("[20, 21, 22]", (20, 21, 22)), ("20", (20,))):
        assert load_sweep(write(replaced("20-22", text))).seeds == seeds


def test_the_base_may_be_a_file_beside_the_sweep(write, tmp_path):
    (tmp_path / "base.yaml").write_text("name: cell\ntask: {rounds: 2}\n")
    start, _, rest = SWEEP.partition("base:")
    text = start + "base: base.yaml\n" + rest[rest.index("attacks:") :]
    assert load_sweep(write(text)).base == {"name": "cell", "task": {"rounds": 2}}


def test_a_group_takes_what_it_leaves_out_from_the_sweep(write):
    sweep = load_sweep(write(SWEEP + "groups:\n  - {attacks: [none], seeds: [1]}\n  - {defences: [ours]}\n"))
    first, second = sweep.blocks
    assert (first.attacks, first.seeds, first.defences) == (("none",), (1,), ("off", "ours"))
    assert (second.attacks, second.seeds, second.defences) == (("none", "flip"), (20, 21, 22), ("ours",))


BAD = {
    "no-yaml": (replaced("{rounds: 2", "{rounds: [2"), "line 4", "check the indentation"),
    "no-mapping": ("- 1\n", "", "a sweep file is a mapping of keys"),
    "unknown-key": (replaced("seeds:", "sedes:"), "line 13", "'sedes' is not a key here"),
    "missing-base": ("name: tiny\n", "", "'base' is missing"),
    "a-base-that-is-not-there": ("name: tiny\nbase: nowhere.yaml\n", "", "There is no base scenario"),
    "seeds": (replaced("20-22", "22-20"), "line 13", "'22-20' is not a range of seeds"),
    "fraction": (replaced("[0.25]", "[1.0]"), "line 11", "less than 1"),
    "label": (replaced("flip: {b", "a flip: {b"), "line 7", "should match pattern"),
    "own-label": (replaced("flip: {b", "absent: {b"), "", "'absent' is the sweep's own name"),
    "unknown-label": (
        SWEEP + "groups: [{defences: [our]}]\n",
        "",
        "group 0 names 'our', which is none of the defences; the nearest is 'ours'",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_sweep_file_is_refused_in_one_sentence(kind, write):
    text, where, words = BAD[kind]
    with pytest.raises(SweepInvalid) as refused:
        load_sweep(write(text))
    sentence = str(refused.value)
    assert where in sentence
    assert words in sentence
    assert "\n" not in sentence
    assert refused.value.exit_code == 2


IMPOSSIBLE = {
    "behaviour": (replaced("sign_flip", "sing_flip"), "flip/off/0.25/as_base/4/20", "nearest is 'sign_flip'"),
    "dotted-key": (
        replaced("task.defence: pip", "task.defense: pip"),
        "none/ours",
        "'task.defense' is not a key",
    ),
    "unreachable-key": (replaced("task.defence: pip", "name.x: pip"), "the defence 'ours'", "no 'name'"),
    "too-few": (replaced("[0.25]", "[0.75]"), "absent/off", "minimum"),
    "nobody": (replaced("[0.25]", "[0.9]"), "absent/off/0.9", "are all absent"),
    "a-node": (replaced("base:\n", "base:\n  chain: {url: 'ws://127.0.0.1:1'}\n"), "", "a devnet of its own"),
}


WHOLE = """\
name: whole
base:
  name: cell
  task: {rounds: 2, network: {name: mlp, hidden: 8}}
  data: {dataset: {name: synthetic, samples: 400}}
  population:
    evaluators: [{name: alice}]
    trainers: [{name: bob}, {name: carol}, {name: lazy, behaviour: replay_global}]
scenarios:
  file: mine.yaml
  changed: {base: mine.yaml, task.rounds: 3}
  own: {population.trainers: [{name: bob, flipped: 0.5}, {name: carol, count: 3}]}
defences:
  off: {}
  ours: {task.defence: pipeline}
seeds: 1-2
"""


def test_whole_scenarios_keep_their_trainers_and_are_crossed_with_defences_and_seeds(write, tmp_path):
    mine = WHOLE[WHOLE.index("  name: cell") : WHOLE.index("scenarios:")].replace("\n  ", "\n")[2:]
    (tmp_path / "mine.yaml").write_text(mine)
    cells = expand(load_sweep(write(WHOLE)))
    assert [cell.labels.name for cell in cells[:6]] == [
        f"none/{defence}/0.0/{label}/{size}/1"
        for label, size in (("file", 3), ("changed", 3), ("own", 4))
        for defence in ("off", "ours")
    ]
    assert len(cells) == 12
    assert len({cell.key for cell in cells}) == 12
    assert [cell.scenario.task.rounds for cell in cells[:6]] == [2, 2, 3, 3, 2, 2]
    assert cells[0].scenario.population.trainers[2].behaviour.name == "replay_global"
    assert cells[4].scenario.population.trainers[0].flipped == 0.5
    assert {cell.scenario.storage.kind for cell in cells} == {"memory"}


BAD_WHOLE = {
    "a-grid-beside": (WHOLE + "trainers: [4]\n", "leave out trainers"),
    "nothing": ("name: tiny\nseeds: 1\n", "'base' is missing"),
    "no-file": (WHOLE, "There is no base scenario"),
    "base-of-one": (
        WHOLE.replace("file: mine.yaml", "file: {base: 5}"),
        "'scenarios.file.base' is the path of a scenario",
    ),
    "no-defence": (WHOLE.replace("  off: {}\n  ours: {task.defence: pipeline}\n", "  {}\n"), "at least 1"),
    "unreachable": (WHOLE.replace("file: mine.yaml", "file: {name.x: 1}"), "the scenario 'file'"),
}


@pytest.mark.parametrize("kind", BAD_WHOLE)
def test_whole_scenarios_that_cannot_be_are_refused_in_one_sentence(kind, write):
    text, words = BAD_WHOLE[kind]
    with pytest.raises(SweepInvalid, match=re.escape(words)) as refused:
        load_sweep(write(text))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_a_cell_that_is_no_scenario_is_named_with_the_reason(kind, write):
    text, where, words = IMPOSSIBLE[kind]
    with pytest.raises(SweepInvalid) as refused:
        expand(load_sweep(write(text)))
    assert where in str(refused.value)
    assert words in str(refused.value)


def test_the_examples_of_the_documentation_can_be_used_as_they_are(write, tmp_path):
    sweep, targets = re.findall(
        r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "sweeps.md").read_text(), re.MULTILINE | re.DOTALL
    )
    shutil.copy(ROOT / "scenarios" / "mnist.yaml", tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text(sweep)
    cells = expand(load_sweep(tmp_path / "sweeps" / "mine.yaml"))
    # nobody: 30 seeds; flip and late: 2 fractions, a reference each, and nobody at fraction 0 (the same cells again)
    assert len(cells) == 30 * 2 * 2 + 5 * 2 * 2 * 3
    assert [target.statistic for target in load_targets(write(targets))] == ["pooled", "mean"]
