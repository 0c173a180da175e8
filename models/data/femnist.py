# SPDX-License-Identifier: Apache-2.0
"""FEMNIST by writer, as LEAF divides it: handwritten characters whose owners are the people who wrote them.

No package carries it, so it is read from a file of the user's: ``femnist_writers.npz`` with ``x`` (n, 28, 28), uint8 and 255
for white paper, ``y`` 0 … 61, ``writer`` and ``is_test`` (LEAF's own split).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bcfl.models.data.cache import Arrays, cache_dir, load_arrays, user_data_dir
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import register

__all__ = ("Femnist",)

_FILE = "femnist_writers.npz"
_ARRAYS = ("x", "y", "writer", "is_test")
_DIGITS = 10
_CLASSES = 62


@register("dataset", "femnist", source="Caldas et al. 2018 (LEAF), arXiv 1812.01097")
@dataclass(frozen=True, kw_only=True)
class Femnist:
    """Handwritten digits, or all 62 characters, by writer: images (1, 28, 28), ink light on dark as in MNIST, in 0…1."""

    digits: bool = True

    def load(self, data_dir: Path | None = None) -> Dataset:
        """From ``data_dir`` or ``$BCFL_DATA_DIR`` where given, else from the cache, where the user has put it.

        Raises:
            DataUnavailable: the file is not there.
            DataCorrupt: it is something else.
        """
        directory = user_data_dir(data_dir) or cache_dir() / "femnist"
        path = directory / _FILE
        if not path.is_file():
            raise DataUnavailable(
                f"{directory} does not hold {_FILE} (arrays {', '.join(_ARRAYS)}), which no package carries: make it from "
                f"LEAF's JSON, and put it there or give its directory by --data-dir."
            )
        arrays = _checked(load_arrays(path, _ARRAYS), path)
        wanted = arrays["y"] < (_DIGITS if self.digits else _CLASSES)
        held_out = arrays["is_test"].astype(bool)
        return Dataset(
            name="femnist",
            train=_samples(arrays, wanted & ~held_out),
            test=_samples(arrays, wanted & held_out),
            source="LEAF's FEMNIST, of NIST Special Database 19",
            licence="BSD-2-Clause (LEAF), public domain (NIST)",
        )


def _samples(arrays: Arrays, chosen: npt.NDArray[np.bool_]) -> Samples:
    return Samples(
        inputs=255 - arrays["x"][chosen][:, None],
        targets=arrays["y"][chosen].astype(np.int64),
        owners=arrays["writer"][chosen].astype(np.int64),
        scale=1 / 255,
    )


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
