# SPDX-License-Identifier: Apache-2.0
"""Nothing that a contract says is passed over in silence, and a state shares with the one before what did not change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from bcfl.contracts import artifacts
from bcfl.contracts import events as e
from bcfl.contracts.crowd_fold import CrowdDraft
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.fold import _CONSORTIUM, _CROWD, fold

TYPED = {"UpdatesSubmitted": "UpdateSubmitted", "TrainersReinstated": "TrainerReinstated"}
"""Of one that speaks of several members the decoder makes one event each."""
NOT_OURS = {"EIP712DomainChanged"}
NEVER = {"RootedTask": set(), "ConsortiumTask": {e.TrainerSuspended, e.TrainerReinstated}}
"""What a contract inherits the word for and never says: a consortium suspends nobody."""


@pytest.mark.parametrize(("contract", "setting"), [("RootedTask", _CROWD), ("ConsortiumTask", _CONSORTIUM)])
def test_every_event_of_a_contract_is_folded_or_named_as_saying_nothing(contract, setting):
    emitted = {entry["name"] for entry in artifacts.load(contract).abi if entry["type"] == "event"} - NOT_OURS
    typed = {getattr(e, TYPED.get(name, name)) for name in emitted}
    folded = set(setting.handlers)
    assert not folded & setting.says_nothing
    assert folded | setting.says_nothing == typed - NEVER[contract]


def test_an_event_of_the_other_kind_is_refused(story):
    tale = story().enrol(2).start()
    with pytest.raises(MalformedLog, match="is no event of this kind of task"):
        tale.tell(e.MemberProposed, proposal=0, proposer=0, account="0x" + "1" * 40, admit=True)


def test_what_says_nothing_changes_nothing(story, content):
    tale = story().enrol(2).start()
    before = tale.state
    tale.tell(e.ModelSubmitted, round=1, account="0x" + "1" * 40, model=content("m"))
    assert tale.state == before


def test_a_state_shares_what_did_not_change(story):
    tale = story().enrol(2).start().commit(0)
    before = tale.state
    tale.commit(1)
    assert tale.state.rounds is not before.rounds
    assert tale.state.owners is before.owners
    assert tale.state.members is before.members


def test_a_record_is_copied_as_far_as_it_has_mappings(story):
    tale = story().enrol(2).start()
    record = tale.state.current
    opened = CrowdDraft(tale.state).record(1)
    mappings = [
        f.name for f in dataclasses.fields(CrowdRound) if isinstance(getattr(record, f.name), Mapping)
    ]
    assert len(mappings) > 5
    for name in mappings:
        assert opened[name] is not getattr(record, name), name


def test_a_fold_leaves_the_state_before_it_alone(story):
    tale = story().enrol(2).start()
    before = tale.state
    again = fold(before, ())
    assert again == before
    tale.commit(0)
    assert not before.current.commitments
