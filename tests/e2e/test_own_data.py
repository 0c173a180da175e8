# SPDX-License-Identifier: Apache-2.0
"""What users bring, through the real command: one sentence and a status before anything is deployed, or a trained model."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import anyio
import numpy as np
import pytest
from PIL import Image

from bcfl.agents.common.update_maker import UpdateMaker
from bcfl.agents.errors import NothingHappened
from bcfl.cli.app import main
from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.running.runner import run
from bcfl.storage.errors import StoreFull

BCFL = Path(sys.executable).with_name("bcfl")
QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"

SCENARIO = """\
name: mine
seed: 1
task:
  rounds: 2
  network: {name: mlp, hidden: 8}
  training: {learning_rate: 0.05, batch_size: 16, epochs: 1}
data:
  dataset: DATASET
population:
  evaluators: [{name: alice}]
  trainers: [{name: bob}, {name: charlie}, {name: david}]
storage: {kind: memory}
compute: {executor: threads}
"""
CSV, NPZ = "{name: csv, path: it.csv, target: label}", "{name: npz, path: it.npz, scale: 0.00392}"


def table(change=lambda row, values: values, *, header="a,b,c,d,label", separator=","):
    """240 rows of two classes that the first two columns tell apart."""
    draw = random.Random(3)  # noqa: S311 - no secret
    lines = [header.replace(",", separator)]
    for row in range(240):
        numbers = [round(draw.gauss(1.5 * (row % 2) if n < 2 else 0.0, 1.0), 3) for n in range(4)]
        lines.append(separator.join(map(str, change(row, [*numbers, row % 2]))))
    return "\n".join(lines) + "\n"


def arrays(**changed):
    """400 images of ten classes to train on and 100 to test on."""
    draw = np.random.default_rng(0)
    patterns = draw.uniform(0, 255, (10, 28, 28))
    made = {}
    for part, count in (("train", 400), ("test", 100)):
        targets = np.arange(count) % 10
        noisy = patterns[targets] + draw.normal(0, 40, (count, 28, 28))
        made |= {f"x_{part}": np.clip(noisy, 0, 255).astype(np.uint8), f"y_{part}": targets}
    return {name: changed[name](value) if name in changed else value for name, value in made.items()}


def at(place, value):
    """An array as float32 with another value at one place."""

    def change(array):
        array = array.astype(np.float32)
        array[place] = value
        return array

    return change


def put(name, content, directory):
    path = directory / name
    if isinstance(content, dict):
        np.savez(path, **content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)


def prepared(directory, verb, dataset, content, settings):
    """A directory that has the scenario and one file of data; the command's arguments."""
    put("it.npz" if "npz" in dataset else "it.csv", content, directory)
    (directory / "mine.yaml").write_text(SCENARIO.replace("DATASET", dataset))
    options = [word for setting in settings for word in ("--set", setting)]
    return [verb, "mine.yaml", *options, *(["--out", "out"] if verb == "run" else [])]


@pytest.fixture
def bcfl_here(tmp_path, monkeypatch, capsys):
    """As ``bcfl``, in this process: what ends before there is a chain needs no other, which takes seconds to load."""
    monkeypatch.chdir(tmp_path)

    def command(verb, dataset, content, *settings):
        arguments = prepared(tmp_path, verb, dataset, content, settings)
        with pytest.raises(SystemExit) as left:
            main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, left.value.code, said.out, said.err)

    return command


