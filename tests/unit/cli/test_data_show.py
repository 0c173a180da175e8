# SPDX-License-Identifier: Apache-2.0
"""``bcfl data show``: a data set by owner, a scenario by trainer, and a picture; mistakes in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

_QUICK = Path(__file__).parents[3] / "scenarios" / "quick.yaml"


@pytest.fixture
def arrays(tmp_path):
    rows = {
        f"{kind}_{part}": value
        for part, count in (("train", 40), ("test", 8))
        for kind, value in (
            ("x", np.zeros((count, 3), dtype=np.float32)),
            ("y", np.arange(count) % 4),
            ("owners", np.arange(count) // 4 % 3),
        )
    }
    np.savez(tmp_path / "it.npz", **rows)
    return tmp_path


def test_a_data_set_by_owner_with_a_picture(arrays, command):
    for name in ("vector.svg", "pixels.png", "page.pdf"):
        given = ["--data-dir", str(arrays), "--set", "path=it.npz", "--picture", str(arrays / name)]
        shown = command("data", "show", "npz", *given)
        assert shown.status == 0, shown.err
        assert (arrays / name).stat().st_size > 3000
    said = shown.out
    assert "40 samples to train on, 8 to test on: 3 numbers, from 0 to 0" in said
    assert "3 owners: mean 16.00 samples" in said
    assert "4 classes:" in said
    assert "  3        12  25.0% ██" in said
    assert "<svg" in (arrays / "vector.svg").read_text()
    # what was not asked for is nobody's to overwrite
    assert {path.name for path in arrays.iterdir()} == {"it.npz", "vector.svg", "pixels.png", "page.pdf"}


def test_a_scenario_by_trainer(command):
    shown = command("data", "show", str(_QUICK), "--set", "data.partition={name: shards}")
    assert shown.status == 0
    said = shown.out
    assert "3 trainers: mean 200.00 samples" in said
    assert "classes of one of them: median 4" in said


def test_what_has_nothing_to_do_with_data_does_not_matter(command):
    for wrong in (
        "task.genesis=gone.safetensors",
        "task.network={name: mlp, inputs: 3}",
        "compute.device=cuda",
    ):
        shown = command("data", "show", str(_QUICK), "--set", wrong)
        assert shown.status == 0
        assert "3 trainers" in shown.out


def test_a_picture_that_cannot_be_written(tmp_path, command):
    (tmp_path / "file").write_text("")
    shown = command("data", "show", "synthetic", "--picture", str(tmp_path / "file" / "it.png"))
    assert shown.status == 5
    assert "cannot be written" in shown.err


def test_data_without_owners(command):
    shown = command("data", "show", "synthetic", "--set", "form=texts", "--set", "classes=3")
    assert shown.status == 0
    said = shown.out
    assert "sequences of 8 tokens, 3 in the vocabulary" in said
    assert "owners" not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nix"], "There is no dataset named 'nix'"),
        (["synthetic", "--set", "smples=3"], "has no parameter 'smples'; the nearest is 'samples'"),
        (["synthetic", "--set", "samples"], "--set samples: write key=value"),
        (["synthetic", "--picture", "it.gif"], "must end in .png, .svg or .pdf"),
        (["nowhere.yaml"], "There is no scenario file nowhere.yaml"),
        (["csv"], "Field required"),
    ],
)
def test_mistakes(command, arguments, sentence):
    shown = command("data", "show", *arguments)
    assert shown.status == 2
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
