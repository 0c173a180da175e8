# SPDX-License-Identifier: Apache-2.0
"""Every kind of bad scenario file, through the real command: one sentence with file, key and remedy, status 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
name: small
seed: 7
task:
  rounds: 2
  network: {name: mlp, hidden: 8}
  score: shapley
  reward: {budget: "100"}
data:
  dataset: {name: synthetic, samples: 100}
population:
  evaluators: [{name: alice}]
  trainers:
    - {name: bob}
    - {name: charlie}
"""


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


BOMB = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n" + GOOD

# kind: (text, line or None, key or None, words of the remedy)
BAD: dict[str, tuple[str | bytes, int | None, str | None, str]] = {
    "yaml-syntax": (
        replaced("{name: bob}", "{name: bob"),
        14,
        None,
        "check the indentation, colons and quotes",
    ),
    "tab-indentation": (replaced("  rounds: 2", "\trounds: 2"), 4, None, "check the indentation"),
    "unknown-key": (replaced("rounds: 2", "rouns: 2"), 4, "task.rouns", "the nearest is 'rounds'"),
    "unknown-key-in-a-list": (
        replaced("{name: bob}", "{nam: bob}"),
        13,
        "population.trainers.0.nam",
        "'name'",
    ),
    "wrong-type": (replaced("rounds: 2", "rounds: two"), 4, "task.rounds", "write a whole number"),
    "mapping-expected": (
        replaced('  reward: {budget: "100"}', "  reward: 5"),
        7,
        "task.reward",
        "write a mapping",
    ),
    "missing-key": (replaced("  rounds: 2\n", ""), 3, "task.rounds", "for example 'rounds: 5'"),
    "missing-section": (
        GOOD[: GOOD.index("population:")],
        None,
        "population",
        "'evaluators:' and 'trainers:'",
    ),
    "unknown-network": (replaced("name: mlp", "name: mpl"), 5, "task.network", "the nearest is 'mlp'"),
    "unknown-dataset": (
        replaced("name: synthetic", "name: mnits"),
        9,
        "data.dataset",
        "the nearest is 'mnist'",
    ),
    "unknown-score": (
        replaced("score: shapley", "score: shaply"),
        6,
        "task.score",
        "the nearest is 'shapley'",
    ),
    "unknown-parameter": (
        replaced("hidden: 8", "hiden: 8"),
        5,
        "task.network.hiden",
        "the nearest is 'hidden'",
    ),
    "bad-parameter": (replaced("hidden: 8", "hidden: few"), 5, "task.network.hidden", "bcfl catalog"),
    "missing-parameter": (replaced("{name: synthetic, samples: 100}", "npz"), 9, "data.dataset", "path"),
    "negative-rounds": (
        replaced("rounds: 2", "rounds: -2"),
        4,
        "task.rounds",
        "at least 1 and at most 10,000",
    ),
    "count-0": (
        replaced("{name: bob}", "{name: bob, count: 0}"),
        13,
        "population.trainers.0.count",
        "at least 1 and at most 65,536",
    ),
    "no-trainers": (
        replaced("  trainers:\n    - {name: bob}\n    - {name: charlie}\n", "  trainers: []\n"),
        12,
        "population.trainers",
        "at least 1",
    ),
    "duplicate-names": (
        replaced("charlie", "bob"),
        14,
        "population.trainers.1.name",
        "give every participant its own",
    ),
    "budget-no-decimal": (replaced('"100"', '"a lot"'), 7, "task.reward.budget", 'for example "100"'),
    "budget-a-float": (replaced('"100"', "0.1"), 7, "task.reward.budget", 'put it in quotes, "0.1"'),
    "http-url": (GOOD + "chain: {url: http://127.0.0.1:8545}\n", 15, "chain.url", "ws://host:port"),
    "missing-file": (b"", None, None, "bcfl new NAME"),
    "empty-file": ("", None, None, "bcfl new NAME"),
    "only-comments": ("# nothing\n", None, None, "bcfl new NAME"),
    "not-a-mapping": ("- a\n- b\n", None, None, "a mapping of keys"),
    "duplicate-key": (replaced("seed: 7\n", "seed: 7\nseed: 8\n"), 3, "seed", "keep one"),
    "shares-without-by-size": (
        replaced("{name: bob}", "{name: bob, share: 2}"),
        13,
        "population.trainers.0.share",
        "write 'by_size' at data.partition",
    ),
    "cohort-too-large": (
        replaced("  score: shapley", "  selection: {rule: random, cohort: 3}"),
        6,
        "task.selection.cohort",
        "write at most 2",
    ),
    "shapley-of-17": (replaced("{name: bob}", "{name: bob, count: 16}"), 6, "task.score", "leave_one_out"),
    "nan": (
        replaced("rounds: 2", "rounds: 2\n  training: {learning_rate: .nan}"),
        5,
        "task.training",
        "finite number",
    ),
    "alias-bomb": (BOMB, 1, None, "write the value out"),
    "python-tag": (
        replaced("seed: 7", "seed: !!python/object/apply:os.getpid []"),
        2,
        None,
        "write a plain value",
    ),
    "not-text": (b"\x89PNG\r\n\x1a\n\x00\xff", None, None, "save it as UTF-8"),
    "control-character": (replaced("small", "sm\x00all"), None, None, "remove it"),
    "too-large": ("#" * ((1 << 20) + 1), None, None, "larger than 1 MiB"),
    "deep-nesting": ("a: " + "[" * 10_000, 1, None, "flatten it"),
    "bad-name": (replaced("name: small", "name: ../up"), 1, "name", "write a letter and then"),
    "unknown-choice": (GOOD + "storage: {kind: ipfs}\n", 15, "storage.kind", "'kubo'"),
    "two-documents": (GOOD + "---\n" + GOOD, 15, None, "check the indentation"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_scenario_is_one_sentence_with_file_key_and_remedy(kind, tmp_path):
    text, line, key, remedy = BAD[kind]
    path = tmp_path / f"{kind}.yaml"
    if kind != "missing-file":
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = subprocess.run(
        [Path(sys.executable).parent / "bcfl", "run", path, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith(".\n")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 400 + len(str(path))
    assert str(path) in done.stderr
    assert remedy in done.stderr
    if line is not None:
        assert f"{path}, line {line}: " in done.stderr
    if key is not None:
        assert f"'{key}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_override_names_itself_and_not_the_file(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    program = Path(sys.executable).parent / "bcfl"
    done = subprocess.run(
        [program, "check", path, "--set", "task.rounds=0"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --set task.rounds=0: 'task.rounds' is 0; write at least 1")


def test_the_file_that_the_bad_ones_are_made_from_is_good(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    program = Path(sys.executable).parent / "bcfl"
    done = subprocess.run([program, "check", path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
