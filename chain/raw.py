# SPDX-License-Identifier: Apache-2.0
"""Blocks and logs as a node writes them, and what is made of that."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.ids import Address, BlockHash, TxHash

__all__ = ("RawBlock", "RawLog", "checksummed", "parse_address", "parse_block", "parse_log", "unhex")

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RawBlock:
    """A block's header, without its transactions."""

    ref: BlockRef
    logs_bloom: bytes
    """2048 bits (yellow paper, 4.4.3)."""
    base_fee: int | None
    gas_used: int
    gas_limit: int
    transactions: tuple[TxHash, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RawLog:
    """A log as the node gave it, not decoded."""

    block_number: int
    block_hash: BlockHash
    log_index: int
    transaction: TxHash
    address: Address
    topics: tuple[bytes, ...]
    data: bytes


@functools.lru_cache(maxsize=65_536)
def checksummed(address: str) -> Address:
    """The address with its EIP-55 checksum."""
    return Address(to_checksum_address(address))


def parse_address(text: str) -> Address:
    """An address that a person wrote.

    Raises:
        ValueError: it is none, or its capital letters, which are a checksum (EIP-55), do not fit it; in words that go on after
            what it is called.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError("is no address: 0x and 40 hexadecimal digits")
    address = checksummed(text)
    if text not in {address, text.lower()}:
        raise ValueError("is mistyped: its capital letters, which are a checksum, do not fit it")
    return address


def parse_block(raw: dict[str, Any]) -> RawBlock:
    """A header as a node writes it, in answers and to subscribers."""
    base_fee = raw.get("baseFeePerGas")
    return RawBlock(
        ref=BlockRef(
            number=int(raw["number"], 16),
            hash=BlockHash(raw["hash"]),
            parent_hash=BlockHash(raw["parentHash"]),
            timestamp=int(raw["timestamp"], 16),
        ),
        logs_bloom=unhex(raw["logsBloom"]),
        base_fee=None if base_fee is None else int(base_fee, 16),
        gas_used=int(raw["gasUsed"], 16),
        gas_limit=int(raw["gasLimit"], 16),
        transactions=tuple(raw.get("transactions", ())),
    )


def parse_log(raw: dict[str, Any]) -> RawLog:
    """A log as a node writes it."""
    return RawLog(
        block_number=int(raw["blockNumber"], 16),
        block_hash=BlockHash(raw["blockHash"]),
        log_index=int(raw["logIndex"], 16),
        transaction=TxHash(raw["transactionHash"]),
        address=checksummed(raw["address"]),
        topics=tuple([unhex(topic) for topic in raw["topics"]]),
        data=unhex(raw["data"]),
    )


def unhex(text: str) -> bytes:
    """Bytes of 0x-prefixed hexadecimal."""
    return bytes.fromhex(text[2:])
