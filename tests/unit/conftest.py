# SPDX-License-Identifier: Apache-2.0
"""A task told event by event, without a chain; and cells of a sweep, without a run."""

from __future__ import annotations

import hashlib

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.delivery import BlockRef, EventOrigin
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.phases import Kind
from bcfl.contracts.state_codec import state_from_parts, state_to_parts
from bcfl.scenarios.definition.schema import Data, Evaluator, NamedEntry, Population, Scenario, Task, Trainers
from bcfl.scenarios.outcome.summary import (
    Detection,
    EventCounts,
    Final,
    GasTotals,
    Genesis,
    Liveness,
    Participant,
    RoundSummary,
    Summary,
    Timings,
    TokenTotals,
)
from bcfl.scenarios.sweeping.cells import CellResult
from bcfl.scenarios.sweeping.grid import Cell, Labels
from bcfl.scenarios.sweeping.sweep import Outcome

FACTORY = Address("0x00000000000000000000000000000000000000F0")
TASK = Address("0x00000000000000000000000000000000000000A5")
PUBLISHER = Address("0x0000000000000000000000000000000000000B0B")
TOKEN = Address("0x00000000000000000000000000000000000000C0")


def _content(name):
    return ContentId(hashlib.sha256(str(name).encode()).digest(), 100)


def _origin(number=1, log_index=0, address=TASK):
    block = BlockRef(number, f"0x{number:064x}", f"0x{number - 1:064x}", 1000 + number)
    return EventOrigin(block, log_index, f"0x{log_index:064x}", address)


class Story:
    """A task's state as it grows: ``tell(kind, **fields)`` folds one event."""

    def __init__(self, *, evaluators=1, kind=Kind.CROWDSOURCING, **options):
        config = {
            "token": TOKEN,
            "publisher": PUBLISHER,
            "specification": _content("specification"),
            "genesis": _content("genesis"),
            "rounds": 3,
            "capacity": 10,
            "min_trainers": 1,
            "max_update_size": 1000,
            "schedule": Schedule(),
            "round_budget": 900,
        }
        self.created = e.TaskCreated(
            origin=_origin(address=FACTORY),
            task=TASK,
            publisher=PUBLISHER,
            token=TOKEN,
            kind=kind,
            config=TaskConfig(**{**config, **options}),
            # A consortium's founders are those who enrol here.
            evaluators=tuple(
                Address(f"0x{n + (0xE0 if kind is Kind.CROWDSOURCING else 1):040x}")
                for n in range(evaluators)
            ),
            budget=10_000,
        )
        self.state = first_state(self.created)
        self.told = 0

    def event(self, kind, **fields):
        self.told += 1
        return kind(origin=_origin(2, self.told), **fields)

    def tell(self, kind, **fields):
        self.state = fold(self.state, [self.event(kind, **fields)])
        # whatever a test tells can be kept and read again
        assert state_from_parts(state_to_parts(self.state)) == self.state
        return self

    def enrol(self, members, *, stake=0):
        if isinstance(self.state, CrowdState):
            self.tell(
                e.EvaluatorBonded, evaluator=0, account=PUBLISHER, bond=900, validation_commitment=b"v" * 32
            )
        for index in range(members):
            self.tell(e.TrainerJoined, index=index, account=Address(f"0x{index + 1:040x}"), stake=stake)
        return self

    def start(self, number=1, cohort=None):
        chosen = tuple(self.state.active_members) if cohort is None else cohort
        return self.tell(
            e.RoundStarted, round=number, model=self.state.model, deadline=2000 * number, cohort=chosen
        )

    def phase(self, phase, deadline=5000):
        return self.tell(e.PhaseStarted, round=self.state.round, phase=phase, deadline=deadline)

    def commit(self, *indices, hidden=None):
        commitments = [(hidden or {}).get(index, b"c" * 32) for index in indices]
        raw = b"".join(i.to_bytes(4, "big") + c for i, c in zip(indices, commitments, strict=True))
        record = self.state.current
        return self.tell(
            e.UpdatesCommitted,
            round=self.state.round,
            batch=len(record.batches),
            first_position=len(record.commitments),
            entries=tuple(zip(indices, commitments, strict=True)),
            raw=raw,
        )

    def submit(self, index, name, position=None):
        entry = self.state.current.commitments.get(index)
        place = position if position is not None else entry.position if entry else index
        return self.tell(
            e.UpdateSubmitted, round=self.state.round, index=index, content=_content(name), position=place
        )

    def evaluate(self, scores, payout):
        return self.tell(
            e.EvaluationSubmitted,
            round=self.state.round,
            evaluator=0,
            report=_content("report"),
            payout=payout,
            scores=tuple(scores),
        )

    def opine(self, index, hidden=b"h" * 32):
        return self.tell(e.ScoresCommitted, round=self.state.round, index=index, commitment=hidden)

    def open_scores(self, index, scores, probe=b"p" * 32):
        return self.tell(
            e.ScoresRevealed, round=self.state.round, index=index, probe=probe, scores=tuple(scores)
        )

    def settle(self, payout, scores=(), pays=()):
        return self.tell(
            e.ScoresSettled,
            round=self.state.round,
            payout=payout,
            evaluation_payout=sum(pays),
            scores=tuple(scores),
            pays=tuple(pays),
        )

    def vote_model(self, index, name):
        return self.tell(
            e.ModelSubmitted,
            round=self.state.round,
            account=self.state.members[index].account,
            model=_content(name),
        )

    def finalise(self, name, payout=0):
        model = self.state.model if name is None else _content(name)
        return self.tell(e.RoundFinalized, round=self.state.round, model=model, payout=payout)


