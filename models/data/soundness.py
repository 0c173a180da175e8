# SPDX-License-Identifier: Apache-2.0
"""Whether a data set can be trained and tested on at all: parts that are not empty and fit each other, finite numbers, classes."""

from __future__ import annotations

import numpy as np

from bcfl.models.data.dataset import Dataset, Samples, shape_words
from bcfl.models.errors import DataCorrupt

__all__ = ("check_dataset",)

_BLOCK = 4096


def check_dataset(dataset: Dataset) -> None:
    """Look at every number and every class once.

    Raises:
        DataCorrupt: at the first thing that cannot be.
    """
    name = dataset.name
    for part, samples in (("training", dataset.train), ("test", dataset.test)):
        if not len(samples):
            raise DataCorrupt(f"The {part} part of '{name}' has no samples: both parts need some.")
    train, test = dataset.train, dataset.test
    if train.inputs.shape[1:] != test.inputs.shape[1:]:
        raise DataCorrupt(
            f"The samples of '{name}' have the shape {shape_words(train.inputs.shape[1:])} in the training part and {shape_words(test.inputs.shape[1:])} in the test part: "
            f"make them alike."
        )
    _check_finite(name, "training", train)
    _check_finite(name, "test", test)
    _check_classes(name, train, test)


def _check_finite(name: str, part: str, samples: Samples) -> None:
    if samples.tokens and int(samples.inputs.min()) < 0:
        raise DataCorrupt(
            f"Tokens are counted from 0, and the {part} part of '{name}' has a negative one: number them anew."
        )
    if samples.inputs.dtype != np.float32:
        return
    for start in range(0, len(samples), _BLOCK):
        block = samples.inputs[start : start + _BLOCK]
        with np.errstate(over="ignore", invalid="ignore"):
            bad = ~np.isfinite(block * np.float32(samples.scale))
        if bad.any():
            row, *position = (int(place) for place in np.argwhere(bad)[0])
            column = position[0] if len(position) == 1 else tuple(position)
            raise DataCorrupt(
                f"Row {start + row}, column {column} of the {part} part of '{name}' is {block[(row, *position)]:g}, which is no "
                f"finite number as a float32 (times the scale {samples.scale:g}): mend it or leave the row out."
            )


def _check_classes(name: str, train: Samples, test: Samples) -> None:
    if train.tokens:
        return  # a letter that no training text has is still one of the alphabet
    known, count = np.unique(train.targets), train.classes
    if known[0] == 1 and len(known) == count - 1 and not (test.targets == 0).any():
        raise DataCorrupt(
            f"The classes of '{name}' are 1 to {count - 1}, and they are counted from 0: subtract 1 from all of them."
        )
    classes, counts = np.unique(test.targets, return_counts=True)
    new = np.setdiff1d(classes, known)
    if len(new):
        samples = int(counts[classes == new[0]][0])
        raise DataCorrupt(
            f"Class {new[0]} is in the test part of '{name}' ({samples} of {len(test)} samples), but not in the training part, which "
            f"has {len(known)} classes from {known[0]} to {known[-1]}: put some of it there, or leave it out."
        )
