# SPDX-License-Identifier: Apache-2.0
"""Copying what is on chain: the bytes are right, the opening is not."""

from __future__ import annotations

from bcfl.agents.adversaries.copiers import CommitCopier, FrontRunner
from bcfl.agents.runtime.actions import Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts.commitments import commitment
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase

ME = Address(f"0x{1:040x}")  # member 0
WORK = Work(round=1)


def _decide(behaviour, state, actions=(WORK,)):
    return list(behaviour.decide(View(seen=state, final=state, now=0), ME, list(actions)))


def test_a_commitment_is_copied_from_the_earliest_other(story):
    tale = story().enrol(3).start()
    assert _decide(CommitCopier(), tale.state) == []  # nothing to copy, and no work of its own
    tale.commit(2, hidden={2: b"v" * 32}).commit(1)
    (copy,) = _decide(CommitCopier(), tale.state)
    assert (copy.round, copy.name) == (1, "commit")
    assert copy.call == calls.commit(tale.state.address, round_number=1, index=0, commitment=b"v" * 32)
    assert copy.evidence["victim"] == 2
    assert _decide(CommitCopier(), tale.commit(0).state) == []
    assert _decide(CommitCopier(), tale.phase(Phase.REVEAL).state) == []


def test_a_copied_commitment_hides_nothing_that_the_copier_could_open(content):
    opening = {"chain_id": 1, "task": ME, "round_number": 1, "content": content("update"), "salt": b"s" * 16}
    assert commitment(index=0, **opening) != commitment(index=2, **opening)


def test_a_digest_is_copied_from_the_earliest_submission(story):
    tale = story(commit_reveal=False).enrol(3).start()
    assert _decide(FrontRunner(), tale.state) == []
    tale.submit(2, "second", position=1).submit(1, "first", position=0)
    (copy,) = _decide(FrontRunner(), tale.state)
    content = tale.state.current.updates[1].content
    assert copy.call == calls.submit(tale.state.address, round_number=1, index=0, content=content)
    assert _decide(FrontRunner(), tale.submit(0, "first", position=2).state) == []
    assert tale.state.current.updates[0].owned is False
    assert tale.state.current.updates[1].owned is True


def test_each_waits_for_a_task_that_it_can_abuse(story):
    hidden, open_ = story().enrol(1).start().state, story(commit_reveal=False).enrol(1).start().state
    assert (CommitCopier().acts(hidden, "bob", None), CommitCopier().acts(open_, "bob", None)) == (
        True,
        False,
    )
    assert (FrontRunner().acts(hidden, "bob", None), FrontRunner().acts(open_, "bob", None)) == (False, True)


def test_both_join_as_everybody_does(story):
    join = Transact(round=0, name="join", call=calls.advance(ME))
    for behaviour in (CommitCopier(), FrontRunner()):
        assert _decide(behaviour, story().state, [join]) == [join]
