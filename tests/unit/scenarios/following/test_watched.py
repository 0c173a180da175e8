# SPDX-License-Identifier: Apache-2.0
"""What an onlooker keeps of a task: sanctions with their blocks, and the evaluations that they rest on."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from eth_utils import keccak

from bcfl.chain.raw import checksummed
from bcfl.contracts import events as e
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import Reason
from bcfl.scenarios.following.gas import spent_on
from bcfl.scenarios.following.watched import Watched


def content(number):
    return ContentId(bytes([number]) * 32, number + 1)


def report(number, evidence=None):
    return EvaluationReport(
        round=number,
        start_model=content(0),
        model=content(number),
        scores={},
        weights={},
        validation_samples=9,
        evidence=evidence or {},
        loss=1 / number,
        accuracy=number / 100,
    )


@pytest.fixture
def watched(story):
    """A hundred rounds of three members; the third handed in until round 2."""
    told = story(rounds=200).enrol(3).start()
    rounds = {
        number: dataclasses.replace(
            told.state.current,
            number=number,
            updates=dict.fromkeys((0, 1, 2) if number <= 2 else (0, 1)),
            report=content(number),
            model=content(number),
        )
        for number in range(1, 101)
    }
    return Watched.made(told.created, dataclasses.replace(told.state, round=100, rounds=rounds))


def ejected(origin, number, index, block=5, place=0):
    return e.TrainerEjected(
        origin=origin(block, place),
        round=number,
        index=index,
        reason=Reason.HARMFUL,
        evidence=b"",
        forfeited=0,
    )


def test_a_sanction_is_kept_once_however_often_its_block_comes(watched, origin):
    event = ejected(origin, 1, 2)
    again = watched.after(watched.state, [event]).after(watched.state, [event])
    (one,) = again.sanctions
    assert (one.round, one.index, one.reason, one.until) == (1, 2, "harmful", None)


def test_a_sanction_whose_block_left_the_chain_is_forgotten(watched, origin):
    found = watched.after(watched.state, [ejected(origin, 1, 0, block=5), ejected(origin, 1, 1, block=6)])
    left = found.without(watched.state, {found.sanctions[1].block.hash})
    assert [one.index for one in left.sanctions] == [0]


def test_what_a_sanction_rests_on_may_be_an_earlier_round_where_nothing_was_handed_in_since(watched, origin):
    found = watched.after(watched.state, [ejected(origin, 3, 2)])
    (one,) = found.sanctions
    assert found.awaits_evidence_of(one) is True
    for number, evidence in ((1, {2: {"norm": 1.0}}), (2, {2: {"norm": 2.0}}), (3, {0: {"norm": 3.0}})):
        found = found.reported(content(number), report(number, evidence))
    assert found.evidence_of(one).round == 2
    assert found.awaits_evidence_of(one) is False
    # what comes after it is no reason for it
    later = found.reported(content(4), report(4, {2: {"norm": 4.0}}))
    assert later.evidence_of(one).round == 2


def test_the_numbers_of_another_round_are_not_shown_where_the_right_ones_are_missing(watched, origin):
    found = watched.after(watched.state, [ejected(origin, 2, 2)])
    (one,) = found.sanctions
    found = found.reported(content(1), report(1, {2: {"norm": 1.0}}))
    assert found.evidence_of(one) is None
    assert dataclasses.replace(found, missing=frozenset({content(2)})).awaits_evidence_of(one) is None


def test_after_a_reorganisation_the_report_that_stands_counts(watched, origin):
    found = watched.after(watched.state, [ejected(origin, 2, 2)])
    found = found.reported(content(2), report(2, {2: {"norm": 1.0}}))
    other = dataclasses.replace(found.state.rounds[2], report=content(150))
    found = dataclasses.replace(
        found, state=dataclasses.replace(found.state, rounds={**found.state.rounds, 2: other})
    )
    assert found.evidence_of(found.sanctions[0]) is None
    assert 2 not in found.quality
    found = found.reported(content(150), report(2, {2: {"norm": 5.0}}))
    assert found.evidence_of(found.sanctions[0]).evidence[2] == {"norm": 5.0}


def test_of_many_rounds_the_newest_reports_stay_and_those_that_sanctions_rest_on(watched, origin):
    found = watched.after(watched.state, [ejected(origin, 3, 2)])
    for number in range(1, 101):
        found = found.reported(content(number), report(number, {2: {"norm": 1.0}} if number == 2 else None))
    rounds = {one.round for one in found.reports.values()}
    assert len(rounds) == 40
    assert {2, *range(62, 101)} == rounds
    assert found.quality[1] == (1.0, 0.01)
    assert len(found.quality) == 100


def test_gas_is_told_apart_by_who_sent_the_transaction(watched):
    member, judge, publisher = (checksummed(f"0x{n:040x}") for n in (0xAB, 0xCD, 0xEF))
    state = dataclasses.replace(watched.state, index_of={member: 0}, publisher=publisher)
    stranger = "0x" + "9" * 40

    def receipt(sender, to, gas):
        return {"from": sender.lower(), "to": to.lower(), "transactionHash": "0x1", "gasUsed": hex(gas)}

    receipts = [
        receipt(member, state.address, 10),
        receipt(judge, state.address, 20),
        receipt(publisher, state.address, 30),
        receipt(stranger, state.address, 40),
        receipt(member, stranger, 50),
        {"from": member, "to": None, "transactionHash": "0x2", "gasUsed": "0x1"},
    ]
    spent = {one.role: one.gas for one in spent_on(state, [judge], receipts)}
    assert spent == {"trainer": 10, "evaluator": 20, "publisher": 30, "keeper": 40}


@pytest.mark.parametrize("relayed", [True, False])
def test_who_brings_what_others_signed_is_a_relayer_and_joins_through_the_factory_count(watched, relayed):
    member, publisher = (checksummed(f"0x{n:040x}") for n in (0xAB, 0xEF))
    state = dataclasses.replace(
        watched.state,
        index_of={member: 0},
        publisher=publisher,
        config=dataclasses.replace(watched.state.config, relayed=relayed),
    )
    rita, factory, token = ("0x" + digit * 40 for digit in "567")

    def receipt(sender, to, gas, address, signature):
        log = {"address": address.lower(), "topics": [f"0x{keccak(text=signature).hex()}"]}
        return {
            "from": sender.lower(),
            "to": to.lower(),
            "transactionHash": "0x1",
            "gasUsed": hex(gas),
            "logs": [log],
        }

    joined, committed = "TrainerJoined(uint32,address,uint64)", "UpdatesCommitted(uint32,uint32,uint32,bytes)"
    receipts = [
        receipt(rita, factory, 1, state.address, joined),
        receipt(rita, factory, 2, token, joined),
        receipt(rita, state.address, 4, state.address, committed),
        receipt(rita, state.address, 8, state.address, "UpdatesSubmitted(uint32,bytes)"),
        receipt(rita, state.address, 16, state.address, "PhaseStarted(uint32,uint8,uint64)"),
        receipt(member, state.address, 32, state.address, committed),
    ]
    spent = Counter()
    for one in spent_on(state, [], receipts):
        spent[one.role] += one.gas
    expected = {"relayer": 13, "keeper": 16, "trainer": 32} if relayed else {"keeper": 28, "trainer": 32}
    assert spent == expected
