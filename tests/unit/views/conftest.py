# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.event_codec import event_to_json
from bcfl.contracts.fold import first_state
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind, Phase
from bcfl.scenarios.definition.schema import (
    Data,
    Evaluator,
    NamedEntry,
    Population,
    Reward,
    Scenario,
    Task,
    Trainers,
)
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import Results
from bcfl.scenarios.outcome.summary import (
    Detection,
    EventCounts,
    Final,
    GasTotals,
    Genesis,
    MemberSummary,
    Participant,
    Performance,
    RoundAgreement,
    RoundSummary,
    Summary,
    Suspension,
    Timings,
    TokenTotals,
)

TOKEN = 10**18


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(
        name="small",
        description="two <b>trainers</b> & an evaluator",
        seed=7,
        task=Task(rounds=2, network=NamedEntry(name="mnist_cnn")),
        data=Data(dataset=NamedEntry(name="mnist")),
        population=Population(
            evaluators=(Evaluator(name="alice"),), trainers=(Trainers(name="bob"), Trainers(name="charlie"))
        ),
    )


@pytest.fixture
def summary() -> Summary:
    def a_round(number: int, loss: float, bob: int, charlie: int) -> RoundSummary:
        return RoundSummary(
            round=number,
            global_loss=loss,
            global_accuracy=1 - loss / 4,
            local_loss={"bob": loss * 0.9, "charlie": loss * 0.8},
            validation_loss={"bob": loss * 1.1, "charlie": loss * 1.2},
            scores={"bob": bob / 10, "charlie": charlie / 10},
            tokens={"bob": str(bob * TOKEN // 10), "charlie": str(charlie * TOKEN // 10)},
            gas={"trainer": 190_000, "evaluator": 60_000},
        )

    return Summary(
        scenario="small",
        seed=7,
        genesis=Genesis(loss=2.3, accuracy=0.1),
        rounds=(a_round(1, 0.5, 12, 6), a_round(2, 0.2, 2, 1)),
        final=Final(loss=0.2, accuracy=0.95, cid="bafkreiexample"),
        participants={
            "alice": Participant(role="evaluator", address="0x" + "aa" * 20),
            "bob": Participant(role="trainer", address="0x" + "bb" * 20, tokens=str(14 * TOKEN // 10)),
            "charlie": Participant(role="trainer", address="0x" + "cc" * 20, tokens=str(7 * TOKEN // 10)),
        },
        tokens=TokenTotals(
            budget=str(100 * TOKEN), paid=str(21 * TOKEN // 10), returned=str(979 * TOKEN // 10)
        ),
        timings=Timings(total_s=3.25, training_s=2.0, scoring_s=0.5, chain_s=0.4, storage_s=0.1),
        gas=GasTotals(total=500_000, per_trainer_round=125_000.0),
        events=EventCounts(delivered=42, retracted=0),
    )


@pytest.fixture
def judged(summary: Summary) -> Summary:
    """bob misbehaved in both rounds and was suspended, then thrown out; charlie was honest and stayed."""
    people = dict(summary.participants)
    people["bob"] = people["bob"].model_copy(
        update={
            "behaviour": "sign_flip",
            "tokens": "0",
            "suspensions": (Suspension(round=1, until_round=6, reason="harmful"),),
            "ejected_round": 2,
            "ejected_reason": "harmful",
        }
    )
    first, second = summary.rounds
    return summary.model_copy(
        update={
            "participants": people,
            "rounds": (
                first.model_copy(update={"suspended": ("bob",), "reasons": {"bob": "harmful"}}),
                second.model_copy(
                    update={
                        "ejected": ("bob",),
                        "reasons": {"bob": "harmful"},
                        "scores": {"charlie": 0.1},
                        "tokens": {"charlie": str(TOKEN)},
                    }
                ),
            ),
            "detection": Detection(
                precision=1.0,
                recall=1.0,
                f1=1.0,
                false_ejection_rate=0.0,
                adversaries=1,
                honest=1,
                ejected_adversaries=1,
                ejected_honest=0,
                first_misbehaviour={"bob": 1},
                rounds_to_eject={"bob": 2},
                reward_share=0.125,
                relative_pay=0.25,
            ),
        }
    )


# --- a consortium ---------------------------------------------------------------------------------------------


def performance(right, samples, auroc=0.8, loss=0.5):
    """A model that gets so many of the samples right."""
    return Performance(accuracy=right / samples, auroc=auroc, loss=loss, samples=samples)


@pytest.fixture
def member():
    """``member(alone, together, of)``: a hospital that was tested on so many patients of its own."""

    def make(alone=74, together=78, of=100, **changes):
        fields = {
            "training_tokens": str(30 * TOKEN),
            "judging_tokens": str(3 * TOKEN),
            "contribution": 0.25,
            "samples": 80,
            "held_out": 20,
            "own_test": True,
            "alone": performance(alone, of, auroc=0.67),
            "federated": performance(together, of, auroc=0.66),
        }
        return MemberSummary(**{**fields, **changes})

    return make


@pytest.fixture
def hospitals() -> Scenario:
    return Scenario(
        name="clinics",
        description="four <i>hospitals</i>",
        task=Task(
            kind="consortium",
            rounds=3,
            network=NamedEntry(name="tabular"),
            reward=Reward(mode="round_budget", per_round="900", budget="10000"),
        ),
        data=Data(dataset=NamedEntry(name="heart_disease")),
        population=Population(trainers=tuple(Trainers(name=name) for name in ("Ann", "Ben", "Cat", "Dora"))),
    )


@pytest.fixture
def consortium(summary, member):
    """``consortium(n)``: what a run of two rounds with n members came to."""

    def make(count=4, **changes):
        names = [f"m-{number}" for number in range(count)]
        share = 1 / count
        rounds = tuple(
            RoundSummary(
                round=number,
                global_loss=0.5,
                global_accuracy=0.8,
                scores=dict.fromkeys(names, share),
                tokens=dict.fromkeys(names, str(TOKEN)),
                gas={"member": 300_000},
                agreement=RoundAgreement(
                    settled=True,
                    evaluation_tokens=dict.fromkeys(names, str(TOKEN // 4)),
                    judged_loss={name: 0.4 + 0.2 * (name == "m-0") for name in names},
                    judged_accuracy=dict.fromkeys(names, 0.75),
                    votes=dict.fromkeys(names, "bafkreiexample"),
                    model="bafkreiexample",
                    weights=dict.fromkeys(names, 10),
                ),
            )
            for number in (1, 2)
        )
        tokens = str(33 * TOKEN)
        people = {name: Participant(role="member", address="0x00", tokens=tokens) for name in names}
        members = {name: member(contribution=share) for name in names}
        return summary.model_copy(
            update={"rounds": rounds, "participants": people, "members": members, **changes}
        )

    return make


_NAMES = ("Ann", "Ben", "Cat", "Dora")
_PROBE, _OTHER = b"p" * 32, b"q" * 32
_CREDITS = 10**9


@pytest.fixture
def told(story):
    """The events of three rounds of a consortium of four, until it is completed.

    In the first round Cat has another probe and Dora does not open her scores, in the second only Ann judges, in the third
    Ben is far from the others and voted out.
    """
    tale = story(
        kind=Kind.CONSORTIUM,
        evaluators=4,
        capacity=4,
        rate=0,
        round_budget=900 * _CREDITS,
        evaluation_pool=400 * _CREDITS,
        tolerance=_CREDITS // 2,
    )
    tale.created = dataclasses.replace(tale.created, budget=10_000 * _CREDITS)
    tale.state = first_state(tale.created)
    happened = [tale.created]
    made = tale.event
    tale.event = lambda kind, **fields: happened.append(made(kind, **fields)) or happened[-1]
    tale.enrol(4)
    judgements = [
        {0: (6, 3, 1), 1: (5, 3, 1), 2: (5, 6, 1)},
        {},
        {0: (6, 3, 1), 1: (0, 0, 9), 2: (5, 6, 1), 3: (5, 6, 3)},
    ]
    for number, opened in enumerate(judgements, start=1):
        tale.start(number).commit(0, 1, 2, 3).phase(Phase.REVEAL)
        for index in range(4):
            tale.submit(index, f"update {number} {index}")
        tale.phase(Phase.EVALUATION)
        for index in (0,) if number == 2 else range(4):
            tale.opine(index)
        if not opened:
            tale.settle(900 * _CREDITS).phase(Phase.AGGREGATION)
        else:
            _settle(tale, number, opened)
        for index in (0, 1, 2):
            tale.vote_model(index, f"model {number}")
        if number == 3:
            tale.tell(
                e.MemberProposed, proposal=1, account=tale.state.members[1].account, admit=False, proposer=0
            )
            for index in (0, 2, 3):
                tale.tell(e.MemberVoted, proposal=1, index=index, passed=index == 3)
            tale.tell(e.TrainerEjected, round=3, index=1, reason=7, evidence=bytes(32), forfeited=0)
        tale.finalise(f"model {number}")
    tale.tell(e.TaskCompleted)
    for index, owed in tale.state.members.items():
        tale.tell(e.RewardWithdrawn, index=index, amount=owed.earned)
    return happened


def _settle(tale, number, opened):
    tale.phase(Phase.SCORE_REVEAL)
    for index, scores in opened.items():
        tale.open_scores(index, scores, probe=_OTHER if (number, index) == (1, 2) else _PROBE)
    record = tale.state.current
    found = settlement.settle(record.targets, record.vectors)
    pays = settlement.evaluation_pays(
        found, record.probes, pool=400 * _CREDITS, cohort=4, tolerance=_CREDITS // 2, escrow=10**15
    )
    forfeited = [index for index in range(4) if index not in opened]
    shares = settlement.credit(list(found.scores.values()), 900 * _CREDITS)
    payout = sum(share for index, share in enumerate(shares) if index not in forfeited)
    for index in forfeited:
        tale.tell(e.BondSlashed, round=number, index=index, amount=5)
    tale.settle(payout, found.scores.values(), pays.values()).phase(Phase.AGGREGATION)


@pytest.fixture
def consortium_directory(tmp_path, hospitals, told, member) -> RunDirectory:
    """The run directory of ``told``, as a run would have left it."""
    people = {
        name: {
            "role": "member",
            "address": Address(f"0x{place:040x}"),
            "samples": 80,
            "held_out": 20,
            "judge": "copycat" if name == "Cat" else "honest",
            "flipped": 0.3 if name == "Dora" else 0.0,
        }
        for place, name in enumerate(_NAMES, start=1)
    }
    people["publisher"] = {"role": "publisher", "address": told[0].publisher}
    measured = member(alone_on_all=performance(250, 400)).model_dump()
    kept = ("own_test", "alone", "pooled", "federated", "alone_on_all")
    records = [{"event": "run_started", "source": "runner", "participants": people, "time": 0, "block": 0}]
    records += [{"source": "chain", "time": 1, "block": 1, **event_to_json(event)} for event in told]
    records.append(
        {
            "event": "models_measured",
            "source": "runner",
            "models": {str(number): {"loss": 0.5, "accuracy": 0.78} for number in range(4)},
        }
    )
    records.append(
        {
            "event": "members_measured",
            "source": "runner",
            "members": {name: {key: measured[key] for key in kept} for name in _NAMES},
        }
    )
    results = Results()
    with RunDirectory.create(hospitals, out=tmp_path / "consortium") as made:
        for record in records:
            made.append_event(record)
            results.take(record)
        summary = results.summary(scenario=hospitals.name, seed=0, timings=Timings(total_s=1.0))
        made.write_summary(summary)
    return made
