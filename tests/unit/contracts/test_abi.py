# SPDX-License-Identifier: Apache-2.0
"""Logs in, calls out."""

from __future__ import annotations

import eth_abi
import pytest
from eth_utils import keccak

from bcfl.contracts import artifacts
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log, decode_result, encode_call, encode_constructor, error_name
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import CancelReason


def _word(value):
    return value.to_bytes(32, "big")


def test_a_call_is_selector_and_arguments():
    data = encode_call("CrowdsourcingTask", "commit", 2, 7, b"c" * 32)
    assert data == keccak(b"commit(uint32,uint32,bytes32)")[:4] + _word(2) + _word(7) + b"c" * 32
    transfer = encode_call("RewardToken", "transfer", "0x" + "00" * 19 + "0b", 5)
    assert transfer[:4].hex() == "a9059cbb"  # ERC-20's own


def test_a_call_with_a_struct_has_the_struct_in_its_selector():
    permit = "(uint256,uint256,uint8,bytes32,bytes32)"
    data = encode_call("CrowdsourcingTask", "join", "0x" + "00" * 20, (0, 0, 0, bytes(32), bytes(32)), b"")
    assert data[:4] == keccak(f"join(address,{permit},bytes)".encode())[:4]


def test_a_view_s_result():
    assert decode_result("CrowdsourcingTask", "creditOf", _word(3) + _word(4)) == (3, 4)


def test_creation_code_ends_with_the_constructor_s_arguments():
    code = encode_constructor("TaskFactory", *(f"0x{n:040x}" for n in (1, 2, 3)), 4)
    assert code == artifacts.load("TaskFactory").bytecode + b"".join(map(_word, (1, 2, 3, 4)))
    assert encode_constructor("ConsortiumTask") == artifacts.load("ConsortiumTask").bytecode


def test_creation_code_is_linked_with_its_libraries():
    address = "0x" + "ab" * 20
    artifact = artifacts.load("CrowdsourcingTask")
    code = encode_constructor("CrowdsourcingTask", libraries={"Credits": address})
    places = artifact.libraries["Credits"]
    assert places
    for place in places:
        assert artifact.bytecode[place : place + 20] == bytes(20)
        assert code[place : place + 20] == b"\xab" * 20
    assert code.count(b"\xab" * 20) == len(places)
    with pytest.raises(KeyError):
        encode_constructor("CrowdsourcingTask")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "reverted without a reason"),
        (keccak(b"WrongPhase(uint8)")[:4] + _word(3), "WrongPhase(3)"),
        (keccak(b"NothingAccepted()")[:4], "NothingAccepted()"),
        (keccak(b"WrongPhase(uint8)")[:4] + b"\x01", "WrongPhase"),
        (b"\x01\x02\x03\x04\x05", "0x0102030405"),
        (b"\x01", "0x01"),
    ],
)
def test_a_refusal_reads_as_its_name(data, text):
    assert error_name(data) == text


def _log(signature, *topics):
    return (keccak(signature.encode()), *topics)


def test_a_log_becomes_its_event(origin):
    where = origin()
    topics = _log("RoundStarted(uint32,bytes32,uint32,uint40,uint256[])", _word(2))
    data = eth_abi.encode(["bytes32", "uint32", "uint40", "uint256[]"], [b"m" * 32, 9, 77, [5, 1]])
    assert decode_log(origin=where, topics=topics, data=data) == (
        e.RoundStarted(origin=where, round=2, model=ContentId(b"m" * 32, 9), deadline=77, cohort=(0, 2, 256)),
    )


def test_a_batch_of_updates_becomes_an_event_each(origin):
    where = origin()
    packed = b"".join(
        index.to_bytes(4, "big") + digest * 32 + size.to_bytes(4, "big") + position.to_bytes(4, "big")
        for index, digest, size, position in [(3, b"a", 10, 1), (0, b"b", 11, 0)]
    )
    heard = decode_log(
        origin=where,
        topics=_log("UpdatesSubmitted(uint32,bytes)", _word(4)),
        data=eth_abi.encode(["bytes"], [packed]),
    )
    assert heard == (
        e.UpdateSubmitted(origin=where, round=4, index=3, content=ContentId(b"a" * 32, 10), position=1),
        e.UpdateSubmitted(origin=where, round=4, index=0, content=ContentId(b"b" * 32, 11), position=0),
    )


