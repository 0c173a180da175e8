# SPDX-License-Identifier: Apache-2.0
"""What must stand on a chain before a task: the implementations, the factory, a reward token, ether for agents.

A short, sequential set-up over one key; agents' own transactions go through ``chain.transactions``.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio

from bcfl.chain.devnet import mine
from bcfl.chain.errors import CallRefused, DeploymentFailed, NoEmptyBlocks, NoFunder, RpcError
from bcfl.chain.fees import initial
from bcfl.chain.keys import Signer
from bcfl.chain.node import Node
from bcfl.chain.raw import checksummed
from bcfl.chain.rpc_errors import Verdict, classify, revert_data
from bcfl.contracts import calls
from bcfl.contracts.abi import encode_constructor, error_name
from bcfl.contracts.config import UNIT
from bcfl.contracts.ids import Address, TxHash

__all__ = ("LEAST_DURATION_S", "Deployment", "Setup", "deploy", "distribute", "fund", "opened_setup")

_GAS_MARGIN = 1.2
_LONGEST_BLOCK_S = 90.0
LEAST_DURATION_S = 2
"""Of a phase, for factories of ours: several blocks of a devnet. A chain of 12-second blocks wants a minute."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Where the contracts are; ``block`` is the last block of the set-up."""

    token: Address
    credits: Address
    """The library that crowdsourcing tasks are linked with, rooted ones too."""
    crowdsourcing: Address
    rooted: Address
    consortium: Address
    factory: Address
    block: int


NextBlock = Callable[[], Awaitable[None]]


@dataclass(kw_only=True)
class Setup:
    """A node and the way to its next block: mined on a driven devnet, awaited elsewhere."""

    node: Node
    next_block: NextBlock
    confirmations: int = 0
    """Blocks to wait for on top of what was included: nobody sends a set-up again after a reorganisation."""
    max_fee: int | None = None
    """The most that a transaction may offer, in wei a gas; None: whatever the chain asks for."""
    patience_s: float | None = None
    """How long an inclusion is waited for; None: without end."""

    async def included(self, hashes: list[TxHash]) -> list[dict[str, Any]]:
        """Receipts of these transactions, in their order.

        Raises:
            DeploymentFailed: one of them reverted.
        """
        receipts: dict[TxHash, dict[str, Any]] = {}
        give_up = math.inf if self.patience_s is None else anyio.current_time() + self.patience_s
        while True:
            if anyio.current_time() > give_up:
                missing = next(one for one in hashes if one not in receipts)
                raise DeploymentFailed(
                    f"The transaction {missing} is in no block after {self.patience_s:g} s: look whether it still comes before you send it again."
                )
            for transaction in hashes:
                if transaction not in receipts:
                    receipt = await self.node.transaction_receipt(transaction)
                    if receipt is None:
                        break
                    if int(receipt["status"], 16) != 1:
                        raise DeploymentFailed(f"The set-up transaction {transaction} reverted.")
                    receipts[transaction] = receipt
            else:
                last = max((int(receipt["blockNumber"], 16) for receipt in receipts.values()), default=0)
                if await self.node.block_number() >= last + self.confirmations:
                    return [receipts[transaction] for transaction in hashes]
                receipts.clear()  # asked again above: they may have left the chain meanwhile
            await self.next_block()

    async def send(self, signer: Signer, to: Address | None, data: bytes, *, nonce: int) -> TxHash:
        """Sign and send one transaction; ``to`` None creates a contract.

        Raises:
            CallRefused: the contract, or the node, does not take it.
            FeeCapReached: the chain asks for more than may be offered.
        """
        fees = await self.node.fee_data()
        offer = initial(fees.base_fee, fees.priority_fee if fees.base_fee else 0, self.max_fee)
        request = {"from": signer.address, "data": "0x" + data.hex()} | ({"to": to} if to else {})
        try:
            gas = await self.node.estimate_gas(request)
            raw, _ = signer.sign_transaction(
                {
                    "chainId": self.node.chain_id,
                    "nonce": nonce,
                    "to": to if to is not None else b"",
                    "value": 0,
                    "data": data,
                    "gas": int(gas * _GAS_MARGIN),
                    "maxFeePerGas": offer.max_fee,
                    "maxPriorityFeePerGas": offer.priority_fee,
                }
            )
            return await self.node.send_raw(raw)
        except RpcError as error:
            raise CallRefused(_refusal(signer, error)) from error

    async def done(self, signer: Signer, to: Address, data: bytes) -> dict[str, Any]:
        """The receipt of one transaction, once it is in a block.

        Raises:
            CallRefused: the contract, or the node, does not take it.
            DeploymentFailed: it reverted in its block.
        """
        nonce = await self.node.nonce(signer.address, "pending")
        sent = await self.send(signer, to, data, nonce=nonce)
        return (await self.included([sent]))[0]


def _refusal(signer: Signer, error: RpcError) -> str:
    """What the contract or the node said, in a sentence."""
    reason = revert_data(error)
    if reason:
        return f"The contract does not take this now: {error_name(reason)}."
    if classify(error) is Verdict.INSUFFICIENT_FUNDS:
        return f"{signer.address} has too little ether to pay for the transaction: send it some (bcfl send)."
    return f"The node does not take the transaction: {error.message.rstrip('.')}."


