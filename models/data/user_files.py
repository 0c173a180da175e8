# SPDX-License-Identifier: Apache-2.0
"""A user's own arrays, in an ``.npz`` file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.data.cache import load_arrays, user_data_dir
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import register

__all__ = ("NpzFile", "candidates", "locate")

_REQUIRED = ("x_train", "y_train", "x_test", "y_test")


@register("dataset", "npz")
@dataclass(frozen=True, kw_only=True)
class NpzFile:
    """Arrays x_train, y_train, x_test, y_test of an .npz file, and owners_train, owners_test where it has them.

    A network sees ``x · scale``; give 1/255 for pixels. Images need their channel: (n, 1, 28, 28). ``tokens``: x are sequences
    (n, length) of a vocabulary's numbers, for networks such as char_lstm.
    """

    path: Path
    scale: float = 1.0
    tokens: bool = False
    licence: str = "not stated"

    def __post_init__(self) -> None:
        if self.tokens and self.scale != 1.0:
            raise ValueError(
                f"tokens are numbers of a vocabulary, which nothing scales: leave scale out, not {self.scale}"
            )

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set; a relative path is looked for in the data directory first.

        Raises:
            DataUnavailable: there is no such file.
            DataCorrupt: its arrays do not fit together.
        """
        path = locate(self.path, data_dir)
        arrays = load_arrays(path, _REQUIRED, optional=("owners_train", "owners_test"))
        return Dataset(
            name=path.stem,
            train=self._samples(arrays, "train", path),
            test=self._samples(arrays, "test", path),
            source=path.name,
            licence=self.licence,
        )

    def _samples(self, arrays: dict[str, npt.NDArray[Any]], part: str, path: Path) -> Samples:
        inputs, targets, owners = arrays[f"x_{part}"], arrays[f"y_{part}"], arrays.get(f"owners_{part}")
        if not np.issubdtype(targets.dtype, np.integer):
            raise DataCorrupt(f"y_{part} of {path} must hold classes as integers, not {targets.dtype}.")
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = targets[:, 0]  # a column is a vector
        if targets.ndim != 1 or len(targets) != len(inputs):
            raise DataCorrupt(
                f"y_{part} of {path} has the shape {targets.shape} and x_{part} {inputs.shape}: write one class for each of the "
                f"{len(inputs)} samples, a vector of that length (of one-hot rows, argmax(axis=1))."
            )
        if self.tokens:
            inputs = _as_tokens(inputs, f"x_{part} of {path}")
        elif inputs.dtype != np.uint8:
            inputs = _as_float32(inputs, f"x_{part} of {path}")
        return Samples(
            inputs=inputs,
            targets=targets.astype(np.int64),
            owners=None if owners is None else np.unique(owners, return_inverse=True)[1].astype(np.int64),
            scale=self.scale,
            tokens=self.tokens,
        )


def _as_float32(inputs: npt.NDArray[Any], what: str) -> npt.NDArray[np.float32]:
    if not np.issubdtype(inputs.dtype, np.number) or np.iscomplexobj(inputs):
        raise DataCorrupt(f"{what} must hold numbers, not {inputs.dtype}.")
    with np.errstate(over="ignore"):  # said with its place, as every value that is not finite
        return inputs.astype(np.float32)


def _as_tokens(inputs: npt.NDArray[Any], what: str) -> npt.NDArray[np.int64]:
    if inputs.ndim != 2 or not np.issubdtype(inputs.dtype, np.integer):
        raise DataCorrupt(
            f"{what} has the shape {inputs.shape} of {inputs.dtype}, and sequences of tokens are integers (n, length): write them so, or "
            f"leave data.dataset.tokens out."
        )
    return inputs.astype(np.int64)


def candidates(path: Path, data_dir: Path | None) -> tuple[Path, ...]:
    """Where a path of a scenario may be: in the data directory, then in the working directory."""
    directory = user_data_dir(data_dir)
    return (*(() if directory is None else (directory / path,)), path.expanduser())


def locate(path: Path, data_dir: Path | None) -> Path:
    """The file; a relative path is looked for in the data directory first.

    Raises:
        DataUnavailable: there is no such file.
    """
    for candidate in candidates(path, data_dir):
        if candidate.is_file():
            return candidate
    directory = user_data_dir(data_dir)
    where = f"in {directory} or " if directory is not None else ""
    raise DataUnavailable(f"There is no data file {path} {where}in the working directory: correct its path.")
