# SPDX-License-Identifier: Apache-2.0
"""Keys that sign: derived from a seed in scenarios, from encrypted keystore files elsewhere.

A keystore is a file in the Web3 Secret Storage format, version 3, as geth and the wallets write it. Its
scrypt takes about 0.7 s at the standard cost, so it runs in a thread.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
from coincurve import PublicKey
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions import TypedTransaction
from eth_typing import Hash32
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from bcfl.chain.errors import KeystoreExists, KeystoreUnreadable, WrongPassword
from bcfl.contracts.ids import Address, TxHash

__all__ = (
    "Signer",
    "change_password",
    "create_keystore",
    "decode_transaction",
    "derive_key",
    "import_key",
    "open_key",
    "open_keystore",
    "signer_of",
)

_FIELDS = ("chainId", "nonce", "to", "value", "data", "gas", "maxFeePerGas", "maxPriorityFeePerGas")
_STANDARD_SCRYPT_N = 262_144
_CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141  # SEC 2, 2.4.1


class Signer:
    """One secp256k1 key. It shows its address and signatures, never itself."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self.address = Address(str(account.address))

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, TxHash]:
        """The raw bytes to send and their hash; deterministic (RFC 6979), so equal input gives equal bytes.

        Args:
            transaction: ``chainId``, ``nonce``, ``to``, ``value``, ``data``, ``gas``, ``maxFeePerGas`` and
                ``maxPriorityFeePerGas``, as integers and bytes (EIP-1559).
        """
        signed = self._account.sign_transaction({"type": 2, **transaction})
        return bytes(signed.raw_transaction), TxHash("0x" + bytes(signed.hash).hex())

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v, v 27 or 28, over a 32-byte digest such as an EIP-712 one."""
        if len(digest) != 32:
            raise ValueError(f"A digest to sign is 32 bytes, not {len(digest)}.")
        return bytes(self._account.unsafe_sign_hash(Hash32(digest)).signature)


def signer_of(digest: bytes, signature: bytes) -> Address | None:
    """Who signed a 32-byte digest; None where nobody did: 65 bytes r ‖ s ‖ v, v 27 or 28, low s only, as the contracts take it."""
    if len(signature) != 65 or signature[64] not in {27, 28}:
        return None
    if int.from_bytes(signature[32:64]) > _CURVE_ORDER // 2:
        return None
    recoverable = signature[:64] + bytes([signature[64] - 27])
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception:  # noqa: BLE001 - the library's own, of several kinds, for bytes that are no signature
        return None
    return Address(to_checksum_address(keccak(key.format(compressed=False)[1:])[12:]))


def decode_transaction(raw: bytes) -> dict[str, Any]:
    """What ``Signer.sign_transaction`` signed, from the raw bytes."""
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    unsigned = {name: fields[name] for name in _FIELDS}
    return {**unsigned, "to": to_checksum_address(bytes(fields["to"])), "data": bytes(fields["data"])}


def derive_key(seed: bytes) -> Signer:
    """The signer whose private key is the 32-byte seed, for scenarios, where everything comes from one seed.

    Raises:
        ValueError: the seed is not a secp256k1 private key; of random seeds one in 2¹²⁸ is not.
    """
    if len(seed) != 32:
        raise ValueError(f"A key's seed is 32 bytes, not {len(seed)}.")
    if not 0 < int.from_bytes(seed) < _CURVE_ORDER:
        raise ValueError("The seed is not a private key of secp256k1.")
    return Signer(Account.from_key(seed))


async def create_keystore(path: Path, password: str, *, scrypt_n: int = _STANDARD_SCRYPT_N) -> Signer:
    """Make a key from the operating system's randomness and write it, encrypted, to a new file (mode 600).

    Args:
        path: of the file to make; its folder must exist.
        password: that opens it.
        scrypt_n: cost, a power of two; lower it only in tests.

    Raises:
        KeystoreExists: there is a file at the path already.
    """
    return await import_key(path, bytes(Account.create().key), password, scrypt_n=scrypt_n)


async def import_key(path: Path, key: bytes, password: str, *, scrypt_n: int = _STANDARD_SCRYPT_N) -> Signer:
    """As ``create_keystore``, of a key that somebody has: 32 bytes.

    Raises:
        KeystoreExists: there is a file at the path already.
        ValueError: the bytes are no private key.
    """
    signer = derive_key(key)
    await anyio.to_thread.run_sync(_write_new, path, await _encrypted(key, password, scrypt_n))
    return signer


async def change_password(path: Path, old: str, new: str, *, scrypt_n: int = _STANDARD_SCRYPT_N) -> None:
    """Have a keystore file open with another password; at every moment the file is the old one or the new one.

    Raises:
        KeystoreUnreadable: there is no such file, or it is not a keystore.
        WrongPassword: it does not open with the old one.
    """
    content = await _encrypted(await open_key(path, old), new, scrypt_n)
    await anyio.to_thread.run_sync(_replace, path, content)


async def open_keystore(path: Path, password: str) -> Signer:
    """Decrypt the key in a keystore file.

    Raises:
        KeystoreUnreadable: there is no such file, or it is not a keystore.
        WrongPassword: it does not open with this password.
    """
    return Signer(Account.from_key(await open_key(path, password)))


async def _encrypted(key: bytes, password: str, scrypt_n: int) -> bytes:
    encrypt = functools.partial(Account.encrypt, key, password, kdf="scrypt", iterations=scrypt_n)
    return json.dumps(await anyio.to_thread.run_sync(encrypt), indent=2).encode()


async def open_key(path: Path, password: str) -> bytes:
    """The bare key of a keystore file, to be kept elsewhere; raises as ``open_keystore``."""
    try:
        keystore = json.loads(await anyio.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KeystoreUnreadable(f"The keystore {path} cannot be read: {error}.") from error
    try:
        return bytes(await anyio.to_thread.run_sync(Account.decrypt, keystore, password))
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise WrongPassword(f"The keystore {path} does not open with this password.") from None
        raise KeystoreUnreadable(f"The file {path} is not a keystore: {error}.") from error
    except (TypeError, KeyError, AttributeError, NotImplementedError) as error:
        raise KeystoreUnreadable(f"The file {path} is not a keystore of version 3.") from error


def _write_new(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeystoreExists(
            f"There is a file at {path} already; choose another path for the keystore."
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    _write_new(beside, content)
    beside.replace(path)
