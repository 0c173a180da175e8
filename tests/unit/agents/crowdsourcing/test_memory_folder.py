# SPDX-License-Identifier: Apache-2.0
"""An evaluator's memory outlives its process, array by array, and nothing rests on what cannot be read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bcfl.agents.crowdsourcing import memory_folder
from bcfl.agents.crowdsourcing.memory_folder import MemoryFolder
from bcfl.models.defences.defence import Fault, Memory, Standing
from bcfl.models.defences.history import History

KEY = b"k" * 32
STANDINGS = {
    0: Standing(suspicion=1.5, strikes=(1, 3), missed=(2,), condemned=True, fault=Fault.HARMFUL, paroled=1),
    7: Standing(),
}


def grown(rounds, *, most=1024, width=6, updates=2):
    """A history after so many rounds."""
    rng = np.random.default_rng(0)
    history = History(most=most)
    for number in range(rounds):
        history = history.moved(rng.normal(size=width).astype(np.float32))
        history = history.extended(
            rng.normal(size=(updates, width)), [bytes([number, n]) * 16 for n in range(updates)]
        )
    return history


def inodes(folder):
    return {path.name: path.stat().st_ino for path in folder.glob("*.npy")}


def same(one, other):
    assert one.standings == other.standings
    left, right = one.history, other.history
    assert (left.digests, left.most) == (right.digests, right.most)
    for a, b in (
        *zip(left.blocks, right.blocks, strict=True),
        *zip(left.recent, right.recent, strict=True),
        (left.sketch, right.sketch),
        (left.model, right.model),
    ):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)


def test_nothing_was_kept(tmp_path):
    assert MemoryFolder(tmp_path / "none").load() is None


@pytest.mark.parametrize(
    "history", [History(), grown(1), grown(3), grown(9, most=4)], ids=["none", "one", "three", "condensed"]
)
def test_what_was_kept_is_read_again(tmp_path, history):
    memory = Memory(standings=STANDINGS, history=history)
    MemoryFolder(tmp_path / "memory").keep(4, KEY, memory)
    number, key, found = MemoryFolder(tmp_path / "memory").load()
    assert (number, key) == (4, KEY)
    same(found, memory)


def test_only_what_is_new_is_written_also_after_a_new_start(tmp_path):
    first = grown(3)
    folder = MemoryFolder(tmp_path)
    folder.keep(3, KEY, Memory(history=first))
    written = inodes(tmp_path)
    second = first.moved(np.ones(6, dtype=np.float32)).extended(np.eye(6)[:1])
    folder.keep(4, KEY, Memory(history=second))
    later = inodes(tmp_path)
    assert len(later.items() & written.items()) == len(written) - 1  # all but the model of the round before
    again = MemoryFolder(tmp_path)
    _, _, found = again.load()
    third = found.history.moved(np.zeros(6, dtype=np.float32)).extended(np.eye(6)[:1])
    again.keep(5, KEY, Memory(history=third))
    last = inodes(tmp_path)
    assert len(last.items() & later.items()) == len(later) - 1
    same(MemoryFolder(tmp_path).load()[2], Memory(history=third))


def test_what_is_no_more_needed_does_not_stay(tmp_path):
    folder, history = MemoryFolder(tmp_path), grown(2, most=8)
    sizes = []
    for number in range(40):
        history = history.extended(np.random.default_rng(number).normal(size=(2, 6)))
        folder.keep(number, KEY, Memory(history=history))
        sizes.append(len(list(tmp_path.iterdir())))
    assert max(sizes[20:]) <= max(sizes[:20])
    same(MemoryFolder(tmp_path).load()[2], Memory(history=history))


@pytest.mark.parametrize("spoil", ["cut", "gone", "text", "version"])
def test_what_cannot_be_read_is_as_if_nothing_was_kept(tmp_path, spoil, monkeypatch):
    folder = MemoryFolder(tmp_path)
    folder.keep(3, KEY, Memory(standings=STANDINGS, history=grown(3)))
    array = next(tmp_path.glob("*.npy"))
    if spoil == "cut":
        array.write_bytes(array.read_bytes()[:90])
    elif spoil == "gone":
        array.unlink()
    elif spoil == "text":
        (tmp_path / "memory.json").write_text('{"form": ')
    else:
        monkeypatch.setattr(memory_folder, "__version__", "another")
    again = MemoryFolder(tmp_path)
    assert again.load() is None
    again.keep(4, KEY, Memory(history=grown(1)))
    same(MemoryFolder(tmp_path).load()[2], Memory(history=grown(1)))


def test_pickled_objects_are_not_loaded(tmp_path):
    MemoryFolder(tmp_path).keep(3, KEY, Memory(history=grown(1)))
    array = next(tmp_path.glob("*.npy"))
    np.save(array, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert MemoryFolder(tmp_path).load() is None


def test_a_full_disk_costs_nothing(tmp_path, monkeypatch):
    folder = MemoryFolder(tmp_path)
    folder.keep(3, KEY, Memory(history=grown(1)))

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        folder.keep(4, KEY, Memory(history=grown(2)))
    assert MemoryFolder(tmp_path).load()[0] == 3
    folder.keep(5, KEY, Memory(history=grown(2)))
    assert MemoryFolder(tmp_path).load()[0] == 5
    assert json.loads((tmp_path / "memory.json").read_text())["round"] == 5