@pytest.fixture
def bcfl(tmp_path):
    """Run the command in a directory that has the scenario and one file of data."""

    def command(verb, dataset, content, *settings):
        return subprocess.run(
            [BCFL, *prepared(tmp_path, verb, dataset, content, settings)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            check=False,
        )

    return command


# kind: (data set, its file, settings, status, words of the sentence)
REFUSED = {
    "other inputs": (NPZ, arrays(), ("task.network.inputs=30",), 6, "784 numbers (28 × 28), the network 'mlp' takes 30"),
    "too few outputs": (NPZ, arrays(), ("task.network.classes=5",), 6, "set task.network.classes: 10"),
    "no channel": (NPZ, arrays(), ("task.network=mnist_cnn",), 6, "give arrays of the shape (n, 1, 28, 28)"),
    "other shape in test": (NPZ, arrays(x_test=lambda x: x[:, :20]), (), 6, "28 × 28 in the training part and 20 × 28"),
    "labels from one": (NPZ, arrays(y_train=lambda y: y + 1, y_test=lambda y: y + 1), (), 6, "are 1 to 10, and they are counted"),
    "new class in test": (NPZ, arrays(y_test=lambda y: np.where(y == 3, 10, y)), (), 6, "Class 10 is in the test part"),
    "empty test": (NPZ, arrays(x_test=lambda x: x[:0], y_test=lambda y: y[:0]), (), 6, "The test part of 'it' has no samples"),
    "nan in test": (NPZ, arrays(x_test=at((7, 0, 3), np.nan)), (), 6, "Row 7, column (0, 3) of the test part"),
    "infinite in train": (NPZ, arrays(x_train=at((9, 1, 1), np.inf)), (), 6, "Row 9, column (1, 1) of the training part"),
    "one-hot targets": (NPZ, arrays(y_train=lambda y: np.eye(10, dtype=int)[y]), (), 6, "of one-hot rows, argmax(axis=1)"),
    "labels as fractions": (NPZ, arrays(y_test=lambda y: y / 2), (), 6, "y_test of it.npz must hold classes as integers"),
    "no gpu": (NPZ, arrays(), ("compute.device=cuda",), 6, "no CUDA device: write cpu or auto at compute.device"),
    "a layer of less than nothing": (NPZ, arrays(), ("task.network.hidden=-4",), 2, "hidden at least 0"),
    "a model of hundreds of gigabytes": (NPZ, arrays(), ("task.network.hidden=100000000",), 2, "task.intake.max_update_bytes"),
    "a model larger than an update": (NPZ, arrays(), ("task.network.hidden=1400",), 2, "or make the network smaller"),
    "unnamed column": (CSV, table(header=",b,c,d,label"), (), 6, 'leave it out with data.dataset.ignore: [""]'),
    "absurd number": (CSV, table(lambda n, v: [*v[:3], "1e300", v[4]] if n == 5 else v), (), 6, "In line 7 of it.csv column 'd'"),
    "a word among numbers": (CSV, table(lambda n, v: [*v[:3], "many", v[4]] if n == 8 else v), (), 6, "line 10 of it.csv column 'd' has 'many'"),
    "ragged row": (CSV, table(lambda n, v: v[:4] if n == 2 else v), (), 6, "Line 4 of it.csv has 4 values, the heading has 5"),
    "same heading twice": (CSV, table(header="a,a,c,d,label"), (), 6, "more than one column 'a'"),
    "no such column": (CSV, table(header="a,b,c,d,klass"), (), 6, "no column 'label'; its columns are: a, b, c, d, klass"),
    "another encoding": (CSV, table(header="größe,b,c,d,label").encode("latin-1"), (), 6, "Set data.dataset.encoding"),
    "a number to predict": (CSV, table(lambda n, v: [*v[:4], round(sum(v), 3)]), (), 6, "looks like a regression"),
    "one class": (CSV, table(lambda n, v: [*v[:4], 1]), (), 6, "has only '1': a classifier needs two classes"),
    "empty file": (CSV, "", (), 6, "it.csv is empty: a table begins with a line of column names"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_trained_on_is_refused_before_anything_is_deployed(bcfl_here, tmp_path, kind):
    dataset, content, settings, status, words = REFUSED[kind]
    done = bcfl_here("run", dataset, content, *settings)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [line.partition("event=")[2] for line in done.stdout.splitlines()] in (
        [],  # the scenario says it already
        [f'preparing scenario=mine what="loading {"npz" if "npz" in dataset else "csv"}"'],
    )
    assert not (tmp_path / "out").exists()


# kind: (data set, its file, settings, words of what is said of the data)
TAKEN = {
    "column of targets": (NPZ, arrays(y_train=lambda y: y[:, None]), (), "400 samples to train on"),
    "words": (CSV, table(lambda n, v: [*v[:3], ("red", "green", "blue")[n % 3], v[4]]), (), "'d' is 3 columns, one a word: blue, green, red"),
    "truth values": (CSV, table(lambda n, v: [*v[:2], n % 3 == 0, n % 3 != 0, v[4]]), (), "classes 0: '0' (120), 1: '1' (120)"),
    "labels spelt in two ways": (CSV, table(lambda n, v: [*v[:4], f" {v[4]}.0" if n % 3 else v[4]]), (), "classes 0: '0' (120), 1: '1' (120)"),
    "semicolons": (CSV, table(lambda n, v: [str(x).replace(".", ",") for x in v], separator=";"), (), "the separator ';' and the decimal mark ','"),
    "mostly missing": (CSV, table(lambda n, v: [*v[:3], v[3] if n % 12 < 2 else "", v[4]]), (), "200 of 240 rows are left out, which lack 'd' in 200"),
    "imputed": (CSV, table(lambda n, v: [*v[:3], v[3] if n % 12 < 2 else "?", v[4]]), ("data.dataset.missing=impute",), "'d' is imputed in 200 rows"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAKEN)
def test_what_can_be_read_is_read_and_said(bcfl_here, kind):
    dataset, content, settings, words = TAKEN[kind]
    done = bcfl_here("check", dataset, content, *settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout
    assert "data and network fit" in done.stdout
    assert len(done.stdout.splitlines()) <= 5


@pytest.mark.anvil
def test_an_audit_from_another_directory_finds_the_data(bcfl, tmp_path):
    assert bcfl("run", CSV, table(), "storage.kind=directory").returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def audited():
        return subprocess.run(
            [BCFL, "audit", tmp_path / "out"],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=elsewhere,
            check=False,
        )

    done = audited()
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "it.csv").unlink()
    done = audited()
    assert (done.returncode, "There is no data file it.csv" in done.stderr) == (6, True)


@pytest.mark.anvil
def test_what_was_left_out_is_in_the_log_and_in_the_report(bcfl, tmp_path):
    dataset, content, settings, words = TAKEN["mostly missing"]
    done = bcfl("run", dataset, content, *settings)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    first = json.loads((tmp_path / "out" / "events.jsonl").read_text().splitlines()[0])
    assert words in first["notes"]
    assert (
        "200 of 240 rows are left out, which lack &#x27;d&#x27; in 200"
        in (tmp_path / "out" / "report.html").read_text()
    )


@pytest.mark.anvil
@pytest.mark.asyncio
@pytest.mark.parametrize("split", [False, True])
async def test_a_folder_of_images_is_trained_on(tmp_path, split):
    draw = np.random.default_rng(1)
    for part in ("train", "test") if split else ("",):
        for number, name in enumerate(("cat", "dog", "Ätna")):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for picture in range(20):
                pixels = draw.integers(0, 60, (16, 16), dtype=np.uint8)
                pixels[:, 5 * number : 5 * number + 5] += 150
                Image.fromarray(pixels).save(folder / f"{picture}.png")
    settings = [
        f"data.dataset={{name: images, path: {tmp_path / 'pictures'}}}",
        "task.network={name: mlp, hidden: 16}",
        "task.rounds=4",
        "task.training={learning_rate: 0.05, batch_size: 5, epochs: 3}",
        "data.validation={}",
    ]
    result = await run(load(QUICK, settings), out=tmp_path / "run")
    assert result.summary.final.accuracy is not None
    assert result.summary.final.accuracy > 0.9
    assert (await audit(result.directory)).findings == ()


def failing(monkeypatch, names):
    """Training raises, at every attempt of these trainers."""
    real = UpdateMaker._train

    async def train(self, work):
        if self.identity.name in names:
            raise RuntimeError(f"the fan of {self.identity.name} stands still")
        return await real(self, work)

    monkeypatch.setattr(UpdateMaker, "_train", train)


@pytest.mark.anvil
@pytest.mark.asyncio
async def test_one_participants_fault_is_its_own(tmp_path, monkeypatch):
    failing(monkeypatch, {"bob"})
    with anyio.fail_after(90):  # the clock must not wait for one who is gone
        result = await run(load(QUICK, ["task.rounds=2"]), out=tmp_path / "run")
    people = result.summary.participants
    assert result.summary.status == "completed"
    assert "the fan of bob stands still" in str(people["bob"].gave_up)
    assert [name for name, one in people.items() if one.gave_up] == ["bob"]
    assert "'bob' stayed away from some round on" in result.summary.conclusion
    assert int(people["bob"].tokens) == 0
    assert int(people["charlie"].tokens) > 0
    assert (await audit(result.directory)).findings == ()


@pytest.mark.anvil
@pytest.mark.asyncio
async def test_a_run_in_which_nothing_was_trained_is_no_success_and_says_the_first_cause(
    tmp_path, monkeypatch
):
    scenario = load(QUICK, ["task.rounds=2"])
    failing(monkeypatch, set(scenario.trainer_names))
    with pytest.raises(
        NothingHappened, match=r"No round of 2 was scored or paid: .*the fan of \w+ stands still"
    ):
        await run(scenario, out=tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["final"]["loss"] == summary["genesis"]["loss"]


@pytest.mark.anvil
@pytest.mark.asyncio
async def test_a_disk_that_fills_ends_the_run_with_its_sentence(tmp_path, monkeypatch):
    real, left = os.fsync, iter(range(6))

    def fsync(file):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with (
        pytest.raises(StoreFull, match="takes no more: No space left on device") as caught,
        anyio.fail_after(30),
    ):
        await run(load(QUICK, ["storage.kind=directory"]), out=tmp_path / "run")
    assert caught.value.exit_code == 5
