# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from bcfl.agents.audit.chain_rules import rule_findings
from bcfl.contracts import events as e
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.phases import Phase

STRANGER = Address("0x00000000000000000000000000000000000000ff")
SOME = ContentId(bytes(32), 100)


@pytest.fixture
def told(story):
    """A round in which two of three have committed, and one has opened."""
    told = story().phase(Phase.ENROLMENT, deadline=1602).enrol(3).start(1)
    return told.commit(0, 1).phase(Phase.REVEAL).submit(0, "one")


def said(told, kind, **fields):
    return [found.message for found in rule_findings(told.state, told.event(kind, **fields))]


def test_what_the_contract_says_next_passes(told):
    assert said(told, e.UpdateSubmitted, round=1, index=1, content=SOME, position=1) == []
    due = 1000 + 2 + told.state.config.schedule.evaluation
    assert said(told, e.PhaseStarted, round=1, phase=Phase.EVALUATION, deadline=due) == []


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (e.UpdateSubmitted, {"round": 2, "index": 1, "content": SOME, "position": 1}, "it is of round 2"),
        (e.UpdateSubmitted, {"round": 1, "index": 0, "content": SOME, "position": 0}, "cannot open"),
        (e.UpdateSubmitted, {"round": 1, "index": 1, "content": SOME, "position": 0}, "cannot open"),
        (e.UpdateSubmitted, {"round": 1, "index": 9, "content": SOME, "position": 1}, "cannot open"),
        (e.EscrowReturned, {"amount": 1}, "the task has not ended"),
        (e.TaskCompleted, {}, "reveal, which does not allow it"),
        (e.PhaseStarted, {"round": 1, "phase": Phase.ENROLMENT, "deadline": 9}, "cannot follow reveal"),
        (e.PhaseStarted, {"round": 1, "phase": Phase.EVALUATION, "deadline": 9}, "its deadline is 9"),
        (e.PhaseStarted, {"round": 1, "phase": Phase.CLOSING, "deadline": 1062}, "has no model yet"),
        (
            e.RoundStarted,
            {"round": 3, "model": SOME, "deadline": 4602, "cohort": (0,)},
            "the one before was 1",
        ),
        (
            e.RoundStarted,
            {"round": 2, "model": SOME, "deadline": 4602, "cohort": (0, 1)},
            "[0, 1, 2] were due",
        ),
        (e.TrainerJoined, {"index": 4, "account": STRANGER, "stake": 0}, "cannot be member 4"),
        (e.TrainerJoined, {"index": 3, "account": STRANGER, "stake": 5}, "the task asks for 0"),
        (e.RewardWithdrawn, {"index": 0, "amount": 7}, "7 was paid where 0 was owed"),
    ],
)
def test_what_it_could_not_say_is_found(told, kind, fields, message):
    assert any(message in one for one in said(told, kind, **fields)), said(told, kind, **fields)


def test_nothing_is_said_after_the_end_but_what_pays(told):
    ended = dataclasses.replace(told.state, phase=Phase.COMPLETED)
    event = told.event(e.CancelRequested)
    assert [found.message for found in rule_findings(ended, event)] == ["the task has ended before"]
    assert [*rule_findings(ended, told.event(e.EscrowReturned, amount=ended.escrow))] == []


ROOTER = Address("0x0000000000000000000000000000000000000077")


@pytest.fixture
def rooted(story):
    """A round in which one of three has committed by itself and two by a root that is opened for one."""
    told = story(relayed=True, unique_digests=False, rooter=ROOTER)
    told.phase(Phase.ENROLMENT, deadline=1602).enrol(4).start(1).commit(3)
    told.tell(e.RootCommitted, **_root(members=(0, 1), batch=1, first_position=1))
    return told


def _root(**fields):
    return {"round": 1, "root": b"r" * 32, "listing": SOME, "words": 1, **fields}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"members": (2,), "batch": 2, "first_position": 3}, None),
        ({"members": (), "batch": 2, "first_position": 3}, "it is of nobody"),
        ({"members": (2,), "batch": 1, "first_position": 3}, "batch 1 does not follow"),
        ({"members": (2,), "batch": 2, "first_position": 1}, "position 1 does not follow"),
        ({"members": (1, 2), "batch": 2, "first_position": 3}, "member 1 cannot commit"),
        ({"members": (3,), "batch": 2, "first_position": 3}, "member 3 cannot commit"),
        ({"members": (9,), "batch": 2, "first_position": 3}, "member 9 cannot commit"),
    ],
)
def test_a_root_is_of_members_who_may_commit(rooted, fields, message):
    found = said(rooted, e.RootCommitted, **_root(**fields))
    assert found == [] if message is None else message in found[0]


def test_a_root_is_of_its_phase_and_of_a_rooted_task(rooted, told):
    fields = {"round": 1, "batch": 1, "listing": SOME, "members": (0,)}
    assert "training, which does not allow it" in said(rooted, e.RootRevealed, **fields)[0]
    rooted.phase(Phase.REVEAL)
    assert said(rooted, e.RootRevealed, **fields) == []
    assert said(rooted, e.RootRevealed, **fields | {"members": (3,)}) == ["member 3 cannot open by batch 1"]
    assert said(rooted, e.RootRevealed, **fields | {"batch": 0}) == ["batch 0 is no root"]
    assert "the task has no rooter" in said(told, e.RootRevealed, **fields)
    rooted.tell(e.RootRevealed, **fields)
    assert said(rooted, e.RootRevealed, **fields) == ["member 0 cannot open by batch 1"]


def test_what_a_list_says_is_of_its_root(rooted):
    committed = {"round": 1, "batch": 1, "first_position": 1, "raw": b""}
    both = ((0, b"c" * 32), (1, b"d" * 32))
    assert said(rooted, e.UpdatesCommitted, **committed, entries=both) == []
    assert "not those of the root" in said(rooted, e.UpdatesCommitted, **committed, entries=both[:1])[0]
    rooted.phase(Phase.REVEAL)
    rooted.tell(e.RootRevealed, round=1, batch=1, listing=SOME, members=(1,))
    submitted = {"round": 1, "index": 1, "content": SOME}
    assert said(rooted, e.UpdateSubmitted, **submitted, position=2) == []
    assert "at position 1" in said(rooted, e.UpdateSubmitted, **submitted, position=1)[0]
