# SPDX-License-Identifier: Apache-2.0
"""ERC-2612 permits: an agent lets a contract take tokens in the very transaction that needs them."""

from __future__ import annotations

from typing import Protocol

from bcfl.agents.runtime.ports import Node
from bcfl.contracts.abi import decode_result, encode_call
from bcfl.contracts.calls import Permit
from bcfl.contracts.config import UNIT
from bcfl.contracts.ids import Address
from bcfl.contracts.typed_data import permit_digest

__all__ = ("DigestSigner", "PermitSource")

_NEVER = 2**256 - 1


class DigestSigner(Protocol):
    """A key that signs 32-byte digests (``chain.keys.Signer``)."""

    @property
    def address(self) -> Address:
        """Its account."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """R ‖ s ‖ v, 65 bytes."""
        ...


class PermitSource:
    """Signs permits of one account."""

    def __init__(self, *, signer: DigestSigner, node: Node) -> None:
        self._signer = signer
        self._node = node

    async def permit(self, token: Address, *, spender: Address, amount: int) -> Permit:
        """A permit for ``amount`` (10⁻⁹ token); reads the token's name and the account's nonce."""
        owner = self._signer.address
        nonce = await self._node.call(token, encode_call("RewardToken", "nonces", owner))
        name = await self._node.call(token, encode_call("RewardToken", "name"))
        value = amount * UNIT
        digest = permit_digest(
            chain_id=self._node.chain_id,
            token=token,
            name=decode_result("RewardToken", "name", name)[0],
            owner=owner,
            spender=spender,
            value=value,
            nonce=decode_result("RewardToken", "nonces", nonce)[0],
            deadline=_NEVER,
        )
        signature = self._signer.sign_digest(digest)
        return Permit(value=value, deadline=_NEVER, v=signature[64], r=signature[:32], s=signature[32:64])
