# SPDX-License-Identifier: Apache-2.0
"""One node as the agents of a process see it: identity, capabilities and the few calls they need.

Answers that come in volume (blocks, logs) are parsed by hand (``chain.raw``): web3's formatters take a hundred times longer
per log. Contracts, ABI and the rest of web3 are at ``Node.web3``, over the same socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from web3 import AsyncWeb3

from bcfl.chain.errors import BlockUnavailable, ChainIdentityChanged, RpcError
from bcfl.chain.raw import RawBlock, RawLog, checksummed, parse_block, parse_log, unhex
from bcfl.chain.transport import WebSocketTransport, dial
from bcfl.contracts.ids import Address, BlockHash, TxHash
from bcfl.log import public_url

_INDEXING = "indexing is in progress"
_INDEXING_S, _INDEXING_PAUSE_S = 120.0, 0.5

__all__ = ("Capabilities", "FeeData", "Node", "open_node")


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a node can do, probed once at the start and never assumed."""

    drivable: bool
    """Its clock and blocks can be driven from outside (anvil, hardhat)."""

    manages_accounts: bool
    """It signs for accounts of its own (``eth_accounts`` is not empty)."""

    base_fee: int | None
    """Base fee of the newest block in wei (EIP-1559); None on a chain without one."""


@dataclass(frozen=True, kw_only=True)
class FeeData:
    """What the next transaction costs, in wei per gas."""

    base_fee: int | None
    gas_price: int
    priority_fee: int


