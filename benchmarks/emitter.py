# SPDX-License-Identifier: Apache-2.0
"""A contract that emits as many ``UpdatesCommitted`` logs as it is told, as a task does when trainers commit."""

from __future__ import annotations

import eth_abi
from eth_utils import keccak

from bcfl.chain.devnet import mine
from bcfl.chain.errors import DeploymentFailed
from bcfl.chain.node import Node
from bcfl.chain.raw import checksummed
from bcfl.contracts.ids import Address, TxHash

__all__ = ("Emitter",)

# Call data: count ‖ topic 0 ‖ topic 1 ‖ topic 2 ‖ data.
_RUNTIME = bytes.fromhex(
    "60803603"  # 00 size = CALLDATASIZE - 80
    "806080600037"  # 04 memory[0...] = data
    "600035"  # 0a n = count
    "5b"  # 0d JUMPDEST
    "8015602757"  # 0e if n = 0: jump to 27
    "606035604035602035846000a3"  # 13 log3(0, size, topic 0, topic 1, topic 2)
    "60019003"  # 20 n -= 1
    "600d56"  # 24 jump to 0d
    "5b00"  # 27 JUMPDEST STOP
)
_CREATION = bytes.fromhex(f"60{len(_RUNTIME):02x}600c60003960{len(_RUNTIME):02x}6000f3") + _RUNTIME
_TOPIC = keccak(b"UpdatesCommitted(uint32,uint32,uint32,bytes)")
_GAS_A_LOG = 4_000


class Emitter:
    """The contract, spoken to through an account that anvil signs for."""

    def __init__(self, node: Node, sender: Address, address: Address) -> None:
        self.address = address
        self._node = node
        self._sender = sender

    @classmethod
    async def deploy(cls, node: Node) -> Emitter:
        """Deploy it on a devnet that mines when asked."""
        sender = (await node.accounts())[0]
        transaction = await node.transport.request(
            "eth_sendTransaction", [{"from": sender, "data": f"0x{_CREATION.hex()}", "gas": hex(500_000)}]
        )
        await mine(node)
        receipt = await node.transaction_receipt(transaction)
        if receipt is None or receipt["status"] != "0x1":
            raise DeploymentFailed("The benchmark's emitter could not be deployed.")
        return cls(node, sender, checksummed(receipt["contractAddress"]))

    async def emit(self, batch: int, count: int = 1) -> TxHash:
        """Send a transaction that emits ``count`` equal logs of round 1 with this batch number."""
        entries = batch.to_bytes(4, "big") + keccak(batch.to_bytes(4, "big"))
        data = eth_abi.encode(["uint256", "bytes32", "uint256", "uint256"], [count, _TOPIC, 1, batch])
        data += eth_abi.encode(["uint32", "bytes"], [batch, entries])
        transaction = {
            "from": self._sender,
            "to": self.address,
            "data": f"0x{data.hex()}",
            "gas": hex(60_000 + _GAS_A_LOG * count),
        }
        return TxHash(await self._node.transport.request("eth_sendTransaction", [transaction]))
