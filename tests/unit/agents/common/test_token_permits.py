# SPDX-License-Identifier: Apache-2.0
"""A permit's signature is its owner's; that the token takes it is in ``tests/chain/test_contracts.py``."""

from __future__ import annotations

import eth_abi
import pytest
from eth_account import Account

from bcfl.agents.common.token_permits import PermitSource
from bcfl.chain.keys import derive_key
from bcfl.contracts.abi import encode_call
from bcfl.contracts.config import UNIT
from bcfl.contracts.ids import Address
from bcfl.contracts.typed_data import permit_digest

TOKEN = Address("0x00000000000000000000000000000000000000C0")
SPENDER = Address("0x00000000000000000000000000000000000000A5")


class Node:
    chain_id = 77

    def __init__(self, owner):
        self.answers = {
            encode_call("RewardToken", "nonces", owner): eth_abi.encode(["uint256"], [3]),
            encode_call("RewardToken", "name"): eth_abi.encode(["string"], ["Tøken"]),
        }

    async def call(self, to, data, block="latest"):
        assert to == TOKEN
        return self.answers[data]


@pytest.mark.asyncio
async def test_it_signs_the_amount_for_the_spender_with_the_token_s_name_and_nonce():
    signer = derive_key(b"\x11" * 32)
    permit = await PermitSource(signer=signer, node=Node(signer.address)).permit(
        TOKEN, spender=SPENDER, amount=5
    )
    digest = permit_digest(
        chain_id=77,
        token=TOKEN,
        name="Tøken",
        owner=signer.address,
        spender=SPENDER,
        value=5 * UNIT,
        nonce=3,
        deadline=permit.deadline,
    )
    parts = (permit.v, int.from_bytes(permit.r, "big"), int.from_bytes(permit.s, "big"))
    assert Account._recover_hash(digest, vrs=parts) == signer.address
    assert permit.value == 5 * UNIT
    assert permit.deadline == 2**256 - 1
