# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from eth_account import Account

from bcfl.chain.errors import KeystoreExists, KeystoreUnreadable, WrongPassword
from bcfl.chain.keys import (
    change_password,
    create_keystore,
    decode_transaction,
    derive_key,
    import_key,
    open_key,
    open_keystore,
    signer_of,
)

SEED = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
CALL = {
    "chainId": 31337,
    "nonce": 3,
    "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "value": 5,
    "data": b"\x01\x02",
    "gas": 50_000,
    "maxFeePerGas": 9,
    "maxPriorityFeePerGas": 2,
}
FAST = 1024


def test_a_derived_key_has_the_known_address():
    assert derive_key(SEED).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.mark.parametrize("seed", [b"", b"\x01" * 31, bytes(32), b"\xff" * 32])
def test_what_is_no_private_key_is_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        derive_key(seed)


def test_a_signer_never_shows_its_key():
    shown = repr(derive_key(SEED)) + str(derive_key(SEED))
    assert SEED.hex() not in shown
    assert "0xf39F" in shown


def test_a_signed_transaction_is_the_senders_repeatable_and_decodes_to_what_was_signed():
    signer = derive_key(SEED)
    raw, transaction_hash = signer.sign_transaction(CALL)
    assert Account.recover_transaction(raw) == signer.address
    assert signer.sign_transaction(dict(CALL)) == (raw, transaction_hash)
    assert len(transaction_hash) == 66
    assert decode_transaction(raw) == CALL


def test_a_signed_digest_recovers_to_the_signer():
    signer = derive_key(SEED)
    signature = signer.sign_digest(b"\x07" * 32)
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert Account._recover_hash(b"\x07" * 32, signature=signature) == signer.address
    with pytest.raises(ValueError, match="32 bytes"):
        signer.sign_digest(b"short")


def test_who_signed_is_found_as_the_contracts_find_it():
    signer, digest = derive_key(SEED), b"\x07" * 32
    signature = signer.sign_digest(digest)
    assert signer_of(digest, signature) == signer.address
    assert signer_of(b"\x08" * 32, signature) != signer.address
    order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
    high = (order - int.from_bytes(signature[32:64])).to_bytes(32)
    for no_signature in (
        b"",
        signature[:64],
        signature[:64] + bytes([signature[64] - 27]),
        signature[:32] + high + bytes([55 - signature[64]]),  # valid on the curve, and not low
        bytes(64) + b"\x1b",
        b"\xff" * 32 + bytes(32) + b"\x1c",
    ):
        assert signer_of(digest, no_signature) is None


@pytest.mark.asyncio
async def test_a_keystore_opens_with_its_password_alone(tmp_path):
    path = tmp_path / "key.json"
    made = await create_keystore(path, "correct horse", scrypt_n=FAST)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await open_keystore(path, "correct horse")).address == made.address
    with pytest.raises(WrongPassword, match=r"key\.json does not open"):
        await open_keystore(path, "battery staple")


@pytest.mark.asyncio
async def test_a_keystore_is_never_overwritten(tmp_path):
    path = tmp_path / "key.json"
    path.write_text("precious")
    with pytest.raises(KeystoreExists):
        await create_keystore(path, "x", scrypt_n=FAST)
    assert path.read_text() == "precious"


@pytest.mark.asyncio
@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"version": 3}', '{"version": 9}', "3"])
async def test_what_is_no_keystore_is_refused(tmp_path, content):
    path = tmp_path / "key.json"
    path.write_text(content)
    with pytest.raises(KeystoreUnreadable):
        await open_keystore(path, "x")


@pytest.mark.asyncio
async def test_a_missing_keystore_is_refused(tmp_path):
    with pytest.raises(KeystoreUnreadable, match="cannot be read"):
        await open_keystore(tmp_path / "absent.json", "x")


@pytest.mark.asyncio
async def test_a_keystore_of_another_program_opens(tmp_path):
    path = tmp_path / "geth.json"
    path.write_text(json.dumps(Account.encrypt(SEED, "pw", kdf="pbkdf2", iterations=16)))
    assert (await open_keystore(path, "pw")).address == derive_key(SEED).address


@pytest.mark.asyncio
async def test_a_known_key_is_kept_and_its_password_changed(tmp_path):
    path = tmp_path / "key.json"
    assert (await import_key(path, SEED, "one", scrypt_n=FAST)).address == derive_key(SEED).address
    await change_password(path, "one", "two", scrypt_n=FAST)
    assert await open_key(path, "two") == SEED
    with pytest.raises(WrongPassword):
        await open_key(path, "one")
    with pytest.raises(ValueError, match="seed"):
        await import_key(tmp_path / "none.json", bytes(32), "one", scrypt_n=FAST)
    assert [one.name for one in tmp_path.iterdir()] == ["key.json"]