def test_suspensions_that_end_are_an_event_a_member(origin):
    where = origin()
    topics = _log("TrainersReinstated(uint32,uint256,uint256)", _word(4))
    ended = decode_log(origin=where, topics=topics, data=_word(2) + _word(0b1001))
    assert ended == tuple(e.TrainerReinstated(origin=where, round=4, index=index) for index in (512, 515))


def test_every_event_of_the_contracts_is_understood():
    known = set(e.__all__) | {"TrainersReinstated", "UpdatesSubmitted"}
    inherited = {"Approval", "Transfer", "EIP712DomainChanged", "Initialized"}
    for contract in ("TaskFactory", "RootedTask", "ConsortiumTask"):
        names = {entry["name"] for entry in artifacts.load(contract).abi if entry["type"] == "event"}
        assert names - inherited <= known


def test_scores_and_pays_are_unpacked(origin):
    where = origin()
    scores = (7).to_bytes(8, "big") + b"\xff" * 8
    pays = (2**64 - 1).to_bytes(8, "big")
    assert decode_log(
        origin=where,
        topics=_log("ScoresSettled(uint32,uint64,uint64,bytes,bytes)", _word(2)),
        data=eth_abi.encode(["uint64", "uint64", "bytes", "bytes"], [5, 6, scores, pays]),
    ) == (
        e.ScoresSettled(
            origin=where, round=2, payout=5, evaluation_payout=6, scores=(7, -1), pays=(2**64 - 1,)
        ),
    )
    assert decode_log(
        origin=where,
        topics=_log("ScoresRevealed(uint32,uint32,bytes32,bytes)", _word(2), _word(3)),
        data=eth_abi.encode(["bytes32", "bytes"], [b"p" * 32, scores]),
    ) == (e.ScoresRevealed(origin=where, round=2, index=3, probe=b"p" * 32, scores=(7, -1)),)


def _interface(contract, kind):
    """By name: types of what goes in and comes out; of an event also the fields' names and which are indexed."""

    def shape(item):
        inner = tuple(shape(part) for part in item.get("components", ()))
        named = (item["name"], item["indexed"]) if kind == "event" else ()
        return (item["type"], *named, inner)

    return {
        entry["name"]: [[shape(item) for item in entry.get(side, ())] for side in ("inputs", "outputs")]
        for entry in artifacts.load(contract).abi
        if entry["type"] == kind
    }


@pytest.mark.parametrize(("kind", "least"), [("function", 20), ("event", 15), ("error", 20)])
def test_what_both_kinds_of_task_have_in_common_is_the_same(kind, least):
    """``calls`` writes a consortium's calls with the crowd's interface, and a log does not say which of them spoke."""
    crowd, consortium = _interface("CrowdsourcingTask", kind), _interface("ConsortiumTask", kind)
    common = crowd.keys() & consortium.keys()
    assert len(common) >= least
    assert {name: crowd[name] for name in common} == {name: consortium[name] for name in common}


def test_a_consortium_understands_the_calls_that_are_written_with_the_crowd_s_interface():
    shared = {"advance", "cancel", "commit", "join", "leave", "refund", "reveal", "submit", "submitModel"}
    assert shared | {"withdraw", "withdrawBond"} <= _interface("ConsortiumTask", "function").keys()


@pytest.mark.parametrize("topics", [(), (b"\x01" * 32,), _log("Transfer(address,address,uint256)")])
def test_a_foreign_log_is_nothing(origin, topics):
    assert decode_log(origin=origin(), topics=topics, data=b"") == ()


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        (_log("TaskCancelled(uint8)"), b""),
        (_log("TaskCancelled(uint8)"), _word(99)),  # no reason that we know
        (_log("TaskCancelled(uint8)", _word(1)), _word(1)),  # a topic too many
        (_log("TrainerLeft(uint32,uint64)"), b""),  # a topic too few
        (_log("UpdatesSubmitted(uint32,bytes)", _word(4)), _word(32) + _word(10**6)),
        (_log("UpdatesSubmitted(uint32,bytes)", _word(4)), eth_abi.encode(["bytes"], [b"short"])),
    ],
)
def test_our_signature_with_another_content_is_an_error(origin, topics, data):
    with pytest.raises(MalformedLog, match="in block 1 does not decode"):
        decode_log(origin=origin(), topics=topics, data=data)


def test_reasons_are_typed(origin):
    (event,) = decode_log(origin=origin(), topics=_log("TaskCancelled(uint8)"), data=_word(3))
    assert event.reason is CancelReason.NO_EVALUATOR
