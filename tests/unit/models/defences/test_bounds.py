# SPDX-License-Identifier: Apache-2.0
"""A defence's own verdicts are always within its bounds, whoever misbehaves; others are not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bcfl.models.defences.bounds import Bounded, Track, since
from bcfl.models.defences.defence import Fault
from bcfl.models.defences.none import NoDefence
from bcfl.models.defences.pipeline import Pipeline
from bcfl.models.defences.published import DropLowest, ScoreThreshold
from bcfl.models.defences.reputation import Clerk

DEFENCES = {
    "none": NoDefence(),
    "pipeline": Pipeline(),
    "strict": Pipeline(clerk=Clerk(strikes=1, misses=1, condemn=1.0, watch=2.0, paroles=0)),
    "without novelty": Pipeline(novelty=False, clip=0.0),
    "without evidence": Pipeline(evidence=False),
    "without sanctions": Pipeline(sanctions=False),
    "drop_lowest": DropLowest(share=0.2),
    "score_threshold": ScoreThreshold(score="step", patience=1),
}
_FAULTS = {fault.value: fault for fault in (Fault.COPIED, Fault.NO_NEW_WORK)}


class Played:
    """Rounds in which members 2 to 7 misbehave in every way that has a fault, and what is public of them."""

    def __init__(self, federation, defence):
        self.federation = federation
        self.defence = defence
        self.revealed = {index: [] for index in range(8)}
        self.missed = {index: [] for index in range(8)}

    async def round(self):
        task = self.federation
        before, start = set(task.suspended), task.start
        models = await task.trained()
        models[7] = task.shifted(-3.0 * (models[7].vector.astype(np.float64) - start.vector))
        models[6] = models[1]
        models[5] = start
        models[4] = task.shifted(40.0 * (models[4].vector.astype(np.float64) - start.vector))
        out = task.suspended | task.gone
        invalid = {3: Fault.INVALID} if 3 not in out else {}
        absent = {2} - out
        number = task.number
        for index in range(8):
            if index in absent:
                self.missed[index].append(number)
            elif index not in out:
                self.revealed[index].append(number)
        verdict = await task.judge(self.defence, models, invalid=invalid, absent=absent)
        valid = {i: model for i, model in models.items() if i not in out | set(invalid) | absent}
        return verdict, start, valid, self.tracks(verdict, number, invalid, before)

    def tracks(self, verdict, number, invalid, before):
        return {
            index: Track(
                number=number,
                word=verdict.rejected.get(index),
                fault=invalid.get(index, _FAULTS.get(verdict.rejected.get(index, ""))),
                evidence=verdict.evidence.get(index, {}),
                revealed=tuple(self.revealed[index]),
                missed=tuple(self.missed[index]),
                suspended=index in before,
            )
            for index in range(8)
        }


@pytest.mark.parametrize("name", DEFENCES)
@pytest.mark.asyncio
async def test_what_it_finds_is_within_its_bounds(federation, name):
    defence = DEFENCES[name]
    assert isinstance(defence, Bounded)
    async with federation() as task:
        played = Played(task, defence)
        sanctioned = 0
        for _ in range(6):
            verdict, start, valid, tracks = await played.round()
            assert set(verdict.rejected.values()) <= defence.words
            digests = {index: model.digest() for index, model in valid.items()}
            foregone = defence.foregone(start.digest(), digests, {i: i for i in valid})
            assert foregone.items() <= verdict.rejected.items()
            passed = defence.passed(start, valid, verdict.rejected)
            assert {i: model.digest() for i, model in passed.items()} == {
                i: model.digest() for i, model in verdict.models.items()
            }
            assert defence.could_sanction(tracks, verdict.suspend, verdict.eject), (
                verdict.suspend,
                verdict.eject,
            )
            sanctioned += len(verdict.suspend) + len(verdict.eject)
            # Member 0 is honest and weighs: nothing can be done to it.
            for rounds, fault in ((4, fault) for fault in Fault):
                wrong = {**verdict.suspend, 0: (rounds, fault)}
                known = 0 in verdict.models and 0 not in verdict.suspend
                assert (
                    not known
                    or not defence.could_sanction(tracks, wrong, verdict.eject)
                    or _averaged(name, fault)
                )
            for index in set(tracks) - {i for i, track in tracks.items() if track.suspended}:
                assert not defence.could_sanction(
                    tracks, verdict.suspend, {**verdict.eject, index: Fault.HARMFUL}
                )
        assert bool(sanctioned) is (name not in {"none", "without sanctions"})


def _averaged(name, fault):
    """What the evaluator alone remembers."""
    return name == "score_threshold" and fault is Fault.HARMFUL


@pytest.mark.parametrize("rounds", [1, 3, 5, 2**31])
@pytest.mark.asyncio
async def test_another_length_is_not_its(federation, rounds):
    async with federation() as task:
        verdict, _, _, tracks = await Played(task, Pipeline()).round()
        assert verdict.suspend
        longer = {index: (rounds, fault) for index, (_, fault) in verdict.suspend.items()}
        assert not Pipeline().could_sanction(tracks, longer, {})


def _suspected(**changes):
    track = Track(number=4, word="suspected", evidence={"suspicion": 5.0}, revealed=(1, 2, 3, 4))
    return dataclasses.replace(track, **changes)


@pytest.mark.parametrize(
    ("track", "possible"),
    [
        (_suspected(), True),
        (_suspected(revealed=(4,)), False),  # one round adds 3.5 at most, 4.5 condemns
        (_suspected(revealed=(3, 4)), True),
        (_suspected(evidence={"suspicion": 7.1}, revealed=(3, 4)), False),
        (_suspected(evidence={"suspicion": 4.5}), False),
        (_suspected(evidence={"suspicion": float("nan")}), False),
        (_suspected(evidence={}), False),
        (_suspected(word=None), False),
        (_suspected(word="not_selected"), False),
        (_suspected(word="copied", fault=Fault.COPIED), False),
    ],
)
def test_harm_takes_suspicion_and_suspicion_takes_rounds(track, possible):
    assert Pipeline().could_sanction({0: track}, {0: (4, Fault.HARMFUL)}, {}) is possible


@pytest.mark.parametrize(
    ("missed", "possible"), [((2, 3, 4), True), ((3, 4), False), ((1, 2, 3), False), ((1, 2, 3, 4), True)]
)
def test_absence_takes_three_misses_this_round_among_them(missed, possible):
    track = Track(number=4, missed=missed)
    assert Pipeline().could_sanction({0: track}, {0: (4, Fault.ABSENT)}, {}) is possible


@pytest.mark.parametrize(
    ("fault", "track", "possible"),
    [
        (Fault.HARMFUL, {"revealed": (1, 2)}, True),
        (Fault.HARMFUL, {"revealed": (1,)}, False),
        (Fault.COPIED, {"revealed": (1,)}, True),
        (Fault.COPIED, {}, False),
        (Fault.INVALID, {"revealed": (1,)}, False),
        (Fault.UNAVAILABLE, {"revealed": (1, 2)}, True),
        (Fault.ABSENT, {"revealed": (1, 2), "missed": (3,)}, False),
        (Fault.ABSENT, {"missed": (1, 2, 3)}, True),
    ],
)
def test_an_ejection_takes_an_earlier_condemnation(fault, track, possible):
    known = Track(number=6, suspended=True, **track)
    assert Pipeline().could_sanction({0: known}, {}, {0: fault}) is possible
    free = dataclasses.replace(known, suspended=False)
    assert not Pipeline().could_sanction({0: free}, {}, {0: fault})


def test_rounds_since():
    assert [since((1, 4, 6), first) for first in (0, 4, 5, 7)] == [3, 2, 1, 0]
