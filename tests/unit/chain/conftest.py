# SPDX-License-Identifier: Apache-2.0
"""An in-memory node that can refuse, forget, reorganise and be overtaken, and an owner at work on it."""

import contextlib
import hashlib
from types import SimpleNamespace

import anyio
import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from bcfl.chain.errors import BlockUnavailable, RpcError
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import ActionKey, Journal
from bcfl.chain.keys import decode_transaction, derive_key
from bcfl.chain.transactions import Immediate, Intent, TransactionOwner
from bcfl.contracts.delivery import Batch, BlockRef, Level, Retracted

TARGET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
GWEI = 10**9


class FakeNode:
    """A chain in memory: a pool by (sender, nonce), blocks that take what is next, scripted refusals."""

    chain_id = 31337

    def __init__(self):
        self.blocks = [(self._ref(0, "genesis", "0x00"), [])]
        self.pool = {}
        self.sent = []  # every raw transaction that was offered, in order
        self.refusals = []  # raised by the next sends, one each; None accepts
        self.refuses_estimates = None
        self.base_fee = GWEI
        self.calls = []
        self.forks = 0

    @staticmethod
    def _ref(number, salt, parent):
        digest = hashlib.sha256(f"{number}{salt}{parent}".encode()).hexdigest()
        return BlockRef(number=number, hash=f"0x{digest}", parent_hash=parent, timestamp=number)

    # the node's own calls

    async def block(self, which):
        self.calls.append("block")
        ref = next((ref for ref, _ in self.blocks if ref.hash == which), self.blocks[-1][0])
        return SimpleNamespace(ref=ref, base_fee=self.base_fee)

    async def find_block(self, number):
        ref = next((ref for ref, _ in self.blocks if ref.number == number), None)
        return None if ref is None else SimpleNamespace(ref=ref, base_fee=self.base_fee)

    async def nonce(self, address, block):
        self.calls.append("nonce")
        used = sum(tx.sender == address for _, txs in self.blocks for tx in txs)
        while block == "pending" and (address, used) in self.pool:
            used += 1
        return used

    async def estimate_gas(self, transaction, block="latest"):
        self.calls.append("estimate")
        if self.refuses_estimates is not None:
            raise self.refuses_estimates
        return 50_000

    async def send_raw(self, raw):
        await anyio.sleep(0)
        self.sent.append(raw)
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        tx = self.decoded(raw)
        if tx.nonce < await self.nonce(tx.sender, "latest"):
            raise RpcError(-32003, "nonce too low")
        known = self.pool.get((tx.sender, tx.nonce))
        if known is not None and known.hash == tx.hash:
            raise RpcError(-32003, "transaction already imported")
        if tx.max_fee < self.base_fee:
            raise RpcError(-32003, "max fee per gas less than block base fee")
        if known is not None and tx.max_fee * 10 < known.max_fee * 11:
            raise RpcError(-32003, "replacement transaction underpriced")
        self.pool[tx.sender, tx.nonce] = tx
        return tx.hash

    async def transaction(self, transaction_hash):
        self.calls.append("transaction")
        found = [tx for tx in self.pool.values() if tx.hash == transaction_hash]
        return {"hash": found[0].hash} if found else None

    async def transaction_receipt(self, transaction_hash):
        self.calls.append("receipt")
        for number in range(len(self.blocks)):
            for receipt in await self.receipts(number):
                if receipt["transactionHash"] == transaction_hash:
                    return receipt
        return None

    async def receipts(self, block_number):
        self.calls.append("receipts")
        if block_number >= len(self.blocks):
            raise BlockUnavailable
        ref, txs = self.blocks[block_number]
        return [
            {
                "transactionHash": tx.hash,
                "blockHash": ref.hash,
                "blockNumber": hex(ref.number),
                "gasUsed": "0x5208",
                "effectiveGasPrice": hex(self.base_fee + GWEI),
                "status": "0x0" if tx.data == b"revert" else "0x1",
            }
            for tx in txs
        ]

    # what a test does to it

    @staticmethod
    def decoded(raw):
        fields = decode_transaction(raw)
        return SimpleNamespace(
            raw=raw,
            sender=Account.recover_transaction(raw),
            nonce=fields["nonce"],
            data=fields["data"],
            max_fee=fields["maxFeePerGas"],
            hash="0x" + keccak(raw).hex(),
        )

    async def mine(self, *, only=None):
        """Take what is next of every sender; returns the delivery of the new block."""
        parent = self.blocks[-1][0]
        block = (self._ref(parent.number + 1, f"fork{self.forks}", parent.hash), [])
        self.blocks.append(block)
        for key in sorted(self.pool, key=lambda key: key[1]):
            tx = self.pool[key]
            if (
                tx.max_fee >= self.base_fee
                and tx.nonce == await self.nonce(tx.sender, "latest")
                and only is None
            ):
                block[1].append(self.pool.pop(key))
        return Batch(block=block[0], level=Level.SEEN, events=())

    def retract(self, depth):
        """Drop blocks with their transactions, as anvil does; returns the delivery that tells."""
        gone, self.blocks = self.blocks[-depth:], self.blocks[:-depth]
        self.forks += 1
        return Retracted(tuple(ref for ref, _ in reversed(gone)))

    def included(self):
        return [tx.data for _, txs in self.blocks for tx in txs]


def _signer(number=1):
    return derive_key(number.to_bytes(32, "big"))


def _intent(action="commit", *, agent="trainer", data=None, **gas):
    return Intent(key=ActionKey(agent, "0xtask", 1, action), to=TARGET, data=data or action.encode(), **gas)


@contextlib.asynccontextmanager
async def _running_owner(node, *, journal=None, dispatch=None, policy=None):
    """An owner at work; leaves its outcomes in ``owner.outcomes``."""
    async with contextlib.AsyncExitStack() as stack:
        if journal is None:
            journal = await stack.enter_async_context(
                Journal.open(":memory:", chain_id=31337, genesis_hash="0x00")
            )
        outcomes = []
        owner = TransactionOwner(
            node=node,
            signer=_signer(),
            journal=journal,
            dispatch=dispatch or Immediate(),
            fee_policy=policy or FeePolicy(),
            on_outcome=outcomes.append,
        )
        owner.outcomes = outcomes
        owner.journal = journal
        async with anyio.create_task_group() as tasks:
            await tasks.start(owner.run)
            yield owner
            tasks.cancel_scope.cancel()


@pytest.fixture
def node():
    return FakeNode()


@pytest.fixture
def signer():
    """``signer(number)``: a key."""
    return _signer


@pytest.fixture
def intent():
    """``intent(action)``: a call whose data is the action's name, unless given."""
    return _intent


@pytest.fixture
def running_owner():
    """``async with running_owner(node) as owner``: outcomes gather in ``owner.outcomes``."""
    return _running_owner
