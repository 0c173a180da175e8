# SPDX-License-Identifier: Apache-2.0
"""What bytes are called: the root digest of their UnixFS file, and its text as an IPFS CID.

The file is the one Kubo makes with ``cid-version=1, raw-leaves=true, chunker=size-1048576, hash=sha2-256``: raw
leaves of 1 MiB under dag-pb nodes of up to 174 links, every leaf at the same depth (go-unixfs "balanced" layout).
Bytes that fit one leaf are that leaf: digest = sha256(bytes), codec raw. So ``ipfs cat`` and any IPFS gateway show
what a content id names.

Sources: IPFS specifications of UnixFS and DAG-PB (links are written before data), multiformats CIDv1.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bcfl.contracts.ids import ContentId
from bcfl.storage.errors import MalformedContentId

__all__ = ("LEAF_BYTES", "LINKS_PER_NODE", "Codec", "ContentHasher", "cid_text", "content_id", "parse_cid")

LEAF_BYTES = 1 << 20
"""Bytes in a leaf; only the last one of a file may hold fewer."""

LINKS_PER_NODE = 174
"""Links in a dag-pb node; only the last one of a level may hold fewer."""


class Codec(enum.IntEnum):
    """The multicodec of a root block."""

    RAW = 0x55
    DAG_PB = 0x70


_CID_VERSION = 0x01
_SHA2_256 = bytes((0x12, 0x20))  # multihash code, digest length
_CID_TEXT = re.compile(r"b[a-z2-7]{58}", re.ASCII)
_UNIXFS_FILE = 2


@dataclass(frozen=True)
class _Block:
    """What a parent says of its child: ``total`` is the bytes of the child's blocks, ``size`` those of the file."""

    codec: Codec
    digest: bytes
    size: int
    total: int


class ContentHasher:
    """Content id of bytes that arrive in pieces, in constant memory but 32 bytes and two numbers a MiB."""

    def __init__(self) -> None:
        self._leaf = hashlib.sha256()
        self._filled = 0
        self._leaves: list[_Block] = []

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next piece, of any length."""
        view = memoryview(data).cast("B")
        while len(view):
            # A full leaf is closed only when more bytes come: a file of exactly one leaf is that leaf.
            if self._filled == LEAF_BYTES:
                self._close_leaf()
            piece = view[: LEAF_BYTES - self._filled]
            self._leaf.update(piece)
            self._filled += len(piece)
            view = view[len(piece) :]

    def finish(self) -> ContentId:
        """The id of all that came; the hasher takes no more after it."""
        self._close_leaf()
        level = self._leaves
        while len(level) > 1:
            level = [_node(level[i : i + LINKS_PER_NODE]) for i in range(0, len(level), LINKS_PER_NODE)]
        return ContentId(level[0].digest, level[0].size)

    def _close_leaf(self) -> None:
        self._leaves.append(_Block(Codec.RAW, self._leaf.digest(), self._filled, self._filled))
        self._leaf = hashlib.sha256()
        self._filled = 0


def content_id(data: bytes | bytearray | memoryview) -> ContentId:
    """The content id of bytes, at the speed of sha256 (about 1 GB/s a core; the GIL is released)."""
    hasher = ContentHasher()
    hasher.update(data)
    return hasher.finish()


def cid_text(content: ContentId) -> str:
    """The CIDv1 of a content in base32, as ``ipfs`` prints it with the parameters above."""
    codec = Codec.RAW if content.size <= LEAF_BYTES else Codec.DAG_PB
    return "b" + base64.b32encode(_cid_bytes(codec, content.digest)).decode("ascii").rstrip("=").lower()


def parse_cid(text: str) -> tuple[bytes, Codec]:
    """The digest and the codec of a CID text, which may be hostile.

    Only the one text that ``cid_text`` would write is taken: no path, no other base, version, codec or hash.

    Raises:
        MalformedContentId: it is anything else.
    """
    if not _CID_TEXT.fullmatch(text):
        raise MalformedContentId(f"'{text[:80]}' is not a CIDv1 of 59 lower-case base32 characters.")
    raw = base64.b32decode(text[1:].upper() + "=" * 6)
    if raw[0] != _CID_VERSION or raw[1] not in tuple(Codec) or raw[2:4] != _SHA2_256:
        raise MalformedContentId(
            f"The CID '{text}' is not version 1 with codec raw or dag-pb and a sha2-256 digest."
        )
    digest, codec = raw[4:], Codec(raw[1])
    # 58 characters hold 290 bits for 288: another text could otherwise name the same content.
    if base64.b32encode(raw).decode("ascii").rstrip("=").lower() != text[1:]:
        raise MalformedContentId(f"The CID '{text}' has stray bits at its end.")
    return digest, codec


def _cid_bytes(codec: Codec, digest: bytes) -> bytes:
    return bytes((_CID_VERSION, codec)) + _SHA2_256 + digest


def _node(children: Sequence[_Block]) -> _Block:
    """The dag-pb node over children: PBNode{Links, Data}, its Data a UnixFS File with sizes and no bytes."""
    size = sum(child.size for child in children)
    unixfs = _varint_field(1, _UNIXFS_FILE) + _varint_field(3, size)
    unixfs += b"".join(_varint_field(4, child.size) for child in children)
    links = b"".join(_bytes_field(2, _link(child)) for child in children)
    block = links + _bytes_field(1, unixfs)
    total = len(block) + sum(child.total for child in children)
    return _Block(Codec.DAG_PB, hashlib.sha256(block).digest(), size, total)


def _link(child: _Block) -> bytes:
    """PBLink{Hash, Name, Tsize}; the empty name is written too."""
    return (
        _bytes_field(1, _cid_bytes(child.codec, child.digest))
        + _bytes_field(2, b"")
        + _varint_field(3, child.total)
    )


def _varint_field(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes_field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Protocol Buffers base-128 variable-length integer, least significant group first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
