# SPDX-License-Identifier: Apache-2.0
"""Values of delivery and the names of things."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.contracts.delivery import Batch, BlockRef, Level
from bcfl.contracts.ids import ContentId

BLOCK = BlockRef(1, "0x01", "0x00", 1000)


def test_final_is_more_than_seen():
    assert Level.FINAL > Level.SEEN


def test_a_block_is_what_it_says_and_cannot_change():
    assert BlockRef(1, "0x01", "0x00", 1000) == BLOCK
    assert BlockRef(1, "0x02", "0x00", 1000) != BLOCK
    with pytest.raises(dataclasses.FrozenInstanceError):
        BLOCK.number = 2
    assert Batch(BLOCK, Level.SEEN, ()) != Batch(BLOCK, Level.FINAL, ())


@pytest.mark.parametrize(("digest", "size"), [(b"", 1), (b"\0" * 31, 1), (b"\0" * 33, 1), (b"\0" * 32, -1)])
def test_a_content_id_is_a_digest_and_a_size(digest, size):
    with pytest.raises(ValueError, match="32 bytes and a size"):
        ContentId(digest, size)


def test_a_content_id_reads_as_both():
    assert str(ContentId(b"\xab" * 32, 12)) == "ab" * 32 + ":12"
    assert ContentId(b"\1" * 32, 1) != ContentId(b"\1" * 32, 2)
