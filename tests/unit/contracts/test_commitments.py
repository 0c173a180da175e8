# SPDX-License-Identifier: Apache-2.0
"""What hashes bind; that they are the contract's own is in ``tests/chain/test_contracts.py``."""

from __future__ import annotations

import pytest
from eth_utils import keccak

from bcfl.contracts.commitments import (
    SALT_BYTES,
    commitment,
    salt_for,
    score_commitment,
    validation_commitment,
)
from bcfl.contracts.ids import Address, ContentId

TASK = Address("0x00000000000000000000000000000000000000A5")
FIELDS = {
    "chain_id": 31337,
    "task": TASK,
    "round_number": 3,
    "index": 7,
    "content": ContentId(b"\x11" * 32, 99),
    "salt": b"\x22" * 16,
}
SCORE_FIELDS = {
    "chain_id": 31337,
    "task": TASK,
    "round_number": 3,
    "index": 7,
    "probe": b"\x33" * 32,
    "scores": (5, -1),
    "salt": b"\x22" * 16,
}


def test_a_commitment_is_the_hash_of_seven_words():
    words = [
        (31337).to_bytes(32, "big"),
        bytes.fromhex(TASK[2:]).rjust(32, b"\0"),
        (3).to_bytes(32, "big"),
        (7).to_bytes(32, "big"),
        b"\x11" * 32,
        (99).to_bytes(32, "big"),
        (b"\x22" * 16).ljust(32, b"\0"),
    ]
    assert commitment(**FIELDS) == keccak(b"".join(words))


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"task": Address("0x00000000000000000000000000000000000000A6")},
        {"round_number": 4},
        {"index": 8},
        {"content": ContentId(b"\x12" * 32, 99)},
        {"content": ContentId(b"\x11" * 32, 98)},
        {"salt": b"\x23" * 16},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_commitment_binds_every_field(change):
    assert commitment(**{**FIELDS, **change}) != commitment(**FIELDS)


def test_a_commitment_to_scores_is_the_hash_of_seven_words():
    packed = (5).to_bytes(8, "big") + b"\xff" * 8
    words = [
        (31337).to_bytes(32, "big"),
        bytes.fromhex(TASK[2:]).rjust(32, b"\0"),
        (3).to_bytes(32, "big"),
        (7).to_bytes(32, "big"),
        b"\x33" * 32,
        keccak(packed),
        (b"\x22" * 16).ljust(32, b"\0"),
    ]
    assert score_commitment(**SCORE_FIELDS) == keccak(b"".join(words))


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"task": Address("0x00000000000000000000000000000000000000A6")},
        {"round_number": 4},
        {"index": 8},
        {"probe": b"\x34" * 32},
        {"scores": (5, 1)},
        {"scores": (-1, 5)},
        {"scores": (5, -1, 0)},
        {"salt": b"\x23" * 16},
    ],
    ids=str,
)
def test_a_commitment_to_scores_binds_every_field(change):
    assert score_commitment(**{**SCORE_FIELDS, **change}) != score_commitment(**SCORE_FIELDS)


def test_a_salt_is_the_same_again_and_another_for_each_secret_task_round_and_purpose():
    salt = salt_for(b"s" * 32, TASK, 1)
    assert len(salt) == SALT_BYTES
    assert salt == salt_for(b"s" * 32, Address(TASK.lower()), 1)
    others = {
        salt_for(b"t" * 32, TASK, 1),
        salt_for(b"s" * 32, TASK, 2),
        salt_for(b"s" * 32, Address("0x00000000000000000000000000000000000000A6"), 1),
        salt_for(b"s" * 32, TASK, 1, purpose=b"scores"),
    }
    assert len(others | {salt}) == 5
    assert salt_for(b"s" * 32, TASK, 1, purpose=b"") == salt


def test_a_validation_commitment_is_of_salt_then_digest():
    assert validation_commitment(b"s" * 16, b"d" * 32) == keccak(b"s" * 16 + b"d" * 32)
