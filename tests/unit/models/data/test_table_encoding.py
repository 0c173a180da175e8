# SPDX-License-Identifier: Apache-2.0
"""New rows become what the rows to train on became; what the model cannot take is refused with line and column."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.data.table_encoding import TableEncoding
from bcfl.models.data.user_tables import CsvFile, encoded_rows
from bcfl.models.errors import DataCorrupt

_TABLE = "age,smokes,where,score,owner,ill\n" + "".join(
    f"{20 + row % 50},{'yes' if row % 3 else 'no'},{('north', 'south', 'west')[row % 3]},{'' if row % 7 == 0 else row / 4},"
    f"{'ab'[row % 2]},{'sick' if row % 5 > 2 else 'well'}\n"
    for row in range(120)
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "it.csv"
    path.write_text(_TABLE)
    return path


def sorted_rows(array):
    return array[np.lexsort(np.round(array.T, 5))]


def source(path, **options):
    return CsvFile(path=path, target="ill", **{"missing": "impute", "ignore": ("owner",), **options}).load()


@pytest.mark.parametrize("standardize", [True, "pooled", False])
def test_the_tables_own_rows_become_the_samples_that_it_gave(table, standardize):
    made = source(table, standardize=standardize)
    rows, targets = encoded_rows(table, made.encoding, made.class_names)
    together = np.concatenate([made.train.inputs, made.test.inputs])
    assert rows.shape == together.shape == (120, 7)
    assert np.allclose(sorted_rows(rows), sorted_rows(together), atol=1e-5)
    assert (
        np.bincount(targets).tolist()
        == np.bincount(np.concatenate([made.train.targets, made.test.targets])).tolist()
    )
    assert made.class_names == ("sick", "well")


def test_an_owners_statistics_are_not_kept_and_new_rows_have_their_own(table, tmp_path):
    made = source(table, owner="owner", ignore=())
    assert all(feature.mean is None for feature in made.encoding.features)
    rows, _ = encoded_rows(table, made.encoding, made.class_names)
    assert np.allclose(rows[:, 0].mean(), 0, atol=1e-6)
    assert np.allclose(rows[:, 0].std(), 1, atol=1e-5)
    kept = TableEncoding.model_validate_json(made.encoding.model_dump_json())
    assert kept == made.encoding


def test_columns_may_stand_in_another_order_and_the_class_may_be_missing(table, tmp_path):
    made = source(table)
    lines = [line.split(",") for line in _TABLE.splitlines()]
    other = tmp_path / "new.csv"
    other.write_text(
        "\n".join(",".join([line[3], "x", line[2], line[0], line[1]]) for line in lines).replace(
            "x", "free", 1
        )
    )
    rows, targets = encoded_rows(other, made.encoding, made.class_names)
    expected, _ = encoded_rows(table, made.encoding, made.class_names)
    assert np.allclose(rows, expected)
    assert targets is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("age,", "years,"), "there is no column 'age', which the model was trained on"),
        (
            ("north", "nowhere"),
            "line 2 of .*: column 'where' has 'nowhere', and the model knows north, south, west|line 2",
        ),
        (("20,no", ",no"), "column 'age' lacks a value"),
        (("sick", "dead"), "the class 'dead' is none that the model knows"),
        (("20,no", "old,no"), "column 'age' has 'old', which is no number"),
    ],
)
def test_what_the_model_cannot_take_is_refused(table, tmp_path, change, sentence):
    made = source(table)
    other = tmp_path / "new.csv"
    other.write_text(_TABLE.replace(*change))
    with pytest.raises(DataCorrupt, match=sentence):
        encoded_rows(other, made.encoding, made.class_names)
