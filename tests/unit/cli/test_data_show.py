# SPDX-License-Identifier: Apache-2.0
"""``bcfl data show``: a data set by owner, a scenario by trainer, and a picture; mistakes in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bcfl.cli.app import main

_QUICK = Path(__file__).parents[3] / "scenarios" / "quick.yaml"


def _status(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["data", "show", *arguments])
    return ended.value.code or 0


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


def test_a_data_set_by_owner_with_a_picture(arrays, capsys):
    for name in ("vector.svg", "pixels.png", "page.pdf"):
        given = ["--data-dir", str(arrays), "--set", "path=it.npz", "--picture", str(arrays / name)]
        assert _status("npz", *given) == 0
        assert (arrays / name).stat().st_size > 3000
    said = capsys.readouterr().out
    assert "40 samples to train on, 8 to test on: 3 numbers, from 0 to 0" in said
    assert "3 owners: mean 16.00 samples" in said
    assert "4 classes:" in said
    assert "  3        12  25.0% ██" in said
    assert "<svg" in (arrays / "vector.svg").read_text()
    # what was not asked for is nobody's to overwrite
    assert {path.name for path in arrays.iterdir()} == {"it.npz", "vector.svg", "pixels.png", "page.pdf"}


def test_a_scenario_by_trainer(capsys):
    assert _status(str(_QUICK), "--set", "data.partition={name: shards}") == 0
    said = capsys.readouterr().out
    assert "3 trainers: mean 200.00 samples" in said
    assert "classes of one of them: median 4" in said


def test_what_has_nothing_to_do_with_data_does_not_matter(capsys):
    for wrong in (
        "task.genesis=gone.safetensors",
        "task.network={name: mlp, inputs: 3}",
        "compute.device=cuda",
    ):
        assert _status(str(_QUICK), "--set", wrong) == 0
    assert capsys.readouterr().out.count("3 trainers") == 3


def test_a_picture_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert _status("synthetic", "--picture", str(tmp_path / "file" / "it.png")) == 5
    assert "cannot be written" in capsys.readouterr().err


def test_data_without_owners(capsys):
    assert _status("synthetic", "--set", "form=texts", "--set", "classes=3") == 0
    said = capsys.readouterr().out
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
def test_mistakes(capsys, arguments, sentence):
    assert _status(*arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
