# SPDX-License-Identifier: Apache-2.0
"""The digests are those of EIP-712, as an independent implementation of it (eth-account's) computes them."""

from __future__ import annotations

import pytest
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from bcfl.contracts import typed_data
from bcfl.contracts.ids import Address

CONTRACT = Address("0x00000000000000000000000000000000000000A5")
OWNER = Address("0x0000000000000000000000000000000000000B0B")


def _reference(name, primary, fields, message, *, chain_id=5):
    domain = {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": CONTRACT}
    types = {primary: [{"name": field, "type": kind} for field, kind in fields]}
    signable = encode_typed_data(domain, types, message)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def test_a_commit():
    digest = typed_data.commit_digest(
        chain_id=5, task=CONTRACT, round_number=2, index=3, commitment=b"c" * 32
    )
    fields = [("round", "uint32"), ("index", "uint32"), ("commitment", "bytes32")]
    message = {"round": 2, "index": 3, "commitment": b"c" * 32}
    assert digest == _reference("bcfl TrainingTask", "Commit", fields, message)


def test_a_join_and_a_farewell():
    joined = typed_data.join_digest(chain_id=5, task=CONTRACT, account=OWNER)
    assert joined == _reference("bcfl TrainingTask", "Join", [("account", "address")], {"account": OWNER})
    left = typed_data.leave_digest(chain_id=5, task=CONTRACT, round_number=3, index=9)
    fields = [("round", "uint32"), ("index", "uint32")]
    assert left == _reference("bcfl TrainingTask", "Leave", fields, {"round": 3, "index": 9})


def test_an_objection():
    digest = typed_data.object_digest(chain_id=5, task=CONTRACT, round_number=7, index=9, blames=True)
    fields = [("round", "uint32"), ("index", "uint32"), ("blames", "bool")]
    said = {"round": 7, "index": 9, "blames": True}
    assert digest == _reference("bcfl TrainingTask", "Object", fields, said)


def test_a_permit():
    digest = typed_data.permit_digest(
        chain_id=5,
        token=CONTRACT,
        name="Réward",
        owner=OWNER,
        spender=CONTRACT,
        value=2**255,
        nonce=4,
        deadline=2**256 - 1,
    )
    kinds = {"owner": "address", "spender": "address", "value": "uint256", "nonce": "uint256"}
    message = {"owner": OWNER, "spender": CONTRACT, "value": 2**255, "nonce": 4, "deadline": 2**256 - 1}
    fields = [*kinds.items(), ("deadline", "uint256")]
    assert digest == _reference("Réward", "Permit", fields, message)


@pytest.mark.parametrize("change", [{"chain_id": 6}, {"task": OWNER}, {"round_number": 3}, {"index": 4}])
def test_a_signature_holds_for_one_chain_task_round_and_member(change):
    fields = {"chain_id": 5, "task": CONTRACT, "round_number": 2, "index": 3, "commitment": b"c" * 32}
    assert typed_data.commit_digest(**{**fields, **change}) != typed_data.commit_digest(**fields)
