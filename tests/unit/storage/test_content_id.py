# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib

import pytest

from bcfl.contracts.ids import ContentId
from bcfl.storage.content_id import (
    LEAF_BYTES,
    LINKS_PER_NODE,
    Codec,
    ContentHasher,
    cid_text,
    content_id,
    parse_cid,
)
from bcfl.storage.errors import MalformedContentId

# Printed by Kubo 0.42.0 for the bytes 00..ff repeated to the length.
KNOWN = {
    0: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    1: "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu",
    1_048_576: "bafkreih3xkzit57zjmsxg3cyxzdktfgeih6qevjmyybcguxd3bws7k34qm",
    1_048_577: "bafybeidilpoket5zygjfcrvh76gvmez7iwgzmf55stwnofqxvprkyjlf7y",
    3_145_728: "bafybeignibaewothtuttuzcxzretnwuon55js6prplz6uzn2sgzvcscka4",
    10_000_000: "bafybeiaqyl25o6jech33b5besfimkl34lwkocce6uosjkc52qufv6lw57u",
}
GOOD = KNOWN[1]


def pattern(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.mark.parametrize("size", KNOWN)
def test_known_answers(size: int):
    content = content_id(pattern(size))
    assert content.size == size
    assert cid_text(content) == KNOWN[size]


@pytest.mark.parametrize("piece", [1000, 65_536, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 3_000_000])
def test_pieces_give_the_same_id_as_the_whole(piece: int):
    data = pattern(3_145_728)
    hasher = ContentHasher()
    for start in range(0, len(data), piece):
        hasher.update(memoryview(data)[start : start + piece])
    hasher.update(b"")
    assert cid_text(hasher.finish()) == KNOWN[len(data)]


def test_up_to_one_leaf_the_digest_is_that_of_the_bytes():
    assert content_id(b"update").digest == hashlib.sha256(b"update").digest()


def links_and_sizes(size: int, monkeypatch: pytest.MonkeyPatch, leaf: int) -> list[tuple[int, int]]:
    """(links, bytes of file) of every dag-pb node, in the order of building."""
    from bcfl.storage import content_id as module

    nodes: list[tuple[int, int]] = []
    make = module._node
    monkeypatch.setattr(module, "LEAF_BYTES", leaf)

    def recorded(children):
        node = make(children)
        nodes.append((len(children), node.size))
        return node

    monkeypatch.setattr(module, "_node", recorded)
    hasher = module.ContentHasher()
    hasher.update(bytes(size))
    hasher.finish()
    return nodes


def test_one_level_holds_174_leaves(monkeypatch: pytest.MonkeyPatch):
    assert links_and_sizes(174 * 4, monkeypatch, 4) == [(174, 696)]


def test_one_leaf_more_makes_two_nodes_under_a_root(monkeypatch: pytest.MonkeyPatch):
    assert links_and_sizes(174 * 4 + 1, monkeypatch, 4) == [(174, 696), (1, 1), (2, 697)]


def test_a_full_second_level_and_one_leaf_make_a_third(monkeypatch: pytest.MonkeyPatch):
    nodes = links_and_sizes(LINKS_PER_NODE**2 * 2 + 2, monkeypatch, 2)
    assert len(nodes) == 175 + 2 + 1  # a single leaf has its own node on every level
    assert nodes[-3:] == [(174, 60_552), (1, 2), (2, 60_554)]


def test_parsing_is_the_inverse_of_printing():
    for size, codec in ((5, Codec.RAW), (LEAF_BYTES, Codec.RAW), (LEAF_BYTES + 1, Codec.DAG_PB)):
        digest = hashlib.sha256(str(size).encode()).digest()
        assert parse_cid(cid_text(ContentId(digest, size))) == (digest, codec)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        GOOD[:-1],
        GOOD + "a",
        GOOD + "/weights",
        GOOD + "/../../etc/passwd",
        "/ipfs/" + GOOD,
        "ipfs://" + GOOD,
        " " + GOOD,
        GOOD + "\n",
        GOOD.upper(),
        "B" + GOOD[1:].upper(),
        GOOD[:-2] + "0" + GOOD[-1],  # not in the alphabet
        GOOD[:-1] + "v",  # the same 36 bytes with stray bits
        GOOD[:20] + "ſ" + GOOD[21:],  # an s to case-insensitive eyes
        "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o",  # version 0
        "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA",  # base58
        "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",  # codec dag-cbor
        "b" + "a" * 58,
        "x" * 1_000_000,
    ],
)
def test_other_texts_are_no_content_ids(text: str):
    with pytest.raises(MalformedContentId) as caught:
        parse_cid(text)
    assert len(str(caught.value)) < 200


def test_another_hash_is_no_content_id():
    import base64

    sha3 = bytes((1, 0x55, 0x16, 0x20)) + bytes(32)
    with pytest.raises(MalformedContentId, match="sha2-256"):
        parse_cid("b" + base64.b32encode(sha3).decode().rstrip("=").lower())
