# SPDX-License-Identifier: Apache-2.0
"""Whether a block's bloom filter rules out that an address emitted a log in it.

Source: Ethereum yellow paper, 4.4.3 (M3:2048): three of 2048 bits from the pairs of the first six bytes of
the address's keccak-256.
"""

from __future__ import annotations

import functools

from eth_utils.crypto import keccak

from bcfl.contracts.ids import Address

__all__ = ("may_contain",)


def may_contain(logs_bloom: bytes, address: Address) -> bool:
    """False: the address emitted nothing in the block. True: it may have.

    Args:
        logs_bloom: a block's filter, 256 bytes.
        address: the emitter.
    """
    return all(logs_bloom[place] & mask for place, mask in _bits(address))


@functools.lru_cache(maxsize=65_536)
def _bits(address: Address) -> tuple[tuple[int, int], ...]:
    digest = keccak(hexstr=address)
    bits = [int.from_bytes(digest[start : start + 2], "big") & 2047 for start in (0, 2, 4)]
    return tuple((255 - bit // 8, 1 << bit % 8) for bit in bits)
