# SPDX-License-Identifier: Apache-2.0
"""Picture files as arrays of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import shape_words
from bcfl.models.errors import DataCorrupt

if TYPE_CHECKING:
    from PIL import Image

__all__ = ("IMAGE_ENDINGS", "image_files", "images_in", "pixels_of", "read_pixels")

IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
_IMAGE = 3


def images_in(folder: Path) -> list[Path]:
    """The pictures below a folder, in the order of their paths."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_ENDINGS]


def image_files(path: Path) -> list[Path]:
    """A picture, or those of a folder.

    Raises:
        DataCorrupt: there is none.
    """
    found = images_in(path) if path.is_dir() else [path]
    if not found or found[0].suffix.lower() not in IMAGE_ENDINGS:
        raise DataCorrupt(f"{path} has no picture ({', '.join(sorted(IMAGE_ENDINGS))}).")
    return found


def pixels_of(path: Path, shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """A picture brought to a shape (channels, height, width), one channel or three.

    Raises:
        DataCorrupt: it cannot be read, or the shape is none of pictures.
    """
    if len(shape) != _IMAGE or shape[0] not in {1, 3}:
        raise DataCorrupt(
            f"{path} is a picture, and the model takes samples of the shape {shape_words(shape)}: give an .npz with x."
        )
    pixels = read_pixels(path, size=(shape[1], shape[2]), grayscale=shape[0] == 1)
    return pixels if len(pixels) == shape[0] else pixels.repeat(shape[0], axis=0)


def read_pixels(path: Path, *, size: tuple[int, int] | None, grayscale: bool) -> npt.NDArray[np.uint8]:
    """(channels, height, width): one channel where the picture is grey or ``grayscale`` asks for it, else three.

    Args:
        path: the file.
        size: height and width that it is brought to.
        grayscale: whether colours are left out.

    Raises:
        DataCorrupt: it is no picture that can be read.
    """
    from PIL import Image, UnidentifiedImageError  # only images cost its import

    try:
        with Image.open(path) as file:
            image = file.convert("L" if grayscale or _is_gray(file) else "RGB")
            if size is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, dtype=np.uint8)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataCorrupt(f"{path} is no image that can be read: {error}") from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _is_gray(image: Image.Image) -> bool:
    return image.mode in {"1", "L", "LA", "I", "I;16", "F"}
