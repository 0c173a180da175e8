# SPDX-License-Identifier: Apache-2.0
"""Trees over a batch's entries: every proof leads to the root by OpenZeppelin's rule, and no other leaf does."""

from __future__ import annotations

import eth_abi
import pytest
from eth_utils import keccak

from bcfl.contracts.merkle import leaf_of, tree_of


def _entries(count):
    return b"".join((3 * n).to_bytes(4, "big") + keccak(bytes([n])) for n in range(count))


def _climbed(leaf, proof):
    """``MerkleProof.processProof``."""
    for sibling in proof:
        leaf = keccak(min(leaf, sibling) + max(leaf, sibling))
    return leaf


def test_a_leaf_is_hashed_twice():
    encoded = eth_abi.encode(["uint32", "bytes32"], [7, b"c" * 32])
    assert leaf_of(7, b"c" * 32) == keccak(keccak(encoded))


def test_a_tree_of_one_is_its_leaf():
    tree = tree_of(_entries(1))
    assert (tree.root, tree.proof(0)) == (leaf_of(0, keccak(b"\0")), ())


def test_of_two_and_three_the_shape_is_that_of_a_complete_tree():
    a, b, c = (leaf_of(3 * n, keccak(bytes([n]))) for n in range(3))
    assert tree_of(_entries(2)).root == keccak(min(a, b) + max(a, b))
    pair = keccak(min(a, b) + max(a, b))
    assert tree_of(_entries(3)).root == keccak(min(pair, c) + max(pair, c))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13, 100])
def test_every_entry_has_a_proof_and_no_other_leaf(count):
    tree = tree_of(_entries(count))
    for n in range(count):
        leaf = leaf_of(3 * n, keccak(bytes([n])))
        assert _climbed(leaf, tree.proof(3 * n)) == tree.root
        assert _climbed(leaf_of(3 * n + 1, keccak(bytes([n]))), tree.proof(3 * n)) != tree.root
    with pytest.raises(KeyError):
        tree.proof(1)
