# SPDX-License-Identifier: Apache-2.0
"""What a node's refusal means for a transaction.

Nodes share no error codes for their transaction pools, so the words decide; those of anvil 1.7 and geth 1.16
were collected by provoking each refusal. ``-32000`` and ``-32003`` cover nearly everything in both.
"""

from __future__ import annotations

import enum

from bcfl.chain.errors import RpcError

__all__ = ("Verdict", "classify", "may_pass", "revert_data")


class Verdict(enum.Enum):
    """What to do with a transaction after a call about it failed."""

    ALREADY_KNOWN = "already known"
    """The node has these very bytes: as good as sent."""

    NONCE_TOO_LOW = "nonce too low"
    """Another transaction, or this one, took the nonce: reconcile by hash."""

    NONCE_TOO_HIGH = "nonce too high"
    """The node refuses a gap: earlier transactions are missing there."""

    UNDERPRICED = "underpriced"
    """The pool wants a higher offer, mostly to replace a transaction of the same nonce."""

    FEE_TOO_LOW = "fee too low"
    """The offer is below the base fee."""

    INSUFFICIENT_FUNDS = "insufficient funds"
    """The sender cannot pay."""

    REVERTED = "reverted"
    """The contract refuses the call."""

    TRANSIENT = "transient"
    """The node could not answer now; whether it took the transaction is unknown."""

    REJECTED = "rejected"
    """The node will never take it as it is."""


_WORDS: tuple[tuple[Verdict, tuple[str, ...]], ...] = (
    (Verdict.ALREADY_KNOWN, ("already known", "already imported", "known transaction")),
    (Verdict.NONCE_TOO_LOW, ("nonce too low",)),
    (Verdict.NONCE_TOO_HIGH, ("nonce too high",)),
    (Verdict.UNDERPRICED, ("underpriced",)),
    (Verdict.FEE_TOO_LOW, ("less than block base fee", "lower than the block base fee")),
    (Verdict.INSUFFICIENT_FUNDS, ("insufficient funds", "insufficient balance")),
    (Verdict.REVERTED, ("execution reverted", "evm error", "invalid opcode", "out of gas")),
    (
        Verdict.TRANSIENT,
        ("txpool is full", "transaction pool is full", "timeout", "timed out", "too many requests", "rate limit",
         "header not found", "missing trie node", "unknown block"),
    ),
)  # fmt: skip
_REVERT_CODE = 3  # geth's, since adopted by all
# Internal error, limit exceeded, resource unavailable (EIP-1474); HTTP's "too many requests".
_TRANSIENT_CODES = (-32603, -32005, -32002, 429)


def classify(error: BaseException) -> Verdict:
    """The verdict on a failed ``eth_sendRawTransaction``, ``eth_estimateGas`` or any other call.

    An error that is not the node's own answer (a lost connection, a deadline) is ``TRANSIENT``.
    """
    if not isinstance(error, RpcError):
        return Verdict.TRANSIENT
    message = error.message.lower()
    if error.code == _REVERT_CODE:
        return Verdict.REVERTED
    for verdict, words in _WORDS:
        if any(word in message for word in words):
            return verdict
    return Verdict.TRANSIENT if error.code in _TRANSIENT_CODES else Verdict.REJECTED


def may_pass(error: BaseException) -> bool:
    """Whether the node may answer otherwise later, without anybody's doing."""
    return classify(error) is Verdict.TRANSIENT


def revert_data(error: BaseException) -> bytes:
    """What the contract returned with its revert: selector and arguments of an error; empty if nothing."""
    data = getattr(error, "data", None)
    while isinstance(data, dict):  # some nodes wrap the bytes once more
        data = data.get("data")
    if isinstance(data, bytes):
        return data
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return b""
    return b""
