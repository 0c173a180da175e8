# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.scenarios.schema import Data, Evaluator, NamedEntry, Population, Scenario, Task, Trainers
from bcfl.scenarios.summary import (
    Detection,
    EventCounts,
    Final,
    GasTotals,
    Genesis,
    Participant,
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
