# SPDX-License-Identifier: Apache-2.0
"""A folder of images as a data set: each class a folder, each image a file in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.user_files import candidates
from bcfl.models.data.user_images import IMAGE_ENDINGS, images_in, read_pixels
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import register

__all__ = ("ImageFolder",)

Files = Sequence[tuple[Path, int]]
"""Images with their classes."""

_PARTS = ("train", "test")
_PIXEL = 1 / 255


@register("dataset", "images")
@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """Images ``path/class/name.png`` (or .jpg, .bmp, .gif, .tif, .webp); classes are the folders' names, sorted.

    Where ``path`` holds ``train`` and ``test``, each with the classes' folders, these are the two parts; else ``test_fraction`` of each
    class, drawn under ``seed``, is kept to test on. ``size`` is (height, width): images are resized to it; without, all must have one size.
    ``grayscale`` makes one channel of three; samples are (channels, height, width), pixels from 0 to 1.
    """

    path: Path
    size: tuple[int, int] | None = None
    grayscale: bool = False
    test_fraction: float = 0.2
    seed: int = 0
    licence: str = "not stated"

    def __post_init__(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise ValueError(f"test_fraction must be above 0 and below 1, not {self.test_fraction}")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"size is height and width in pixels, from 1 each, not {list(self.size)}")

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set; a relative path is looked for in the data directory first.

        Raises:
            DataUnavailable: there is no such directory.
            DataCorrupt: there are no classes, no images, or an image that cannot be read or has another size.
        """
        root = _directory(self.path, data_dir)
        parts = [root / part for part in _PARTS]
        split = all(part.is_dir() for part in parts)
        classes = _classes(parts[0] if split else root)
        if split:
            train, test = (_files(part, classes) for part in parts)
        else:
            train, test = self._divided(_files(root, classes))
        found = Counter(number for _, number in (*train, *test))
        told = ", ".join(f"{n}: '{name}' ({found[n]:,})" for n, name in enumerate(classes))
        return Dataset(
            name=root.name,
            train=self._samples(train),
            test=self._samples(test),
            source=root.name,
            licence=self.licence,
            class_names=tuple(classes),
            notes=(f"classes {told}",),
        )

    def _divided(self, files: Files) -> tuple[Files, Files]:
        """Class by class, so that each is in both parts where it has two images."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        train: list[tuple[Path, int]] = []
        test: list[tuple[Path, int]] = []
        for number in sorted({number for _, number in files}):
            own = [file for file in files if file[1] == number]
            order = generator.permutation(len(own))
            held_out = min(len(own) - 1, max(1, round(len(own) * self.test_fraction)))
            test += [own[place] for place in order[:held_out]]
            train += [own[place] for place in order[held_out:]]
        return train, test

    def _samples(self, files: Files) -> Samples:
        images: list[npt.NDArray[np.uint8]] = []
        for path, _ in files:
            image = read_pixels(path, size=self.size, grayscale=self.grayscale)
            if images and image.shape != images[0].shape:
                shape, first = _shape(image), _shape(images[0])
                raise DataCorrupt(
                    f"{path} is {shape} and {files[0][0]} is {first}: make all alike, or write data.dataset.size: [{image.shape[1]}, "
                    f"{image.shape[2]}] (and grayscale: true, where only some are in colour)."
                )
            images.append(image)
        targets = np.array([number for _, number in files], dtype=np.int64)
        return Samples(inputs=np.stack(images), targets=targets, scale=_PIXEL)


def _shape(image: npt.NDArray[np.uint8]) -> str:
    channels, height, width = image.shape
    return f"{height} × {width} {'in colour' if channels > 1 else 'in grey'}"


def _directory(path: Path, data_dir: Path | None) -> Path:
    for candidate in candidates(path, data_dir):
        if candidate.is_dir():
            return candidate
    raise DataUnavailable(f"There is no directory of images {path}: correct its path.")


def _classes(root: Path) -> tuple[str, ...]:
    names = sorted(one.name for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    if len(names) < 2:
        raise DataCorrupt(
            f"{root} has {len(names)} folders: write each class as a folder of its images, two at least."
        )
    return tuple(names)


def _files(root: Path, classes: Sequence[str]) -> Files:
    files = []
    for number, name in enumerate(classes):
        own = images_in(root / name)
        if not own:
            raise DataCorrupt(f"The folder {root / name} has no image ({', '.join(sorted(IMAGE_ENDINGS))}).")
        files += [(path, number) for path in own]
    return files
