# SPDX-License-Identifier: Apache-2.0
"""Codecs: an update as the difference from the round's model, with fewer bits a number or fewer numbers, compressed by Zstandard.

Who unpacks takes nothing that is not in its codec's form: the length is known before anything is decompressed, scales
are finite, places ascend. The same numbers can still be packed into other bytes, so that a copy has a content id of its own; it is
the numbers that a defence compares. All arithmetic is elementwise, so everybody unpacks the same numbers. The compressed bytes, and so
the content id, are those of one version of libzstd (RFC 8878 leaves them to the encoder).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NoReturn, Protocol

import numpy as np
import numpy.typing as npt
import zstandard

from bcfl.models.errors import MalformedUpdate
from bcfl.registry import register

__all__ = ("Codec", "Int4", "Int8", "TopK", "Uncompressed")

Vector = npt.NDArray[np.float32]

_BLOCK = 256
"""Numbers that share a scale."""
_LEVEL = 19
_LEAST_WINDOW = 1 << 20


class Codec(Protocol):
    """Packs updates."""

    @property
    def feeds_back(self) -> bool:
        """Whether what a packed update leaves out is to be added to the trainer's next one (error feedback)."""
        ...

    def pack(self, update: Vector) -> bytes:
        """An update (d,), the difference of a model from its start."""
        ...

    def unpack(self, packed: bytes, size: int) -> Vector:
        """The update (size,), of bytes that anybody may have made.

        Raises:
            MalformedUpdate: they are not as this codec makes them.
        """
        ...


@register("codec", "none")
@dataclass(frozen=True, kw_only=True)
class Uncompressed:
    """All weights of the model, single precision, as they are."""


class _Blockwise:
    """All numbers of an update, each in so many bits."""

    bits: ClassVar[int]

    def pack(self, update: Vector) -> bytes:
        """Scales, then whole numbers."""
        return _compressed(_quantised(update, bits=self.bits))

    def unpack(self, packed: bytes, size: int) -> Vector:
        """The numbers times their scales."""
        return _scaled(_decompressed(packed, _quantised_bytes(size, bits=self.bits)), size, bits=self.bits)


@register("codec", "int8", source="block-wise 8-bit quantisation (Dettmers et al., 2022)")
@dataclass(frozen=True, kw_only=True)
class Int8(_Blockwise):
    """Each number of the update in 8 bits, with a scale for 256 of them."""

    bits: ClassVar[int] = 8
    feeds_back: ClassVar[bool] = False


@register("codec", "int4", source="block-wise 4-bit quantisation (QSGD, Alistarh et al., 2017)")
@dataclass(frozen=True, kw_only=True)
class Int4(_Blockwise):
    """Each number of the update in 4 bits, with a scale for 256 of them; what rounding takes is added to the next update."""

    bits: ClassVar[int] = 4
    feeds_back: ClassVar[bool] = True


@register(
    "codec",
    "top_k",
    source="Deep Gradient Compression (Lin et al., 2018); error feedback (Karimireddy et al., 2019)",
)
@dataclass(frozen=True, kw_only=True)
class TopK:
    """The largest numbers of the update alone; what is left out is added to the next update.

    Attributes:
        share: of all numbers that is sent.
        bits: of each of them.
    """

    share: float = 0.25
    bits: Literal[4, 8] = 4

    feeds_back: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; write a number above 0, up to 1")

    def pack(self, update: Vector) -> bytes:
        """Gaps between the places, the lowest byte of all of them first; scales; numbers."""
        kept = self._kept(len(update))
        places = np.sort(np.argsort(-np.abs(update), kind="stable")[:kept])
        gaps = np.diff(places, prepend=-1).astype("<u4")
        planes = gaps.view(np.uint8).reshape(kept, 4).T
        return _compressed(planes.tobytes() + _quantised(update[places], bits=self.bits))

    def unpack(self, packed: bytes, size: int) -> Vector:
        """The numbers at their places, zero elsewhere."""
        kept = self._kept(size)
        head = 4 * kept
        data = _decompressed(packed, head + _quantised_bytes(kept, bits=self.bits))
        planes = np.frombuffer(data, np.uint8, count=head).reshape(4, kept)
        gaps = np.ascontiguousarray(planes.T).view("<u4").reshape(-1).astype(np.int64)
        places = np.cumsum(gaps) - 1
        if gaps.min(initial=1) < 1 or (kept and places[-1] >= size):
            _reject("The places of a packed update do not ascend, or leave the model.")
        update = np.zeros(size, np.float32)
        update[places] = _scaled(data[head:], kept, bits=self.bits)
        return update

    def _kept(self, size: int) -> int:
        return min(size, math.ceil(self.share * size))