@asynccontextmanager
async def opened_setup(
    node: Node,
    *,
    driven: bool,
    confirmations: int,
    max_fee: int | None = None,
    patience_s: float | None = None,
) -> AsyncIterator[Setup]:
    """A set-up whose blocks are mined by us (``driven``) or announced by the node; the others as for ``Setup``."""
    if driven:

        async def mine_one() -> None:
            # Our own timestamps: anvil's follow the wall, and a run is to repeat exactly.
            newest = await node.block("latest")
            await mine(node, timestamp=newest.ref.timestamp + 1)

        yield Setup(node=node, next_block=mine_one, confirmations=confirmations)
        return
    heads = await node.transport.subscribe("newHeads")

    async def wait_for_head() -> None:
        with anyio.move_on_after(_LONGEST_BLOCK_S) as patience:
            await heads.__anext__()
        if patience.cancelled_caught and confirmations:
            raise NoEmptyBlocks(
                f"The node at {node.url} has made no block for {_LONGEST_BLOCK_S:g} s: if it makes blocks for transactions alone, as geth --dev does, "
                f"nothing becomes final with chain.confirmations: {confirmations}; set it to 0, or start the node with a period (geth --dev --dev.period 1)."
            )

    try:
        yield Setup(
            node=node,
            next_block=wait_for_head,
            confirmations=confirmations,
            max_fee=max_fee,
            patience_s=patience_s,
        )
    finally:
        await heads.aclose()


async def deploy(
    setup: Setup, signer: Signer, *, name: str, symbol: str, supply: int, holder: Address
) -> Deployment:
    """Deploy the implementations of all kinds of task, their factory and a reward token.

    Args:
        setup: of the chain.
        signer: pays and deploys; it keeps no rights.
        name: of the token.
        symbol: of the token.
        supply: of the token in 10⁻⁹ token, all of it given to ``holder``.
        holder: usually the publisher.

    Raises:
        DeploymentFailed: a transaction reverted.
    """
    nonce = await setup.node.nonce(signer.address, "pending")
    token = await setup.send(
        signer, None, encode_constructor("RewardToken", name, symbol, supply * UNIT, holder), nonce=nonce
    )
    library = await setup.send(signer, None, encode_constructor("Credits"), nonce=nonce + 1)
    consortium = await setup.send(signer, None, encode_constructor("ConsortiumTask"), nonce=nonce + 2)
    token_at, credits_at, consortium_at = await _created(setup, [token, library, consortium])
    creation = encode_constructor("CrowdsourcingTask", libraries={"Credits": credits_at})
    crowdsourcing = await setup.send(signer, None, creation, nonce=nonce + 3)
    creation = encode_constructor("RootedTask", libraries={"Credits": credits_at})
    rooted = await setup.send(signer, None, creation, nonce=nonce + 4)
    crowdsourcing_at, rooted_at = await _created(setup, [crowdsourcing, rooted])
    creation = encode_constructor("TaskFactory", crowdsourcing_at, consortium_at, rooted_at, LEAST_DURATION_S)
    factory = await setup.send(signer, None, creation, nonce=nonce + 5)
    receipt = (await setup.included([factory]))[0]
    return Deployment(
        token=token_at,
        credits=credits_at,
        crowdsourcing=crowdsourcing_at,
        rooted=rooted_at,
        consortium=consortium_at,
        factory=checksummed(receipt["contractAddress"]),
        block=int(receipt["blockNumber"], 16),
    )


async def _created(setup: Setup, hashes: list[TxHash]) -> list[Address]:
    """Where the contracts of these transactions are."""
    return [checksummed(receipt["contractAddress"]) for receipt in await setup.included(hashes)]


async def distribute(setup: Setup, signer: Signer, token: Address, amounts: Mapping[Address, int]) -> None:
    """Send tokens (10⁻⁹) from the signer to each account, for stakes and bonds.

    Raises:
        DeploymentFailed: a transfer reverted.
    """
    nonce = await setup.node.nonce(signer.address, "pending")
    sent = []
    for place, (account, amount) in enumerate(sorted(amounts.items())):
        call = calls.transfer(token, account, amount * UNIT)
        sent.append(await setup.send(signer, call.to, call.data, nonce=nonce + place))
    if sent:
        await setup.included(sent)


async def fund(setup: Setup, accounts: list[Address], *, wei: int, funder: Signer | None) -> None:
    """Give each account ether, from a key or from the first account that the node manages.

    Raises:
        NoFunder: neither is there.
        CallRefused: the key has too little, or the node does not take it.
    """
    node = setup.node
    fees = await node.fee_data()
    within = initial(fees.base_fee, fees.priority_fee, setup.max_fee)
    offer = {"maxFeePerGas": within.max_fee, "maxPriorityFeePerGas": within.priority_fee}
    sent: list[TxHash] = []
    if funder is not None:
        nonce = await node.nonce(funder.address, "pending")
        for place, account in enumerate(accounts):
            raw, _ = funder.sign_transaction(
                {
                    "chainId": node.chain_id,
                    "nonce": nonce + place,
                    "to": account,
                    "value": wei,
                    "data": b"",
                    "gas": 21_000,
                    **offer,
                }
            )
            try:
                sent.append(await node.send_raw(raw))
            except RpcError as error:
                raise CallRefused(_refusal(funder, error)) from error
    else:
        managed = await node.accounts()
        if not managed:
            raise NoFunder(
                f"The node at {node.url} manages no account: name a keystore that pays for the agents under chain.funder."
            )
        # Nonces of our own: geth counts a transaction only a moment after it has answered for it, and would
        # give the next one the same nonce ("replacement transaction underpriced").
        nonce = await node.nonce(managed[0], "pending")
        for place, account in enumerate(accounts):
            request = {
                "from": managed[0],
                "to": account,
                "value": hex(wei),
                "gas": hex(21_000),
                "nonce": hex(nonce + place),
            }
            sent.append(TxHash(await node.transport.request("eth_sendTransaction", [request])))
    await setup.included(sent)
