# SPDX-License-Identifier: Apache-2.0
"""What an agent wants done on chain, what became of it, and the few calls to a node that this takes."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from eth_utils.address import is_checksum_address

from bcfl.chain.outbox import ActionKey
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.ids import Address, TxHash

__all__ = (
    "Intent",
    "NewestBlock",
    "OnOutcome",
    "Outcome",
    "OutcomeStatus",
    "TransactionNode",
)


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One call of a contract, to happen once.

    Attributes:
        key: what makes it the same intent when it is submitted again.
        data: selector and arguments.
        value: wei sent along.
        gas: limit, from a measured constant where there is one; None asks the node, which also tells before
            the nonce is taken whether the contract would refuse.
        spare_gas: added to the node's estimate, where what others do first can make the call do more.
    """

    key: ActionKey
    to: Address
    data: bytes
    value: int = 0
    gas: int | None = None
    spare_gas: int = 0

    def __post_init__(self) -> None:
        # What cannot be signed is refused here, where the agent made it, and not in the owner's task.
        if not is_checksum_address(self.to):
            raise ValueError(f"An intent goes to an EIP-55 checksummed address, not to {self.to!r}.")
        if min(self.value, self.spare_gas) < 0 or (self.gas is not None and self.gas <= 0):
            raise ValueError(f"An intent's value and gas are not negative: {self.value} wei, {self.gas} gas.")


class OutcomeStatus(enum.Enum):
    """How an intent ended."""

    INCLUDED = "included"
    """In a block, done. After a reorganisation the same outcome comes again with another block."""

    REVERTED = "reverted"
    """The contract refuses: told by the estimate (no transaction) or in a block (gas was paid)."""

    OVERTAKEN = "overtaken"
    """Another transaction of the key has taken its nonce: it is signed anew, and how it ends is told later."""

    FAILED = "failed"
    """The node or the fee cap refuses; no transaction is under way and the intent may be submitted again."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one intent.

    Attributes:
        transaction: the hash that was mined; None where nothing was.
        block: that holds it; None where nothing was mined.
        gas_used: 0 where nothing was mined.
        reason: of a revert the contract's bytes where the node tells them; of a failure a sentence.
    """

    key: ActionKey
    status: OutcomeStatus
    transaction: TxHash | None = None
    block: BlockRef | None = None
    gas_used: int = 0
    reason: bytes | str = b""


OnOutcome = Callable[[Outcome], None]
"""Takes an outcome and returns at once: an agent may be waiting for the very task that calls it."""


class NewestBlock(Protocol):
    """What fees need to know of a block."""

    @property
    def ref(self) -> BlockRef:
        """Its place."""
        ...

    @property
    def base_fee(self) -> int | None:
        """Wei per gas; None on a chain without one."""
        ...


class TransactionNode(Protocol):
    """The calls a transaction takes; ``chain.node.Node`` has them. A node's refusal is an ``RpcError``."""

    chain_id: int

    async def block(self, which: str, /) -> NewestBlock:
        """The header at a tag or hash."""
        ...

    async def find_block(self, which: int, /) -> NewestBlock | None:
        """The header of a block by number; None where there is none."""
        ...

    async def nonce(self, address: Address, block: str, /) -> int:
        """The next nonce at ``latest`` or ``pending``."""
        ...

    async def estimate_gas(self, transaction: dict[str, Any], block: str = "latest", /) -> int:
        """Gas that a transaction takes after a block, or in the ``pending`` one."""
        ...

    async def send_raw(self, signed: bytes, /) -> TxHash:
        """Hand over a signed transaction."""
        ...

    async def transaction(self, transaction_hash: TxHash, /) -> dict[str, Any] | None:
        """A transaction of the pool or the chain."""
        ...

    async def transaction_receipt(self, transaction_hash: TxHash, /) -> dict[str, Any] | None:
        """A mined transaction's receipt."""
        ...

    async def receipts(self, block_number: int, /) -> list[dict[str, Any]]:
        """All receipts of a block."""
        ...