class Node:
    """A node over one WebSocket that can be replaced under it; ``open_node`` makes one.

    Every call raises ``RpcError``, ``CallTimeout`` or ``ConnectionLost`` as its transport does.
    """

    def __init__(
        self,
        *,
        url: str,
        transport: WebSocketTransport,
        call_timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = public_url(url)
        """As it may be shown: without what follows the port."""
        self._dial_url = url
        self.transport = transport
        self.web3: AsyncWeb3[WebSocketTransport] = AsyncWeb3(transport)
        self.chain_id = 0
        self.genesis_hash = BlockHash("")
        self.capabilities = Capabilities(drivable=False, manages_accounts=False, base_fee=None)
        self._call_timeout_s = call_timeout_s
        self._headers = headers
        self._reconnecting = anyio.Lock()

    async def probe(self) -> None:
        """Learn the chain's identity and the node's capabilities."""
        self.chain_id, self.genesis_hash = await self._identity()
        try:
            accounts = await self.accounts()
        except RpcError:
            accounts = ()
        self.capabilities = Capabilities(
            drivable=await self._answers("hardhat_metadata"),  # anvil knows it too; it changes nothing
            manages_accounts=bool(accounts),
            base_fee=(await self.block("latest")).base_fee,
        )

    async def reconnect(self) -> None:
        """Replace the socket by a new one to the same node.

        Raises:
            NodeUnreachable: nobody answers; the old socket is closed by then.
            ChainIdentityChanged: another chain answers.
        """
        async with self._reconnecting:
            await self.transport.aclose()
            self.transport = await dial(
                self._dial_url, call_timeout_s=self._call_timeout_s, headers=self._headers
            )
            self.web3.provider = self.transport
            chain_id, genesis_hash = await self._identity()
            if (chain_id, genesis_hash) != (self.chain_id, self.genesis_hash):
                await self.transport.aclose()
                raise ChainIdentityChanged(
                    f"Another chain answers at {self.url}: chain id {chain_id} with genesis {genesis_hash}, "
                    f"before it was {self.chain_id} with {self.genesis_hash}; start afresh or correct the URL."
                )

    async def aclose(self) -> None:
        """Close the socket."""
        await self.transport.aclose()

    async def block_number(self) -> int:
        """Number of the newest block."""
        return int(await self.transport.request("eth_blockNumber"), 16)

    async def block(self, which: int | str = "latest") -> RawBlock:
        """The header of a block by number, by hash or by tag.

        Raises:
            BlockUnavailable: the node has no such block.
        """
        block = await self.find_block(which)
        if block is None:
            raise BlockUnavailable(f"The node at {self.url} has no block {which}.")
        return block

    async def find_block(self, which: int | str) -> RawBlock | None:
        """As ``block``, None where the node has no such block."""
        by_hash = isinstance(which, str) and len(which) == 66
        raw = await self.transport.request(
            "eth_getBlockByHash" if by_hash else "eth_getBlockByNumber", [_position(which), False]
        )
        return None if raw is None else parse_block(raw)

    async def logs(self, block_hash: BlockHash, addresses: Iterable[Address]) -> list[RawLog]:
        """Logs of one block that the addresses emitted, by log index; no addresses, no logs.

        Raises:
            RpcError: among others when the block has left the chain (EIP-234), unlike a range beyond
                the head, which would be an empty list.
        """
        emitters = list(addresses)
        if not emitters:
            return []
        raw = await self.transport.request("eth_getLogs", [{"blockHash": block_hash, "address": emitters}])
        return sorted(map(parse_log, raw), key=lambda log: log.log_index)

    async def logs_between(self, first: int, last: int, addresses: Iterable[Address]) -> list[RawLog]:
        """Logs of the blocks from ``first`` to ``last`` that the addresses emitted, in the order of the chain.

        Raises:
            RpcError: among others where the node finds the range, or the answer, too long.
        """
        wanted = {"fromBlock": hex(first), "toBlock": hex(last), "address": list(addresses)}
        raw = await self.transport.request("eth_getLogs", [wanted])
        return sorted(map(parse_log, raw), key=lambda log: (log.block_number, log.log_index))

    async def receipts(self, block_number: int) -> list[dict[str, Any]]:
        """All receipts of a block, as the node wrote them.

        Raises:
            BlockUnavailable: the node has no such block.
        """
        raw = await self.transport.request("eth_getBlockReceipts", [hex(block_number)])
        if raw is None:
            raise BlockUnavailable(f"The node at {self.url} has no block {block_number}.")
        return list(raw)

    async def call(self, to: Address, data: bytes, block: int | str = "latest") -> bytes:
        """What a contract's function returns; a revert is an ``RpcError`` with its data."""
        return unhex(
            await self.transport.request(
                "eth_call", [{"to": to, "data": f"0x{data.hex()}"}, _position(block)]
            )
        )

    async def nonce(self, address: Address, block: int | str = "latest") -> int:
        """The account's next nonce at a block, or ``pending``."""
        return int(await self.transport.request("eth_getTransactionCount", [address, _position(block)]), 16)

    async def balance(self, address: Address, block: int | str = "latest") -> int:
        """The account's ether in wei."""
        return int(await self.transport.request("eth_getBalance", [address, _position(block)]), 16)

    async def code(self, address: Address, block: int | str = "latest") -> bytes:
        """The account's code; empty where there is no contract."""
        return unhex(await self.transport.request("eth_getCode", [address, _position(block)]))

    async def accounts(self) -> tuple[Address, ...]:
        """Accounts that the node signs for."""
        return tuple(checksummed(account) for account in await self.transport.request("eth_accounts"))

    async def estimate_gas(self, transaction: dict[str, Any], block: str = "latest") -> int:
        """Gas that a transaction takes; a revert is an ``RpcError`` with its data.

        Args:
            transaction: JSON-RPC's own fields; integers and bytes are written as hexadecimal here.
            block: after which it is to happen; ``pending``: in the one being made, at its time.
        """
        fields = {name: _hexadecimal(value) for name, value in transaction.items()}
        return int(await self.transport.request("eth_estimateGas", [fields, block]), 16)

    async def send_raw(self, signed: bytes) -> TxHash:
        """Hand a signed transaction to the node; returns before it is in a block."""
        return TxHash(await self.transport.request("eth_sendRawTransaction", [f"0x{signed.hex()}"]))

    async def transaction(self, transaction_hash: TxHash) -> dict[str, Any] | None:
        """A transaction in the pool or the chain, as the node wrote it."""
        found: dict[str, Any] | None = await self._indexed("eth_getTransactionByHash", [transaction_hash])
        return found

    async def raw_transaction(self, transaction_hash: TxHash) -> bytes:
        """A transaction of the chain as it was signed.

        Raises:
            BlockUnavailable: the node has no such transaction.
        """
        raw = await self.transport.request("eth_getRawTransactionByHash", [transaction_hash])
        if raw is None:
            raise BlockUnavailable(f"The node at {self.url} has no transaction {transaction_hash}.")
        return unhex(raw)

    async def transaction_receipt(self, transaction_hash: TxHash) -> dict[str, Any] | None:
        """A mined transaction's receipt, as the node wrote it."""
        found: dict[str, Any] | None = await self._indexed("eth_getTransactionReceipt", [transaction_hash])
        return found

    async def gas_price(self) -> int:
        """The node's price for a legacy transaction, in wei per gas."""
        return int(await self.transport.request("eth_gasPrice"), 16)

    async def fee_data(self) -> FeeData:
        """Base fee of the newest block, and what the node suggests to pay."""
        base_fee = (await self.block("latest")).base_fee
        priority_fee = 0
        if base_fee is not None:
            priority_fee = int(await self.transport.request("eth_maxPriorityFeePerGas"), 16)
        return FeeData(base_fee=base_fee, gas_price=await self.gas_price(), priority_fee=priority_fee)

    async def _indexed(self, method: str, params: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
        """Ask again while the node's index of transactions is not there yet, as geth's is not for seconds after its start."""
        give_up = anyio.current_time() + _INDEXING_S
        while True:
            try:
                return await self.transport.request(method, params)
            except RpcError as error:
                if _INDEXING not in str(error) or anyio.current_time() > give_up:
                    raise
                await anyio.sleep(_INDEXING_PAUSE_S)

    async def _identity(self) -> tuple[int, BlockHash]:
        chain_id = int(await self.transport.request("eth_chainId"), 16)
        return chain_id, (await self.block(0)).ref.hash

    async def _answers(self, method: str, params: Sequence[Any] = ()) -> bool:
        try:
            await self.transport.request(method, params)
        except RpcError:
            return False
        return True


@asynccontextmanager
async def open_node(
    url: str, *, call_timeout_s: float = 30.0, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Node]:
    """A connected, probed node that is closed at the end of the block.

    Args:
        url: ``ws://`` or ``wss://``.
        call_timeout_s: deadline of each call in seconds.
        headers: of the request that opens the socket, where a provider asks for some.

    Raises:
        WebSocketRequired: the URL is of another scheme.
        NodeUnreachable: nobody answers there.
    """
    transport = await dial(url, call_timeout_s=call_timeout_s, headers=headers)
    node = Node(url=url, transport=transport, call_timeout_s=call_timeout_s, headers=headers)
    try:
        await node.probe()
        yield node
    finally:
        await node.aclose()


def _position(block: int | str) -> str:
    return hex(block) if isinstance(block, int) else block


def _hexadecimal(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)
    return value
