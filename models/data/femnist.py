# SPDX-License-Identifier: Apache-2.0
"""FEMNIST by writer, as LEAF divides it: handwritten characters whose owners are the people who wrote them.

No package carries it, so it is read from the user's directory: LEAF's own JSON, or ``femnist_writers.npz`` with ``x`` (n, 28, 28),
uint8 and 255 for white paper, ``y`` 0 … 61, ``writer`` and ``is_test`` (LEAF's own split).
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.data.cache import Arrays, cache_dir, load_arrays, places
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.leaf_json import Leaf, holds_leaf, read_leaf
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import register

__all__ = ("Femnist",)

_FILE = "femnist_writers.npz"
_ARRAYS = ("x", "y", "writer", "is_test")
_CHARACTERS = tuple(string.digits + string.ascii_uppercase + string.ascii_lowercase)
_DIGITS = len(string.digits)
_CLASSES = len(_CHARACTERS)


@register("dataset", "femnist", source="Caldas et al. 2018 (LEAF), arXiv 1812.01097")
@dataclass(frozen=True, kw_only=True)
class Femnist:
    """Handwritten digits, or all 62 characters, by writer: images (1, 28, 28), ink light on dark as in MNIST, in 0…1.

    ``polarity`` ``leaf``: dark on light, as LEAF and the published experiment have them. ``test``: LEAF's division by ``samples`` of each
    writer, or ``test_share`` of the ``writers``, drawn under ``seed``, with all that they wrote; ``writers`` limits how many
    there are in all, drawn under the seed too.
    """

    digits: bool = True
    polarity: Literal["mnist", "leaf"] = "mnist"
    test: Literal["samples", "writers"] = "samples"
    test_share: float = 0.1
    writers: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.test_share < 1 or (self.writers is not None and self.writers < 2):
            raise ValueError(
                f"test_share must be above 0 and below 1 and writers at least 2, not {self.test_share} and {self.writers}"
            )

    def load(self, data_dir: Path | None = None) -> Dataset:
        """From ``data_dir`` or ``$BCFL_DATA_DIR`` where given, else from the cache, where the user has put it.

        Raises:
            DataUnavailable: the file is not there.
            DataCorrupt: it is something else.
        """
        directories = places(data_dir, "femnist") or (cache_dir() / "femnist",)
        for directory in directories:
            if holds_leaf(directory):
                return self._divided(_from_leaf(directory))
            if (path := directory / _FILE).is_file():
                return self._divided(_checked(load_arrays(path, _ARRAYS), path))
        raise DataUnavailable(
            f"{directories[0]} does not hold {_FILE} (arrays {', '.join(_ARRAYS)}) or LEAF's train/*.json with test/*.json, which no "
            f"package carries: put them there, or give their directory by --data-dir."
        )

    def _divided(self, arrays: Arrays) -> Dataset:
        writers = arrays["writer"]
        generator = np.random.Generator(np.random.PCG64(self.seed))
        drawn = generator.permutation(np.unique(writers))[: self.writers]
        held_out = arrays["is_test"].astype(bool)
        if self.test == "writers":
            held_out = np.isin(writers, drawn[: max(1, round(len(drawn) * self.test_share))])
        wanted = (arrays["y"] < (_DIGITS if self.digits else _CLASSES)) & np.isin(writers, drawn)
        return Dataset(
            name="femnist",
            train=self._samples(arrays, wanted & ~held_out),
            test=self._samples(arrays, wanted & held_out),
            source="LEAF's FEMNIST, of NIST Special Database 19",
            licence="BSD-2-Clause (LEAF), public domain (NIST)",
            class_names=_CHARACTERS,
            notes=(f"{len(drawn)} writers",),
        )

    def _samples(self, arrays: Arrays, chosen: npt.NDArray[np.bool_]) -> Samples:
        images = arrays["x"][chosen][:, None]
        return Samples(
            inputs=images if self.polarity == "leaf" else 255 - images,
            targets=arrays["y"][chosen].astype(np.int64),
            owners=arrays["writer"][chosen].astype(np.int64),
            scale=1 / 255,
        )


def _from_leaf(directory: Path) -> Arrays:
    """LEAF's numbers from 0 to 1 are whole 255ths."""
    users: list[str] = []
    pieces: dict[str, list[npt.NDArray[np.generic]]] = {"x": [], "y": [], "is_test": []}
    for part in ("train", "test"):
        for one in read_leaf(
            directory, part
        ):  # a user at a time: as Python's numbers all of them would fill the memory
            users.append(one.user)
            pieces["x"].append(_bytes(one, directory))
            pieces["y"].append(_classes(one, directory))
            pieces["is_test"].append(np.full(len(one.y), int(part == "test")))
    if not sum(map(len, pieces["y"])):
        raise DataCorrupt(f"{directory} does not hold LEAF's FEMNIST: nobody in it has a sample.")
    number = {user: place for place, user in enumerate(sorted(set(users)))}
    writers = [np.full(len(of), number[user]) for user, of in zip(users, pieces["y"], strict=True)]
    joined = {name: np.concatenate(arrays) for name, arrays in pieces.items()}
    return _checked({**joined, "writer": np.concatenate(writers)}, directory)


def _bytes(one: Leaf, directory: Path) -> npt.NDArray[np.uint8]:
    try:
        pixels = np.asarray(one.x, dtype=np.float32).reshape(-1, 28, 28)
    except (TypeError, ValueError) as error:
        raise DataCorrupt(
            f"{directory} does not hold LEAF's FEMNIST: each x must be 784 numbers ({error})."
        ) from error
    if pixels.size and not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise DataCorrupt(f"{directory} does not hold LEAF's FEMNIST: its pixels must be from 0 to 1.")
    return np.rint(pixels * 255).astype(np.uint8)


def _classes(one: Leaf, directory: Path) -> npt.NDArray[np.int64]:
    try:
        return np.asarray(one.y, dtype=np.int64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataCorrupt(
            f"{directory} does not hold LEAF's FEMNIST: each y must be a class ({error})."
        ) from error


def _checked(arrays: Arrays, path: Path) -> Arrays:
    x, y = arrays["x"], arrays["y"]
    sound = (
        x.dtype == np.uint8
        and x.shape[1:] == (28, 28)
        and all(len(arrays[name]) == len(x) and arrays[name].ndim == 1 for name in _ARRAYS[1:])
        and all(np.issubdtype(arrays[name].dtype, np.integer) for name in _ARRAYS[1:])
        and len(x) > 0
        and 0 <= y.min() <= y.max() < _CLASSES
        and 0 < arrays["is_test"].astype(bool).sum() < len(x)
    )
    if not sound:
        raise DataCorrupt(
            f"{path} must hold x (n, 28, 28) of bytes, and y below {_CLASSES}, writer and is_test (n,) of integers, with "
            f"samples of both splits."
        )
    return arrays
