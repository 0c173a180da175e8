# SPDX-License-Identifier: Apache-2.0
"""Packed updates: how near they come, how small they are, and that nothing is taken which the codec would not have made."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import struct

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.errors import MalformedUpdate
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.codecs import Int4, Int8, TopK
from bcfl.models.wire.packed import Packing
from bcfl.models.wire.tensors import encode
from bcfl.registry import InvalidParameters, create

CODECS = (Int8(), Int4(), TopK(share=0.1, bits=8), TopK(share=0.1, bits=4))
SIZE = 1000


def _update(size=SIZE, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(size) * rng.lognormal(0, 1.5, size) * 1e-2).astype(np.float32)


def _error(codec, update):
    return float(
        np.linalg.norm(update - codec.unpack(codec.pack(update), len(update))) / np.linalg.norm(update)
    )


def _frame(data):
    return zstandard.ZstdCompressor(level=3).compress(data)


def _plain(packed):
    return zstandard.ZstdDecompressor().decompress(packed)


@pytest.mark.parametrize(
    ("codec", "error", "bits"),
    [
        (Int8(), 0.03, 8),
        (Int4(), 0.35, 4),
        (TopK(share=0.1, bits=8), 0.6, 2),
        (TopK(share=0.1, bits=4), 0.65, 1.2),
    ],
)
def test_an_update_comes_back_nearly_as_it_was_in_fewer_bits(codec, error, bits):
    update = _update(40_000)
    assert _error(codec, update) < error
    assert len(codec.pack(update)) < 40_000 * bits / 8
    assert codec.pack(update) == codec.pack(update.copy())


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1001])
def test_every_size_and_nothing_at_all(codec, size):
    update = _update(size)
    assert codec.unpack(codec.pack(update), size).shape == (size,)
    assert not codec.unpack(codec.pack(np.zeros(size, np.float32)), size).any()


def test_the_largest_are_sent_and_nothing_else():
    update = _update()
    found = TopK(share=0.05, bits=8).unpack(TopK(share=0.05, bits=8).pack(update), SIZE)
    kept = np.flatnonzero(found)
    assert len(kept) == 50
    assert np.abs(update[kept]).min() >= np.abs(np.delete(update, kept)).max()
    assert found[kept] == pytest.approx(update[kept], rel=0.5)


@pytest.mark.parametrize("codec", [Int4(), TopK(share=0.05), TopK(share=0.05, bits=8)])
def test_what_is_left_out_comes_with_the_next(codec):
    schema = Schema((TensorSpec("w", (SIZE,)),))
    packing = Packing(codec=codec, start=Weights(schema, np.zeros(SIZE, np.float32)))
    assert codec.feeds_back
    update, sent, left = _update(), np.zeros(SIZE), np.zeros(SIZE, np.float32)
    for _ in range(60):
        whole = Weights(schema, update + left)
        sent += packing.decode(packing.encode(whole, {}))[0].vector
        left = packing.lost(whole).vector
    once = np.linalg.norm(update - codec.unpack(codec.pack(update), SIZE))
    assert np.linalg.norm(update - sent / 60) < 0.25 * once


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), codec=st.sampled_from(CODECS))
def test_no_bytes_do_anything_but_decode_or_be_refused(data, codec):
    for packed in (data, _frame(data)):
        with pytest.raises(MalformedUpdate) as refused:
            codec.unpack(packed, SIZE)
        assert refused.value.reason == "packed"


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255), codec=st.sampled_from(CODECS))
def test_a_changed_byte_gives_finite_numbers_or_a_refusal(place, value, codec):
    data = bytearray(_plain(codec.pack(_update())))
    data[place % len(data)] = value
    found = np.zeros(SIZE)
    with contextlib.suppress(MalformedUpdate):
        found = codec.unpack(_frame(bytes(data)), SIZE)
    assert found.shape == (SIZE,)
    assert not np.isnan(found).any()


def test_a_bomb_is_not_unpacked():
    bomb = _frame(bytes(1 << 28))
    assert len(bomb) < 1 << 16
    for codec in CODECS:
        with pytest.raises(MalformedUpdate, match="does not say that it has"):
            codec.unpack(bomb, SIZE)
    nameless = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    with pytest.raises(MalformedUpdate):
        Int8().unpack(nameless, SIZE)


@pytest.mark.parametrize("codec", CODECS)
def test_nothing_follows_the_frame(codec):
    with pytest.raises(MalformedUpdate):
        codec.unpack(codec.pack(_update()) + b"more", SIZE)


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -1.0])
def test_scales_are_finite_and_not_below_zero(scale):
    data = bytearray(_plain(Int8().pack(_update())))
    data[:4] = struct.pack("<f", scale)
    with pytest.raises(MalformedUpdate, match="A scale of a packed update"):
        Int8().unpack(_frame(bytes(data)), SIZE)


def test_numbers_are_those_that_the_codec_makes():
    data = bytearray(_plain(Int8().pack(_update())))
    data[-1] = 128
    with pytest.raises(MalformedUpdate, match="below -127"):
        Int8().unpack(_frame(bytes(data)), SIZE)


@pytest.mark.parametrize("gap", [0, SIZE, 2**31])
def test_places_ascend_within_the_model(gap):
    codec = TopK(share=0.1, bits=8)
    data = bytearray(_plain(codec.pack(_update())))
    for plane in range(4):
        data[100 * plane + 7] = gap >> 8 * plane & 255
    with pytest.raises(MalformedUpdate, match="do not ascend, or leave the model"):
        codec.unpack(_frame(bytes(data)), SIZE)


def test_a_share_is_one():
    for share in (0.0, 1.5, -1.0):
        with pytest.raises(InvalidParameters, match="share is"):
            create("codec", "top_k", {"share": share})


# ---------------------------------------------------------------- the file around it


@pytest.fixture
def packing():
    schema = Schema((TensorSpec("a", (10, 90)), TensorSpec("b", (100,))))
    return Packing(codec=Int8(), start=Weights(schema, _update(seed=1)))


def test_a_model_and_its_metadata_come_back(packing):
    model = dataclasses.replace(packing.start, vector=packing.start.vector + _update(seed=2))
    data = packing.encode(model, {"samples": "60", "round": "1"})
    found, metadata = packing.decode(data)
    assert metadata == {"samples": "60", "round": "1"}
    assert found.schema == packing.start.schema
    assert np.abs(found.vector - model.vector).max() < np.abs(_update(seed=2)).max() / 100


def test_an_update_that_is_not_packed_is_refused_and_the_other_way_round(packing):
    with pytest.raises(MalformedUpdate) as refused:
        packing.decode(encode(packing.start, {}))
    assert refused.value.reason == "packed"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["update"].update(dtype="F32"),
        lambda header: header["update"].update(shape=[1]),
        lambda header: header.update(more=header["update"]),
        lambda header: header.pop("update"),
    ],
)
def test_the_header_says_one_tensor_of_all_bytes(packing, change):
    data = packing.encode(packing.start, {})
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    with pytest.raises(MalformedUpdate, match="is not one tensor"):
        packing.decode(struct.pack("<Q", len(text)) + text + data[8 + length :])


def test_a_model_that_is_not_finite_is_refused(packing):
    data = bytearray(_plain(Int8().pack(_update())))
    data[:4] = struct.pack("<f", 3e38)
    body = _frame(bytes(data))
    header = {"update": {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}
    text = json.dumps(header).encode()
    with pytest.raises(MalformedUpdate) as refused:
        packing.decode(struct.pack("<Q", len(text)) + text + body)
    assert refused.value.reason == "non_finite"
