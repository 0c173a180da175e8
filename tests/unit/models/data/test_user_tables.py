# SPDX-License-Identifier: Apache-2.0
"""A user's own table becomes a data set, or one sentence says where and how to mend it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from bcfl.models.data.user_tables import CsvFile, ParquetFile
from bcfl.models.errors import DataCorrupt

_TABLE = "age,pressure,hospital,sick\n" + "".join(
    f"{20 + row},{100 + row % 7},{'AB'[row % 2]},{'yes' if row % 3 else 'no'}\n" for row in range(50)
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "heart.csv"
    path.write_text(_TABLE + "?,1,A,yes\n")
    return path


def test_a_table_becomes_standardised_features_and_ranked_classes(table):
    data = CsvFile(path=table, target="sick", owner="hospital").load()
    assert data.name == "heart"
    assert (len(data.train), len(data.test)) == (40, 10)
    assert data.train.inputs.shape == (40, 2)
    assert data.train.inputs.dtype == np.float32
    assert data.train.inputs.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert data.train.inputs.std(axis=0) == pytest.approx([1, 1], abs=1e-5)
    assert set(data.train.targets) == {0, 1}
    assert set(data.train.owners) == {0, 1}


def test_rows_without_a_number_are_left_out_and_the_split_follows_the_seed(table):
    one, again, other = (
        CsvFile(path=table, target="sick", owner="hospital", seed=seed).load() for seed in (0, 0, 1)
    )
    assert len(one.train) + len(one.test) == 50
    assert one.digest == again.digest != other.digest


def test_classes_that_are_numbers_rank_as_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{row},{row % 3 * 5 + 5}\n" for row in range(12)))
    data = CsvFile(path=tmp_path / "t.csv", target="y", standardize=False).load()
    assert all(
        target == value % 3 for value, target in zip(data.train.inputs[:, 0], data.train.targets, strict=True)
    )


def test_a_relative_path_is_looked_for_in_the_data_directory(table, tmp_path):
    assert len(CsvFile(path=Path("heart.csv"), target="sick", owner="hospital").load(tmp_path).test) == 10


@pytest.mark.parametrize(
    ("content", "target", "sentence"),
    [
        ("a,b\n1,2\n", "c", "no column 'c'; its columns are: a, b"),
        ("a,b\n1,2\n1,2\n", "b", "the target 'b' has only '2': a classifier needs two classes"),
        ("b\n1\n2\n", "b", "no column beside b: there is nothing to learn from"),
        ("a,b\n1,x\n,y\n", "b", "1 complete rows, of which 20% cannot be kept"),
        ("a,b\n,x\n,y\n", "b", "column 'a' is empty|no row that has every value"),
        ("", "b", "is empty: a table begins with a line of column names"),
        ("a,b\n1,x\n2\n3,y\n", "b", "Line 3 of .* has 1 values, the heading has 2"),
        ("a,b\n1,x\n\n\n2,y,z\n3,y\n", "b", "Line 5 of .* has 3 values, the heading has 2"),
        ("a,a,b\n1,1,x\n2,2,y\n", "b", "more than one column 'a'"),
        (",a,b\n0,1,x\n1,2,y\n", "b", r'Column 1 of .* has no name; .*ignore: \[""\]'),
        ("Unnamed: 0,a,b\n0,1,x\n1,2,y\n", "b", r'ignore: \["Unnamed: 0"\]'),
        ("a,b\n1,x\nmuch,y\n3,x\n", "b", "In line 3 of .* column 'a' has 'much', which is no number"),
        ("a,b\n1,x\n\n-inf,y\n3,x\n", "b", "In line 4 of .* column 'a' has -inf, which is more than"),
        (
            "a,b\n1e39,x\n2,y\n3,x\n",
            "b",
            "In line 2 of .* column 'a' has 1e\\+39, which is more than a float32",
        ),
        (
            "a,b\n" + "".join(f"2020-01-0{n + 1},{'xy'[n % 2]}\n" for n in range(8)),
            "b",
            r"column 'a' holds dates or times: leave it out with ignore: \[a\]",
        ),
        (
            "a,b\n" + "".join(f"{n},{n / 7}\n" for n in range(40)),
            "b",
            "40 different values in 40 rows.*regression",
        ),
        ("a,b\n" + "".join(f"id{n}x,{n % 2}\n" for n in range(60)), "b", "60 different words, like 'id0x'"),
    ],
)
def test_an_unusable_table_is_refused_in_words(tmp_path, content, target, sentence):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataCorrupt, match=sentence):
        CsvFile(path=tmp_path / "t.csv", target=target).load()


def test_a_binary_file_is_no_table(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00\xff")
    with pytest.raises(DataCorrupt, match="UTF-8"):
        CsvFile(path=tmp_path / "t.csv", target="y").load()


def written(tmp_path, text, *, encoding="utf-8"):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding=encoding)
    return path


def plain(tmp_path, text, **keys):
    """Without standardising: what the features are."""
    return CsvFile(path=written(tmp_path, text), target="y", standardize=False, **keys).load()


def everything(data):
    """All rows, sorted, with their classes."""
    rows = np.concatenate([data.train.inputs, data.test.inputs])
    classes = np.concatenate([data.train.targets, data.test.targets])
    return sorted(tuple(float(one) for one in (*row, kind)) for row, kind in zip(rows, classes, strict=True))


@pytest.mark.parametrize("words", [("True", "False"), ("yes", "no"), ("TRUE", "false")])
def test_truth_values_are_one_and_zero(tmp_path, words):
    data = plain(tmp_path, "a,y\n" + "".join(f"{words[row % 2]},{'pq'[row % 2]}\n" for row in range(8)))
    assert everything(data) == [(0.0, 1.0)] * 4 + [(1.0, 0.0)] * 4


def test_words_become_one_column_each_and_that_is_said(tmp_path):
    data = plain(
        tmp_path, "a,y\n" + "".join(f"{('red', ' blue', 'green ')[row % 3]},{row % 2}\n" for row in range(12))
    )
    assert data.train.inputs.shape[1] == 3
    assert (np.concatenate([data.train.inputs, data.test.inputs]).sum(axis=1) == 1).all()
    assert "'a' is 3 columns, one a word: blue, green, red" in data.notes


@pytest.mark.parametrize("mark", ["", "?", "NA", "nan", "null", "-", "#N/A"])
def test_rows_that_lack_a_value_are_counted_by_column(tmp_path, mark):
    data = plain(
        tmp_path, "a,b,y\n" + "".join(f"{row},{mark if row < 3 else 1.5},{row % 2}\n" for row in range(12))
    )
    assert len(data.train) + len(data.test) == 9
    assert data.notes[0] == "3 of 12 rows are left out, which lack 'b' in 3"


def test_what_is_imputed_has_the_mean_of_its_owners_training_rows_and_a_column_that_says_so(tmp_path):
    rows = [(0.0 if n % 2 else 10.0, "north" if n < 20 else "south", n % 2) for n in range(40)]
    text = "a,site,y\n" + "".join(
        f"{'' if n == 5 else a},{site},{y}\n" for n, (a, site, y) in enumerate(rows)
    )
    data = CsvFile(
        path=written(tmp_path, text), target="y", owner="site", missing="impute", standardize=False
    ).load()
    inputs = np.concatenate([data.train.inputs, data.test.inputs])
    owners = np.concatenate([data.train.owners, data.test.owners])
    [imputed] = np.flatnonzero(inputs[:, 1])
    north = data.train.inputs[(data.train.owners == 0) & (data.train.inputs[:, 1] == 0), 0]
    assert owners[imputed] == 0
    assert inputs[imputed, 0] == pytest.approx(north.mean(), abs=1e-5)
    assert "'a' is imputed in 1 rows, and a column says in which" in data.notes


def test_each_owner_is_standardised_by_its_own_training_rows_unless_they_are_pooled(tmp_path):
    text = "a,site,y\n" + "".join(f"{n % 10 + 100 * (n % 2)},{'ab'[n % 2]},{n % 3 % 2}\n" for n in range(80))
    path = written(tmp_path, text)
    own = CsvFile(path=path, target="y", owner="site").load()
    pooled = CsvFile(path=path, target="y", owner="site", standardize="pooled").load()
    for owner in (0, 1):
        mine = own.train.inputs[own.train.owners == owner]
        assert mine.mean() == pytest.approx(0, abs=1e-5)
        assert mine.std() == pytest.approx(1, abs=1e-4)
        assert abs(pooled.train.inputs[pooled.train.owners == owner].mean()) > 0.5
    assert own.owner_names == ("a", "b")


def test_labels_that_are_equal_are_one_class_and_are_counted(tmp_path):
    written_so = ["0", "0.0", " 0", "1", "1.00", "1 "]
    data = plain(tmp_path, "a,y\n" + "".join(f"{row},{written_so[row % 6]}\n" for row in range(24)))
    assert set(data.train.targets) == {0, 1}
    assert data.notes[-1] == "classes 0: '0' (12), 1: '1' (12)"


@pytest.mark.parametrize(("separator", "name"), [(";", ";"), ("\t", "tab"), ("|", "pipe")])
def test_separator_and_decimal_mark_are_found_and_said(tmp_path, separator, name):
    text = separator.join("aby") + "\n"
    text += "".join(separator.join((f"{row},5", f"-{row},25", "pq"[row % 2])) + "\n" for row in range(10))
    data = plain(tmp_path, text)
    assert everything(data)[3][:2] == (3.5, -3.25)
    assert "decimal mark ','" in data.notes[0], name


def test_what_is_given_is_not_found_out(tmp_path):
    text = "a;b;y\n" + "".join(f"{row}.5;{row}.25;{row % 2}\n" for row in range(10))
    assert everything(plain(tmp_path, text, separator=";", decimal="."))[3][:2] == (3.5, 3.25)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_an_encoding_is_named_or_asked_for(tmp_path, encoding):
    path = written(
        tmp_path, "größe,y\n" + "".join(f"{row},{row % 2}\n" for row in range(10)), encoding=encoding
    )
    with pytest.raises(DataCorrupt, match=r"is not UTF-8: line 1 has the byte .*Set data\.dataset\.encoding"):
        CsvFile(path=path, target="y").load()
    assert len(CsvFile(path=path, target="y", encoding=encoding).load().train) == 8
    with pytest.raises(DataCorrupt, match="no encoding 'utf-99'"):
        CsvFile(path=path, target="y", encoding="utf-99").load()


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = written(
        tmp_path, "y,a\n" + "".join(f"{row % 2},{row}\n" for row in range(10)), encoding="utf-8-sig"
    )
    assert len(CsvFile(path=path, target="y").load().train) == 8


def test_columns_can_be_left_out(tmp_path):
    text = "when,a,y\n" + "".join(f"2020-01-{row + 1:02},{row},{row % 2}\n" for row in range(10))
    assert plain(tmp_path, text, ignore=("when",)).train.inputs.shape[1] == 1
    with pytest.raises(DataCorrupt, match=r"no column 'wen', which data\.dataset\.ignore names"):
        plain(tmp_path, text, ignore=("wen",))


def test_an_owner_who_would_lose_all_rows_is_named_with_the_column(tmp_path):
    sites = ["north", "east"]
    text = "site,a,b,y\n" + "".join(
        f"{sites[n % 2]},{n},{'' if n % 2 else n},{n % 3 % 2}\n" for n in range(20)
    )
    path = written(tmp_path, text)
    with pytest.raises(DataCorrupt, match=r"All 10 rows of the owner 'east' .* for want of 'b'"):
        CsvFile(path=path, target="y", owner="site").load()
    assert CsvFile(path=path, target="y", owner="site", missing="impute").load().owner_names == (
        "east",
        "north",
    )
    assert CsvFile(path=path, target="y", owner="site", ignore=("b",)).load().owner_names == ("east", "north")


def test_a_parquet_file_is_read_as_the_same_text_is(tmp_path):
    columns = {
        "a": [float(n) for n in range(40)],
        "flag": [n % 3 == 0 for n in range(40)],
        "colour": ["red" if n % 2 else "blue" for n in range(40)],
        "site": ["north" if n % 4 else "south" for n in range(40)],
        "y": [n % 2 for n in range(40)],
    }
    table = pa.table(columns)
    parquet.write_table(table, tmp_path / "t.parquet")
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    text = CsvFile(path=written(tmp_path, "\n".join(lines) + "\n"), target="y", owner="site").load()
    binary = ParquetFile(path=tmp_path / "t.parquet", target="y", owner="site").load()
    assert binary.digest == text.digest
    assert binary.notes == text.notes
    (tmp_path / "no.parquet").write_text("a,b")
    with pytest.raises(DataCorrupt, match="is no Parquet file that can be read"):
        ParquetFile(path=tmp_path / "no.parquet", target="y").load()


def test_what_cannot_be_in_a_parquet_file_is_named_by_its_row(tmp_path):
    parquet.write_table(pa.table({"a": [1.0, float("inf"), 2.0], "y": [0, 1, 0]}), tmp_path / "t.parquet")
    with pytest.raises(DataCorrupt, match=r"In row 2 of .* column 'a' has inf"):
        ParquetFile(path=tmp_path / "t.parquet", target="y").load()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_ignored_may_hold_anything(tmp_path, ending):
    wild = [1e300, float("inf"), *range(10)]
    columns = {"a": [float(n) for n in range(12)], "wild": wild, "y": [n % 2 for n in range(12)]}
    if ending == "parquet":
        parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
        data = ParquetFile(path=tmp_path / "t.parquet", target="y", ignore=("wild",)).load()
    else:
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        data = CsvFile(path=written(tmp_path, "\n".join(lines)), target="y", ignore=("wild",)).load()
    assert data.train.inputs.shape[1] == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_rare_class_is_never_in_the_test_part_alone(tmp_path, seed):
    text = "a,y\n" + "".join(f"{row},{'rare' if row == 7 else row % 2}\n" for row in range(20))
    data = CsvFile(path=written(tmp_path, text), target="y", seed=seed).load()
    assert set(data.test.targets) <= set(data.train.targets)
    moved = [note for note in data.notes if "all rows of 'rare' are trained on" in note]
    assert len(data.test) == 4 - len(moved)


def test_numbers_that_are_written_with_a_sign_or_as_texts_are_numbers(tmp_path):
    data = plain(tmp_path, "a,y\n" + "".join(f"+{row},{row % 2}\n" for row in range(10)))
    assert everything(data) == sorted((float(row), float(row % 2)) for row in range(10))
    texts = pa.table({"a": [str(row) for row in range(10)], "y": [row % 2 for row in range(10)]})
    parquet.write_table(texts, tmp_path / "t.parquet")
    read = ParquetFile(path=tmp_path / "t.parquet", target="y", standardize=False).load()
    assert everything(read) == everything(data)


def test_dates_beside_an_owner_who_loses_all_rows_are_no_fault_of_the_program(tmp_path):
    text = "site,when,b,y\n" + "".join(
        f"{('north', 'east')[n % 2]},2020-01-{n + 1:02},{'' if n % 2 else n},{n % 3 % 2}\n" for n in range(20)
    )
    with pytest.raises(DataCorrupt, match=r"owner 'east' .* for want of 'b'"):
        CsvFile(path=written(tmp_path, text), target="y", owner="site").load()
