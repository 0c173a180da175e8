# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree over a batch of commitments, of which a rooted task has the root alone.

Leaves and pairs are hashed as OpenZeppelin's ``StandardMerkleTree`` of (uint32, bytes32) does: a leaf twice, a pair in
ascending order, so that its ``MerkleProof`` accepts a proof of any shape. Ours is a complete binary tree with the leaves in
the order of the entries, the first one last.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_utils import keccak

__all__ = ("ENTRY_BYTES", "MerkleTree", "leaf_of", "tree_of")

ENTRY_BYTES = 36
"""Index (4) ‖ commitment (32)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MerkleTree:
    """Nodes (32 bytes each), the root first and the children of node i at 2i + 1 and 2i + 2; the place of each member's leaf."""

    nodes: Sequence[bytes]
    places: Mapping[int, int]

    @property
    def root(self) -> bytes:
        """What the contract has, 32 bytes."""
        return self.nodes[0]

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Siblings from a member's leaf up to the root.

        Raises:
            KeyError: it has no leaf.
        """
        place, path = self.places[index], []
        while place:
            path.append(self.nodes[place + 1 if place % 2 else place - 1])
            place = (place - 1) // 2
        return tuple(path)


def leaf_of(index: int, commitment: bytes) -> bytes:
    """keccak256(keccak256(abi.encode(index, commitment)))."""
    return keccak(keccak(index.to_bytes(32, "big") + commitment))


@functools.lru_cache(maxsize=8)
def tree_of(entries: bytes) -> MerkleTree:
    """The tree over packed entries, at least one; kept, since all of a batch may ask for their proofs."""
    starts = range(0, len(entries), ENTRY_BYTES)
    indices = [int.from_bytes(entries[start : start + 4], "big") for start in starts]
    last = 2 * len(indices) - 2
    nodes = [b""] * (last + 1)
    for place, start in enumerate(starts):
        nodes[last - place] = leaf_of(indices[place], entries[start + 4 : start + ENTRY_BYTES])
    for parent in reversed(range(len(indices) - 1)):
        nodes[parent] = keccak(b"".join(sorted(nodes[2 * parent + 1 : 2 * parent + 3])))
    return MerkleTree(nodes=nodes, places={index: last - place for place, index in enumerate(indices)})
