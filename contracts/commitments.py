# SPDX-License-Identifier: Apache-2.0
"""What is hashed: commitments to updates and to scores, salts, the commitment to a validation set."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache

import eth_abi
from eth_utils import keccak

from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.scores import pack_scores

__all__ = ("SALT_BYTES", "commitment", "salt_for", "score_commitment", "validation_commitment")

SALT_BYTES = 16
_REMEMBERED = 8192
"""Commitments, which are asked for at each look at the chain: of a few rounds of the largest cohort."""


def salt_for(secret: bytes, task: Address, round_number: int, purpose: bytes = b"") -> bytes:
    """16 bytes of HMAC-SHA256(secret, task ‖ round ‖ purpose): the same after a restart, unguessable for others.

    ``purpose`` is empty for an update's salt and ``b"scores"`` for a score vector's: the one that is opened first
    must not open the other.
    """
    message = bytes.fromhex(task[2:]) + round_number.to_bytes(4, "big") + purpose
    return hmac.new(secret, message, hashlib.sha256).digest()[:SALT_BYTES]


@lru_cache(maxsize=_REMEMBERED)
def commitment(
    *, chain_id: int, task: Address, round_number: int, index: int, content: ContentId, salt: bytes
) -> bytes:
    """keccak256(abi.encode(chainId, task, round, index, digest, size, salt)): 32 bytes, as ``Commitments.sol``."""
    return keccak(
        eth_abi.encode(
            ["uint256", "address", "uint32", "uint32", "bytes32", "uint32", "bytes16"],
            [chain_id, task, round_number, index, content.digest, content.size, salt],
        )
    )


def score_commitment(
    *,
    chain_id: int,
    task: Address,
    round_number: int,
    index: int,
    probe: bytes,
    scores: Sequence[int],
    salt: bytes,
) -> bytes:
    """keccak256(abi.encode(chainId, task, round, index, probe, keccak256(scores), salt)): 32 bytes, as the contract.

    ``scores``: int64 in 10⁻⁹, one for each target but the judge itself, in index order.
    """
    return keccak(
        eth_abi.encode(
            ["uint256", "address", "uint32", "uint32", "bytes32", "bytes32", "bytes16"],
            [chain_id, task, round_number, index, probe, keccak(pack_scores(scores)), salt],
        )
    )


def validation_commitment(salt: bytes, digest: bytes) -> bytes:
    """keccak256(salt ‖ digest) of an evaluator's validation set."""
    return keccak(salt + digest)
