# SPDX-License-Identifier: Apache-2.0
"""Data that nothing can be trained or tested on are refused with the part, the place and the remedy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.soundness import check_dataset
from bcfl.models.errors import DataCorrupt

X = np.arange(24, dtype=np.float32).reshape(8, 3)
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1])


def made(**parts):
    arrays = {"x_train": X, "y_train": Y, "x_test": X[:4], "y_test": Y[:4], "scale": 1.0} | parts
    return Dataset(
        name="mine",
        train=Samples(inputs=arrays["x_train"], targets=arrays["y_train"], scale=arrays["scale"]),
        test=Samples(inputs=arrays["x_test"], targets=arrays["y_test"], scale=arrays["scale"]),
        source="mine.npz",
        licence="not stated",
    )


def spoilt(array, row, column, value):
    changed = array.copy()
    changed[row, column] = value
    return changed


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"y_test": np.array([0, 0, 0, 0])},  # not every class need be tested on
        {
            "y_train": np.array([0, 2, 0, 2, 0, 2, 0, 2]),
            "y_test": np.array([0, 2, 0, 2]),
        },  # one may be missing altogether
        {"y_train": Y + 1, "y_test": np.array([0, 1, 1, 1]), "x_train": X}
        | {"y_train": np.array([0, 1, 2, 3, 1, 2, 3, 1])},
        {"x_train": X.astype(np.uint8), "x_test": X[:4].astype(np.uint8), "scale": 1 / 255},
    ],
)
def test_sound_data_pass(parts):
    check_dataset(made(**parts))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"x_test": X[:0], "y_test": Y[:0]}, "The test part of 'mine' has no samples"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "The training part of 'mine' has no samples"),
        ({"x_test": X[:4, :2]}, "shape 3 in the training part and 2 in the test part"),
        ({"x_train": spoilt(X, 5, 2, np.nan)}, "Row 5, column 2 of the training part of 'mine' is nan"),
        ({"x_test": spoilt(X[:4], 1, 0, np.inf)}, "Row 1, column 0 of the test part of 'mine' is inf"),
        (
            {"x_train": spoilt(X, 7, 1, 3e38), "scale": 10.0},
            r"Row 7, column 1 .* is 3e\+38, which is no finite number .*scale 10",
        ),
        ({"y_train": Y + 1, "y_test": Y[:4] + 1}, "are 1 to 3, and they are counted from 0: subtract 1"),
        (
            {"y_test": np.array([0, 1, 5, 5])},
            "Class 5 is in the test part of 'mine' .2 of 4 samples., but not",
        ),
    ],
)
def test_unsound_data_are_refused_in_words(parts, sentence):
    with pytest.raises(DataCorrupt, match=sentence):
        check_dataset(made(**parts))


def test_a_place_in_an_image_has_all_its_coordinates():
    images = np.zeros((5000, 1, 4, 4), dtype=np.float32)
    images[4500, 0, 3, 2] = np.nan
    data = made(x_train=images, y_train=np.arange(5000) % 2, x_test=images[:4], y_test=np.array([0, 1, 0, 1]))
    with pytest.raises(DataCorrupt, match=r"Row 4500, column \(0, 3, 2\)"):
        check_dataset(data)


def test_what_a_data_set_says_of_itself_is_no_part_of_its_digest():
    assert dataclasses.replace(made(), notes=("a word",)).digest == made().digest
