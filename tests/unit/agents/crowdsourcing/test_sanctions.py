# SPDX-License-Identifier: Apache-2.0
"""Sanctions within the contract's limits, as the contract applies them."""

from __future__ import annotations

from bcfl.agents.crowdsourcing.sanctions import applicable, intended
from bcfl.contracts import events as e
from bcfl.contracts.phases import Reason
from bcfl.models.defences.defence import Fault, Memory, Verdict


def _task(story, *, members=8, suspended=(), **options):
    tale = story(**options).enrol(members).start()
    for index in suspended:
        tale.tell(
            e.TrainerSuspended, round=1, index=index, until_round=9, reason=Reason.COPIED, evidence=b"e" * 32
        )
    return tale.state


def test_only_the_suspended_are_ejected_and_a_quarter_at_most(story):
    state = _task(story, suspended=[1, 2, 3])
    wanted = [(index, 0, 5) for index in (0, 1, 2, 3)]
    assert applicable(state, wanted) == ((1, 0, 5), (2, 0, 5))


def test_nobody_is_suspended_twice(story):
    state = _task(story, suspended=[1])
    assert applicable(state, [(1, 4, 6), (2, 4, 6)]) == ((2, 4, 6),)


def test_enough_members_stay(story):
    state = _task(story, members=4, min_trainers=3)
    assert applicable(state, [(0, 4, 6), (1, 4, 6)]) == ((0, 4, 6),)
    state = _task(story, members=4, suspended=[0, 1], min_trainers=4)
    assert applicable(state, [(0, 0, 6)]) == ()


def test_ejections_make_no_room_for_suspensions_below_the_minimum(story):
    state = _task(story, members=4, suspended=[0], min_trainers=3)
    assert applicable(state, [(0, 0, 6), (1, 4, 6)]) == ((0, 0, 6),)


def test_as_many_as_a_transaction_holds(story):
    """More members apart from each other cost more slots."""
    state = _task(story, members=600, capacity=600)
    every = [(index, 4, 6) for index in range(600)]
    together = applicable(state, every[:255])
    assert together == tuple(every[: len(together)])
    assert 200 < len(together) < 255
    apart = applicable(state, [every[0], *every[256:]])
    assert len(apart) < len(together)


def test_a_defences_faults_are_the_contracts_reasons_ejections_first():
    verdict = Verdict(
        **{name: {} for name in ("models", "scored", "factors", "evidence", "rejected")},
        suspend={5: (4, Fault.HARMFUL), 2: (3, Fault.COPIED)},
        eject={7: Fault.HARMFUL},
        memory=Memory(),
    )
    assert intended(verdict) == ((7, 0, Reason.HARMFUL), (2, 3, Reason.COPIED), (5, 4, Reason.HARMFUL))
