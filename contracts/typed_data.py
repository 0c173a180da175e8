# SPDX-License-Identifier: Apache-2.0
"""EIP-712 messages that members sign so that others can relay them."""

from __future__ import annotations

from functools import lru_cache

import eth_abi
from eth_utils import keccak

from bcfl.contracts.ids import Address

__all__ = ("commit_digest", "join_digest", "leave_digest", "object_digest", "permit_digest")

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_COMMIT = keccak(b"Commit(uint32 round,uint32 index,bytes32 commitment)")
_JOIN = keccak(b"Join(address account)")
_LEAVE = keccak(b"Leave(uint32 round,uint32 index)")
_OBJECT = keccak(b"Object(uint32 round,uint32 index,bool blames)")
_PERMIT = keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


@lru_cache(maxsize=64)
def _separator(name: str, chain_id: int, contract: Address) -> bytes:
    return keccak(
        eth_abi.encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [_DOMAIN, keccak(name.encode()), keccak(b"1"), chain_id, contract],
        )
    )


def _digest(separator: bytes, struct: bytes) -> bytes:
    return keccak(b"\x19\x01" + separator + struct)


def commit_digest(*, chain_id: int, task: Address, round_number: int, index: int, commitment: bytes) -> bytes:
    """32 bytes to sign for a relayed commitment."""
    struct = keccak(
        eth_abi.encode(["bytes32", "uint32", "uint32", "bytes32"], [_COMMIT, round_number, index, commitment])
    )
    return _digest(_separator("bcfl TrainingTask", chain_id, task), struct)


def join_digest(*, chain_id: int, task: Address, account: Address) -> bytes:
    """32 bytes to sign for a relayed enrolment."""
    struct = keccak(eth_abi.encode(["bytes32", "address"], [_JOIN, account]))
    return _digest(_separator("bcfl TrainingTask", chain_id, task), struct)


def leave_digest(*, chain_id: int, task: Address, round_number: int, index: int) -> bytes:
    """32 bytes to sign for a relayed farewell in ``round_number``; 0: before the first."""
    struct = keccak(eth_abi.encode(["bytes32", "uint32", "uint32"], [_LEAVE, round_number, index]))
    return _digest(_separator("bcfl TrainingTask", chain_id, task), struct)


def object_digest(*, chain_id: int, task: Address, round_number: int, index: int, blames: bool) -> bytes:
    """32 bytes to sign for a relayed objection to the evaluation of ``round_number``."""
    values = [_OBJECT, round_number, index, blames]
    struct = keccak(eth_abi.encode(["bytes32", "uint32", "uint32", "bool"], values))
    return _digest(_separator("bcfl TrainingTask", chain_id, task), struct)


def permit_digest(
    *,
    chain_id: int,
    token: Address,
    name: str,
    owner: Address,
    spender: Address,
    value: int,
    nonce: int,
    deadline: int,
) -> bytes:
    """32 bytes to sign for an ERC-2612 permit of a token named ``name``, version 1."""
    struct = keccak(
        eth_abi.encode(
            ["bytes32", "address", "address", "uint256", "uint256", "uint256"],
            [_PERMIT, owner, spender, value, nonce, deadline],
        )
    )
    return _digest(_separator(name, chain_id, token), struct)
