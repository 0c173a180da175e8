# SPDX-License-Identifier: Apache-2.0
import pytest

from bcfl.chain.errors import CallTimeout, ConnectionLost, RpcError
from bcfl.chain.rpc_errors import Verdict, classify, revert_data

ANVIL = [  # words of anvil 1.7.1
    (-32003, "transaction already imported", Verdict.ALREADY_KNOWN),
    (-32003, "nonce too low", Verdict.NONCE_TOO_LOW),
    (-32003, "replacement transaction underpriced", Verdict.UNDERPRICED),
    (-32003, "max fee per gas less than block base fee", Verdict.FEE_TOO_LOW),
    (-32003, "Insufficient funds for gas * price + value", Verdict.INSUFFICIENT_FUNDS),
    (3, "execution reverted: custom error 0xdeadbeef: ", Verdict.REVERTED),
    (-32603, "EVM error InvalidFEOpcode", Verdict.REVERTED),
    (-32000, "intrinsic gas too low", Verdict.REJECTED),
    (-32000, "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", Verdict.REJECTED),
    (-32003, "invalid chain id for signer", Verdict.REJECTED),
    (-32602, "Failed to decode transaction", Verdict.REJECTED),
    (-32601, "Method not found", Verdict.REJECTED),
]
GETH = [  # words of geth 1.16.7
    (-32000, "already known", Verdict.ALREADY_KNOWN),
    (-32000, "nonce too low: next nonce 1, tx nonce 0", Verdict.NONCE_TOO_LOW),
    (-32000, "nonce too high: address 0x00, tx: 9 state: 1", Verdict.NONCE_TOO_HIGH),
    (-32000, "replacement transaction underpriced", Verdict.UNDERPRICED),
    (-32000, "transaction underpriced: gas tip cap 0, minimum needed 1", Verdict.UNDERPRICED),
    (
        -32000,
        "failed with 11567539 gas: max fee per gas less than block base fee: address 0x88, maxFeePerGas: 1",
        Verdict.FEE_TOO_LOW,
    ),
    (
        -32000,
        "insufficient funds for gas * price + value: balance 0, tx cost 21, overshot 21",
        Verdict.INSUFFICIENT_FUNDS,
    ),
    (-32000, "insufficient funds for transfer", Verdict.INSUFFICIENT_FUNDS),
    (3, "execution reverted", Verdict.REVERTED),
    (-32000, "invalid opcode: INVALID", Verdict.REVERTED),
    (-32000, "txpool is full", Verdict.TRANSIENT),
    (-32000, "header not found", Verdict.TRANSIENT),
    (-32000, "max priority fee per gas higher than max fee per gas", Verdict.REJECTED),
    (-32000, "tx fee (10000.00 ether) exceeds the configured cap (1.00 ether)", Verdict.REJECTED),
    (-32000, "invalid sender: invalid chain id for signer: have 99 want 1337", Verdict.REJECTED),
]


@pytest.mark.parametrize(("code", "message", "verdict"), ANVIL + GETH)
def test_a_refusal_is_understood(code, message, verdict):
    assert classify(RpcError(code, message)) is verdict


def test_what_is_not_the_nodes_answer_is_transient():
    assert classify(ConnectionLost()) is Verdict.TRANSIENT
    assert classify(CallTimeout("eth_sendRawTransaction", 1.0)) is Verdict.TRANSIENT
    assert classify(RpcError(-32005, "daily request count exceeded")) is Verdict.TRANSIENT


def test_revert_data_is_found_plain_and_wrapped():
    assert revert_data(RpcError(3, "execution reverted", "0xdeadbeef")) == bytes.fromhex("deadbeef")
    assert revert_data(RpcError(3, "execution reverted", {"data": {"data": "0x01"}})) == b"\x01"


@pytest.mark.parametrize("data", [None, "0x", "Reverted", "0xzz", 7])
def test_no_revert_data_is_empty(data):
    assert revert_data(RpcError(3, "execution reverted", data)) == b""
