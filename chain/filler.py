# SPDX-License-Identifier: Apache-2.0
"""The transaction that spends a nonce on nothing: 0 wei from an account to itself.

A nonce can be lost for good. A call reverts in a block, its action is tried again with the next nonce, and a
reorganisation takes that block off the chain: what was signed with the first nonce is superseded, nobody
sends it again, and everything signed after it waits in the pool. The same comes of a block that leaves the
chain when its round's rows have been pruned. Whatever the cause, the chain itself tells of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bcfl.chain.fees import Fees
from bcfl.chain.outbox import ActionKey
from bcfl.contracts.ids import Address

__all__ = ("call", "is_filler", "key", "missing")

_ACTION = "fill_nonce"
_GAS = 21_000  # of a transfer, at least


def key(address: Address, nonce: int) -> ActionKey:
    """Under which the outbox has the filler of a nonce; of no task, so that no end of a round forgets it."""
    return ActionKey(address, "", nonce, _ACTION)


def is_filler(of: ActionKey) -> bool:
    """Whether a transaction is a filler, whose end no agent waits for."""
    return of.task == "" and of.action == _ACTION


def call(address: Address, nonce: int, chain_id: int, offer: Fees) -> dict[str, Any]:
    """What is signed: the fields of ``Signer.sign_transaction``."""
    return {
        "chainId": chain_id,
        "to": address,
        "value": 0,
        "data": b"",
        "gas": _GAS,
        "nonce": nonce,
        **offer.fields,
    }


def missing(used: int, under_way: Collection[int]) -> range:
    """The nonces from the chain's next (``used``) up to the first of those under way; none where nothing is under way."""
    return range(used, min(under_way, default=used))