@pytest.fixture
def story():
    """``story(**configuration)``: a new task's story."""
    return Story


@pytest.fixture
def content():
    """``content(name)``: a content id of that name."""
    return _content


@pytest.fixture
def origin():
    """``origin(number, log_index, address)``: where an event stands."""
    return _origin


# --- sweeps ---------------------------------------------------------------------------------------------------

_TOKEN = 10**18


def _labels(attack, defence="ours", fraction=0.3, heterogeneity="iid", seed=20):
    return Labels(
        attack=attack,
        defence=defence,
        fraction=fraction,
        heterogeneity=heterogeneity,
        trainers=10,
        seed=seed,
    )


def _summary(*, honest, rounds_to_eject, accuracy, wronged=0, share=0.1, tokens=2):
    bad = {f"bad-{place}": rounds for place, rounds in enumerate(rounds_to_eject)}
    caught = sum(rounds is not None for rounds in rounds_to_eject)
    good = [f"good-{place}" for place in range(honest)]
    return Summary(
        scenario="cell",
        seed=20,
        genesis=Genesis(loss=2.3, accuracy=0.1),
        rounds=tuple(
            RoundSummary(
                round=number,
                global_loss=1.0,
                global_accuracy=accuracy,
                scores=dict.fromkeys([*good, *bad], 0.1),
                tokens=dict.fromkeys([*good, *bad], str(tokens * _TOKEN)),
                ejected=tuple(name for name, rounds in bad.items() if rounds == number),
                gas={"trainer": 5},
            )
            for number in (1, 2, 3)
        ),
        final=Final(loss=1.0, accuracy=accuracy, cid="bafkreiexample"),
        participants={
            name: Participant(
                role="trainer",
                behaviour="honest" if name in good else "zero",
                address="0x" + "ab" * 20,
                ejected_round=bad.get(name),
            )
            for name in [*good, *bad]
        },
        tokens=TokenTotals(budget="0", paid="0", returned="0"),
        detection=Detection(
            precision=caught / (caught + wronged) if caught + wronged else None,
            recall=caught / len(bad) if bad else None,
            f1=2 * caught / (len(bad) + caught + wronged) if bad else None,
            false_ejection_rate=wronged / honest,
            adversaries=len(bad),
            honest=honest,
            ejected_adversaries=caught,
            ejected_honest=wronged,
            first_misbehaviour=dict.fromkeys(bad, 1),
            rounds_to_eject=bad,
            reward_share=share,
            relative_pay=share,
            honest_return=str(3 * _TOKEN),
            return_on_misbehaviour=dict.fromkeys(bad, str(-2 * _TOKEN)),
            liveness=Liveness(rounds_planned=3, rounds_finalised=3),
        ),
        timings=Timings(total_s=1.0),
        gas=GasTotals(total=1, per_trainer_round=1.0),
        events=EventCounts(delivered=1, retracted=0),
    )


def _outcome(attack, *, failed=False, reference=None, seed=20, labels=None, **told):
    own = _labels(attack, seed=seed, **(labels or {}))
    scenario = Scenario(
        name="cell",
        seed=seed,
        description=own.name,
        task=Task(rounds=3, network=NamedEntry(name="mlp")),
        data=Data(dataset=NamedEntry(name="synthetic")),
        population=Population(
            evaluators=(Evaluator(name="alice"),), trainers=(Trainers(name="good", count=3),)
        ),
    )
    summary = None if failed else _summary(**{"honest": 7, "rounds_to_eject": (), "accuracy": 0.9, **told})
    result = CellResult(
        code="code",
        cell=own.name,
        wall_s=2.0,
        summary=summary,
        sentence="It broke." if failed else None,
        misbehaved={} if summary is None else dict.fromkeys(summary.detection.first_misbehaviour, (1, 2)),
    )
    against = None if reference is None else _labels(reference, seed=seed, **(labels or {}))
    return Outcome(cell=Cell(labels=own, scenario=scenario, reference=against), result=result)


@pytest.fixture
def swept():
    """``swept(attack, rounds_to_eject=…, accuracy=…, …)``: a cell of a sweep with what it came to."""
    return _outcome