def _scale_bytes(size: int) -> int:
    return 4 * -(-size // _BLOCK)


def _quantised_bytes(size: int, *, bits: int) -> int:
    return _scale_bytes(size) + -(-size * bits // 8)


def _quantised(values: Vector, *, bits: int) -> bytes:
    """Scales of blocks, little-endian; then whole numbers from -127 to 127, or two from -7 to 7 a byte, as 1 to 15."""
    most = 2 ** (bits - 1) - 1
    padded = np.zeros(-(-len(values) // _BLOCK) * _BLOCK, np.float32)
    padded[: len(values)] = values
    blocks = padded.reshape(-1, _BLOCK)
    scales = (np.abs(blocks).max(axis=1, initial=0) / np.float32(most)).astype("<f4")
    with np.errstate(over="ignore", invalid="ignore"):
        ratios = blocks / np.where(scales > 0, scales, np.float32(1))[:, None]
    # a scale that is denormal may have lost digits: never beyond what the codec has
    whole = np.clip(np.rint(np.nan_to_num(ratios)), -most, most).astype(np.int8)
    numbers = whole.reshape(-1)[: len(values)]
    if bits == 8:
        return bytes(scales.tobytes() + numbers.tobytes())
    nibbles = np.append((numbers + 8).astype(np.uint8), np.zeros(len(numbers) % 2, np.uint8))
    return bytes(scales.tobytes() + (nibbles[::2] << 4 | nibbles[1::2]).tobytes())


def _scaled(data: bytes, size: int, *, bits: int) -> Vector:
    """The inverse: numbers times their scales."""
    scales = np.frombuffer(data, "<f4", count=_scale_bytes(size) // 4)
    if not (np.isfinite(scales).all() and (scales >= 0).all()):
        _reject("A scale of a packed update is no finite number from zero up.")
    numbers = np.frombuffer(data, np.int8, offset=_scale_bytes(size))
    if bits == 4:
        both = numbers.view(np.uint8)
        nibbles = np.stack((both >> 4, both & 15), axis=1).reshape(-1)[:size]
        if nibbles.min(initial=8) == 0:
            _reject("A packed update has a number below -7.")
        numbers = nibbles.astype(np.int8) - np.int8(8)
    elif numbers.min(initial=0) == -128:
        _reject("A packed update has a number below -127.")
    with np.errstate(over="ignore"):
        values: Vector = numbers.astype(np.float32) * np.repeat(scales, _BLOCK)[:size]
    return values


def _compressed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(data)


def _decompressed(packed: bytes, length: int) -> bytes:
    """Exactly so many bytes; one frame and nothing after it."""
    try:
        if zstandard.frame_content_size(packed) != length:
            _reject(f"A packed update does not say that it has {length} bytes.")
        window = max(_LEAST_WINDOW, 1 << max(0, length - 1).bit_length())
        reader = zstandard.ZstdDecompressor(max_window_size=window)
        data = reader.decompress(packed, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise MalformedUpdate("A packed update cannot be decompressed.", reason="packed") from error
    if len(data) != length:
        _reject(f"A packed update has {len(data)} bytes, not {length}.")
    return data


def _reject(message: str) -> NoReturn:
    raise MalformedUpdate(message, reason="packed")
