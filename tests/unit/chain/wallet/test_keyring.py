# SPDX-License-Identifier: Apache-2.0
"""Keys in files: by name, encrypted, for their owner's eyes alone."""

from __future__ import annotations

import json
import os
import stat

import pytest

from bcfl.chain import keys
from bcfl.chain.errors import (
    KeyInUse,
    KeyMissing,
    KeyNameInvalid,
    KeystoreExists,
    KeystoreExposed,
    KeystoreUnreadable,
    WrongPassword,
)
from bcfl.chain.wallet.keyring import Keyring

BARE = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")


@pytest.fixture
def ring(tmp_path, monkeypatch):
    for name in (
        "create_keystore",
        "import_key",
        "change_password",
    ):  # scrypt's real cost is half a second each
        real = getattr(keys, name)
        monkeypatch.setattr(
            f"bcfl.chain.wallet.keyring.{name}", lambda *given, _real=real: _real(*given, scrypt_n=1024)
        )
    return Keyring(tmp_path / "keys")


@pytest.mark.asyncio
async def test_a_new_key_opens_with_its_password_and_says_whose_it_is_without(ring):
    assert ring.names == ()
    signer = await ring.new("zürich".replace("ü", "ue"), "secret")
    assert ring.names == ("zuerich",)
    assert ring.address("zuerich") == signer.address
    assert (await ring.open("zuerich", "secret")).address == signer.address
    assert stat.S_IMODE(ring.file("zuerich").stat().st_mode) == 0o600
    assert stat.S_IMODE(ring.folder.stat().st_mode) == 0o700
    with pytest.raises(WrongPassword):
        await ring.open("zuerich", "Secret")
    with pytest.raises(KeystoreExists):
        await ring.new("zuerich", "other")
    with pytest.raises(KeystoreExists):
        ring.check_free("zuerich")


@pytest.mark.asyncio
async def test_a_bare_key_and_a_foreign_keystore_are_taken_in(ring, tmp_path):
    signer = await ring.take_key("bare", BARE, "one")
    assert signer.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert BARE.hex() not in ring.file("bare").read_text()
    foreign = tmp_path / "UTC--2026--wallet"
    foreign.write_bytes(ring.file("bare").read_bytes())
    assert (await ring.take_keystore("copy", foreign, "one")).address == signer.address
    with pytest.raises(WrongPassword):
        await ring.take_keystore("again", foreign, "two")
    assert ring.names == ("bare", "copy")


@pytest.mark.asyncio
async def test_another_password_replaces_the_first(ring):
    signer = await ring.new("ann", "old")
    with pytest.raises(WrongPassword):
        await ring.change_password("ann", "wrong", "new")
    await ring.change_password("ann", "old", "new")
    assert (await ring.open("ann", "new")).address == signer.address
    with pytest.raises(WrongPassword):
        await ring.open("ann", "old")
    assert stat.S_IMODE(ring.file("ann").stat().st_mode) == 0o600
    assert [path.name for path in ring.folder.iterdir()] == ["ann.json"]


@pytest.mark.asyncio
async def test_a_key_that_others_can_read_is_not_used(ring):
    await ring.new("ann", "secret")
    (ring.folder / "ann.json").chmod(0o644)
    with pytest.raises(KeystoreExposed, match=r"mode 0644\): chmod 600 "):
        await ring.open("ann", "secret")


def test_what_is_missing_is_told_with_what_there_is(ring):
    with pytest.raises(
        KeyMissing, match=r"no key 'ann' in .* \(there is none yet\): make it with 'bcfl keys new ann'"
    ):
        ring.file("ann")
    ring.folder.mkdir()
    (ring.folder / "ben.json").write_text("{}")
    (ring.folder / "ben.json").chmod(0o600)
    (ring.folder / "notes.txt").write_text("no key")
    with pytest.raises(KeyMissing, match="there are ben"):
        ring.file("ann")
    with pytest.raises(KeystoreUnreadable, match="does not say whose"):
        ring.address("ben")


@pytest.mark.parametrize("name", ["", "../ann", "a/b", ".hidden", "a b", "x" * 65, "ann\n"])
def test_a_name_is_a_plain_word(ring, name):
    with pytest.raises(KeyNameInvalid):
        ring.file(name)
    with pytest.raises(KeyNameInvalid):
        ring.check_free(name)


@pytest.mark.asyncio
async def test_two_programs_do_not_act_with_one_key_on_one_chain(ring):
    await ring.new("ann", "secret")
    with ring.held("ann", 1):
        with ring.held("ann", 2):  # nonces are a chain's own
            pass
        with (
            pytest.raises(KeyInUse, match=rf"key 'ann' on this chain \(process {os.getpid()}\)"),
            ring.held("ann", 1),
        ):
            pass
    with ring.held("ann", 1):
        pass
    assert ring.names == ("ann",)


@pytest.mark.asyncio
async def test_a_keystore_is_version_3_of_the_standard(ring):
    await ring.new("ann", "secret")
    content = json.loads(ring.file("ann").read_text())
    assert content["version"] == 3
    assert {"ciphertext", "kdf", "mac"} <= content["crypto"].keys()
