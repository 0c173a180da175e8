# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bcfl.cli.app import main
from bcfl.scenarios.outcome.summary import (
    EventCounts,
    Final,
    GasTotals,
    Genesis,
    RoundSummary,
    Summary,
    Timings,
    TokenTotals,
)


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys) -> Callable[..., Outcome]:
    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as exited:
            main(arguments)
        captured = capsys.readouterr()
        return Outcome(exited.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def a_summary():
    """Makes the summary of a run of a scenario."""

    def make(scenario) -> Summary:
        return Summary(
            scenario=scenario.name,
            seed=scenario.seed,
            genesis=Genesis(loss=2.3, accuracy=0.1),
            rounds=(RoundSummary(round=1, global_loss=0.5, global_accuracy=0.9),),
            final=Final(loss=0.5, accuracy=0.9, cid="bafy"),
            participants={},
            tokens=TokenTotals(budget="3", paid="1", returned="2"),
            timings=Timings(total_s=1.0),
            gas=GasTotals(total=1, per_trainer_round=1.0),
            events=EventCounts(delivered=1, retracted=0),
        )

    return make
