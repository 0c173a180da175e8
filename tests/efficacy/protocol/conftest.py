# SPDX-License-Identifier: Apache-2.0
"""Plays small real scenarios: contracts on a devnet, the pump, real training on made-up images."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from bcfl import registry
from bcfl.agents.audit.finding import AuditResult
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState
from bcfl.models.defences.defence import DefenceRound, Fault, Memory, Verdict
from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import Results, results_of
from bcfl.scenarios.outcome.summary import RoundSummary, Summary
from bcfl.scenarios.running.runner import run


class Played:
    """What became of a scenario."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        opened = RunDirectory.open(directory)
        self.summary: Summary = opened.summary()
        self.records: list[dict[str, Any]] = list(opened.events())
        self.results: Results = results_of(self.records)
        self.state: TaskState = self.results.state

    @property
    def rounds(self) -> tuple[RoundSummary, ...]:
        return self.summary.rounds

    @property
    def finalised(self) -> int:
        """Rounds that have their model."""
        return sum(record.finalized for record in self.state.rounds.values())

    @property
    def improved(self) -> bool:
        """Whether the model became better than the one it began with."""
        return self.summary.final.loss < self.summary.genesis.loss

    def index(self, name: str) -> int:
        account = self.summary.participants[name].address
        return self.state.index_of[account]

    def member(self, name: str) -> Any:
        return self.state.members[self.index(name)]

    def tokens(self, *names: str) -> int:
        """What these earned, in base units."""
        return sum(int(self.summary.participants[name].tokens) for name in names)

    def share(self, *names: str) -> float:
        """Their part of all that was paid, 0 to 1."""
        return self.tokens(*names) / int(self.summary.tokens.paid)

    def rejections(self, name: str) -> set[str]:
        """Reasons for which its updates were not scored."""
        return {round_.rejected[name] for round_ in self.rounds if name in round_.rejected}

    def lasted(self, phase: Phase, number: int = 1) -> int:
        """Seconds of chain time that a phase of a round took."""
        begins = [r for r in self.records if r["event"] in {"RoundStarted", "PhaseStarted"}]
        began = next(
            r["time"]
            for r in begins
            if r["round"] == number and r.get("phase", Phase.TRAINING) in {phase, int(phase)}
        )
        return next(r["time"] for r in begins if r["time"] > began) - began

    def sent(self, name: str, action: str, status: str = "included") -> int:
        """How many of its transactions of that name ended so."""
        return sum(
            record["event"] == "transaction"
            and record["source"] == name
            and record["action"].startswith(action)
            and record["status"] == status
            for record in self.records
        )

    def audit(self) -> AuditResult:
        """By whoever has the validation set."""
        return anyio.run(audit, self.path)


def _trainers(names: str, **options: Any) -> list[dict[str, Any]]:
    return [{"name": name, **options} for name in names.split()]


@pytest.fixture(scope="session")
def honest() -> Callable[..., list[dict[str, Any]]]:
    """``honest("bob charlie", share=1)``: entries of a population."""
    return _trainers


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Played]:
    """``play(trainers, rounds=, evaluators=, partition=, **task)``: run it to the end."""

    def launch(
        trainers: list[dict[str, Any]],
        *,
        rounds: int = 2,
        evaluators: tuple[dict[str, Any], ...] = ({"name": "alice"},),
        partition: str = "equal",
        seed: int = 1,
        **task: Any,
    ) -> Played:
        scenario = from_mapping(
            {
                "name": "efficacy",
                "seed": seed,
                "task": {
                    "rounds": rounds,
                    "network": {"name": "mlp", "hidden": 16},
                    "training": {"batch_size": 20},
                    "defence": "none",  # what the protocol does by itself
                    **task,
                },
                "data": {
                    "dataset": {"name": "synthetic", "samples": 600, "test_samples": 200},
                    "partition": partition,
                },
                "population": {"evaluators": list(evaluators), "trainers": trainers},
                "storage": {"kind": "directory"},
                "compute": {"executor": "threads", "workers": 1},
            }
        )
        out = tmp_path_factory.mktemp("efficacy") / "run"

        async def play_out() -> None:
            await run(scenario, out=out)

        anyio.run(play_out)
        return Played(out)

    return launch


@pytest.fixture(scope="session")
def confer(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Played]:
    """``confer(members, rounds=, samples=, **task)``: a consortium to the end; judges look at 30 % of their data."""

    def launch(
        members: list[dict[str, Any]], *, rounds: int = 2, samples: int = 1500, seed: int = 1, **task: Any
    ) -> Played:
        scenario = from_mapping(
            {
                "name": "consortium",
                "seed": seed,
                "task": {
                    "kind": "consortium",
                    "rounds": rounds,
                    "network": {"name": "mlp", "hidden": 16},
                    "training": {"batch_size": 20, "learning_rate": 0.02},
                    "score": {"name": "shapley", "value": "balanced_probability"},
                    "reward": {"mode": "round_budget", "per_round": "10", "budget": str(12 * rounds)},
                    **task,
                },
                "data": {
                    "dataset": {"name": "synthetic", "samples": samples, "test_samples": 200},
                    "validation": {"share": 0.3},
                },
                "population": {"trainers": members},
                "storage": {"kind": "directory"},
                "compute": {"executor": "threads", "workers": 1},
            }
        )
        out = tmp_path_factory.mktemp("consortium") / "run"

        async def play_out() -> None:
            await run(scenario, out=out)

        anyio.run(play_out)
        return Played(out)

    return launch


SEEDS = range(1, 6)
_STUDENT_95 = 2.776  # four degrees of freedom, two-sided


@pytest.fixture(scope="session")
def lower_bound() -> Callable[[Callable[[int], float]], float]:
    """``lower_bound(measure)``: of the mean of ``measure(seed)`` over five seeds, the lower end of its 95 % interval."""

    def bound(measure: Callable[[int], float]) -> float:
        values: Sequence[float] = [measure(seed) for seed in SEEDS]
        return statistics.mean(values) - _STUDENT_95 * statistics.stdev(values) / math.sqrt(len(values))

    return bound


@pytest.fixture
def outcast(registered) -> str:
    """A filter that finds everybody from index 4 on after one round; of what it can find it says nothing."""

    @registry.register("defence", "outcast")
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Outcast:
        async def judge(self, made: DefenceRound, memory: Memory, laboratory: Any) -> Verdict:
            return Verdict(
                models=(models := {member.index: member.model for member in made.members}),
                scored=models,
                factors={},
                evidence={},
                rejected={},
                suspend={m.index: (2, Fault.HARMFUL) for m in made.members if m.index >= 4},
                eject={index: Fault.HARMFUL for index in made.suspended if index >= 4},
                memory=memory,
            )

    return "outcast"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    registry.kinds()  # so that plugins are loaded before the copy
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
