# SPDX-License-Identifier: Apache-2.0
"""Shakespeare by role: who says what by the rules of LEAF, windows and their next characters, and refusals in one sentence."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from bcfl.models.data.cache import cache_file
from bcfl.models.data.plays import gutenberg_roles, markdown_roles
from bcfl.models.data.shakespeare import LEAF_LETTERS, Shakespeare
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import InvalidParameters, create

_SPEECHES = """  Ham. To be, or  not to be,
    that is the question:
    whether 'tis nobler
  HORATIO. My lord!
    I came to see
    your father's funeral.
  Ghost. Swear.
"""
_FLAT = """Ant. Here, master,
is the rope.
And  the end.
ACT II. SCENE 1
Dro. Sir, I
know not
where.
<<licence>>
not said
"""
_GUTENBERG = f"""The first line
by William Shakespeare
sonnets

1601

THE TRAGEDY OF HAMLET

by William Shakespeare

{_SPEECHES}

1593

THE COMEDY OF ERRORS

by William Shakespeare

{_FLAT}
"""


def _written(tmp_path, text=_GUTENBERG):
    (tmp_path / "shakespeare.txt.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_roles_of_the_complete_works():
    assert gutenberg_roles(_GUTENBERG) == {
        "THE TRAGEDY OF HAMLET/HAM": "To be, or not to be, that is the question: whether 'tis nobler ",
        "THE TRAGEDY OF HAMLET/HORATIO": "My lord! I came to see your father's funeral. ",
        "THE COMEDY OF ERRORS/ANT": "Here, master, is the rope. And the end. ",
        "THE COMEDY OF ERRORS/DRO": "Sir, I know not where. ",
    }
    assert gutenberg_roles("something else\nby nobody") == {}


def test_roles_in_markdown():
    play = "# A\n\n## ACT I\n\n**ONE**  \nWho’s there—\nho?\n_Enter TWO_\n*Speak!*\n\n### SCENE II\n\nno speech\n\n**TWO**  \nI.\n"
    assert markdown_roles([("a-play", play)]) == {"A-PLAY/ONE": "Who's there- ho? Speak! "}
    assert markdown_roles([("monologue", "**ONE**\na\nb\nc\n")]) == {}


def test_windows_are_followed_by_the_next_character(tmp_path):
    found = create("dataset", "shakespeare", {"length": 10, "test_share": 0.25}).load(_written(tmp_path))
    said = gutenberg_roles(_GUTENBERG)
    assert found.owner_names == tuple(said)
    assert len(found.train) + len(found.test) == sum(len(text) - 10 for text in said.values())
    assert not set(found.train.owners.tolist()) & set(found.test.owners.tolist())
    for part in (found.train, found.test):
        assert part.tokens
        assert part.inputs.dtype == np.uint8
        for window, target, owner in zip(part.inputs, part.targets, part.owners, strict=True):
            assert bytes(window).decode() + chr(target) in list(said.values())[owner]


def test_the_ends_of_roles_overlap_nothing_that_is_trained_on(tmp_path):
    found = Shakespeare(length=5, test="ends", test_share=0.3).load(_written(tmp_path))
    assert set(found.train.owners.tolist()) == set(found.test.owners.tolist()) == {0, 1, 2, 3}
    texts = list(gutenberg_roles(_GUTENBERG).values())
    for owner, text in enumerate(texts):
        counts = [int((part.owners == owner).sum()) for part in (found.train, found.test)]
        assert sum(counts) == len(text) - 10  # a window fewer for each place that one more would overlap
        first = found.test.inputs[found.test.owners == owner][0]
        last = found.train.targets[found.train.owners == owner][-1]
        assert bytes(first).decode() == text[counts[0] + 5 :][:5]
        assert chr(last) == text[counts[0] + 4]


def test_strides_shares_and_letters(tmp_path):
    directory = _written(tmp_path)
    all_of_them = Shakespeare(length=10).load(directory)
    every_third = Shakespeare(length=10, stride=3).load(directory)
    count = len(every_third.train) + len(every_third.test)
    assert len(all_of_them.train) + len(all_of_them.test) > 2.5 * count
    few = Shakespeare(length=10, share=0.3).load(directory)
    assert len(few.owner_names) == 2
    assert Shakespeare(length=10, share=0.3).load(directory).digest == few.digest
    assert {Shakespeare(length=10, share=0.3, seed=seed).load(directory).digest for seed in range(6)} != {
        few.digest
    }
    assert (
        Shakespeare(length=10, least=31).load(directory).owner_names == tuple(gutenberg_roles(_GUTENBERG))[:2]
    )
    leaf = Shakespeare(length=10, letters="leaf").load(directory)
    text = "".join(LEAF_LETTERS[token] for token in leaf.train.inputs[0])
    assert text == bytes(all_of_them.train.inputs[0]).decode()
    assert leaf.train.digest() != all_of_them.train.digest()


def _leaf(directory, train, test):
    for part, users in (("train", train), ("test", test)):
        (directory / part).mkdir()
        content = {"users": list(users), "num_samples": [], "user_data": users}
        (directory / part / "all_data.json").write_text(json.dumps(content))
    return directory


def test_leafs_own_json(tmp_path):
    users = {"HAM": {"x": ["to be", "o be,"], "y": [",", " "]}, "GHO": {"x": ["swear"], "y": ["."]}}
    found = Shakespeare().load(_leaf(tmp_path, users, {"HOR": {"x": ["my lo"], "y": ["r"]}}))
    assert found.owner_names == ("GHO", "HAM", "HOR")
    assert found.train.owners.tolist() == [1, 1, 0]
    assert bytes(found.train.inputs[1]).decode() == "o be,"
    assert [chr(target) for target in found.train.targets] == [",", " ", "."]
    assert found.test.owners.tolist() == [2]


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ({"A": {"x": ["abc"], "y": ["d", "e"]}}, "2 y of the user 'A'"),
        ({"A": {"x": ["abc", "ab"], "y": ["d", "e"]}}, "a text of one length"),
        ({"A": {"x": [[0.5, 1]], "y": [3]}}, "does not hold LEAF's Shakespeare"),
        ({"A": {"x": ["abc"]}}, "x and y of each"),
    ],
)
def test_json_that_is_not_leafs(tmp_path, users, message):
    with pytest.raises(DataCorrupt, match=message):
        Shakespeare().load(_leaf(tmp_path, users, users))


def test_what_is_no_such_text_is_refused(tmp_path):
    with pytest.raises(DataUnavailable, match="holds none of shakespeare"):
        Shakespeare().load(tmp_path)
    with pytest.raises(DataCorrupt, match="Complete Works"):
        Shakespeare().load(_written(tmp_path, "A novel.\n" * 9))
    (tmp_path / "shakespeare.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(DataCorrupt, match="cannot be read"):
        Shakespeare().load(tmp_path)
    spoilt = bytearray(gzip.compress(_GUTENBERG.encode()))
    spoilt[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "shakespeare.txt.gz").write_bytes(spoilt)
    with pytest.raises(DataCorrupt, match="cannot be read"):
        Shakespeare().load(tmp_path)
    with pytest.raises(DataCorrupt, match="in the part to train on"):
        Shakespeare(test="ends", length=30, test_share=0.9).load(_written(tmp_path))
    with pytest.raises(DataCorrupt, match="lower least"):
        Shakespeare(least=1000).load(_written(tmp_path))
    with pytest.raises(InvalidParameters, match="at least 1"):
        create("dataset", "shakespeare", {"stride": 0})


def test_somebody_is_always_trained_on(tmp_path):
    found = Shakespeare(length=10, share=0.01, test_share=0.9).load(_written(tmp_path))
    assert len(set(found.train.owners.tolist())) == len(set(found.test.owners.tolist())) == 1


def test_a_directory_of_several_data_sets(tmp_path):
    (tmp_path / "shakespeare_leaf").mkdir()
    _written(tmp_path / "shakespeare_leaf")
    assert len(Shakespeare(length=10).load(tmp_path).owner_names) == 4


@pytest.mark.skipif(
    not cache_file("shakespeare").is_file(), reason="Shakespeare's plays are not in the cache"
)
def test_the_plays_of_the_package(monkeypatch):
    monkeypatch.delenv("BCFL_DATA_DIR", raising=False)
    found = Shakespeare(stride=40).load()
    assert len(found.owner_names) == 1181
    assert found.train.vocabulary <= 127
    assert 100_000 < len(found.train) + len(found.test) < 110_000
