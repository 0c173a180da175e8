# SPDX-License-Identifier: Apache-2.0
"""Every judge of the catalogue before crowds of 3 to 12 honest trainers with stakes, an honest standby behind it.

    python -m benchmarks.judges_crowd [equivocator ejector ...] [--trainers 3 12] [--rounds 4]

Every row is a whole run with real contracts. The table, in Markdown, goes to standard output:

- rounds until out: rounds that its evaluations counted for before it was removed or stood down; – where it stayed
- objections: that are on chain, in all rounds, and why
- honest slashed: honest trainers who lost a stake; honest paid: those who were paid anything
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import anyio

from bcfl.contracts import events as e
from bcfl.registry import entries
from bcfl.scenarios.definition.loading import from_mapping
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import Results, results_of
from bcfl.scenarios.running.runner import run

UNAVAILABLE = "equivocator, unavailable"
PARAMETERS: dict[str, dict[str, Any]] = {UNAVAILABLE: {"name": "equivocator", "what": "unavailable"}}
COLUMNS = ("judge", "trainers", "rounds until out", "objections", "honest slashed", "honest paid", "loss")


def judges() -> tuple[str, ...]:
    return (*(entry.name for entry in entries("judge")), UNAVAILABLE)


def play(judge: str, trainers: int, rounds: int, seed: int) -> tuple[Results, float | None]:
    scenario = from_mapping(
        {
            "name": "judges",
            "seed": seed,
            "task": {
                "rounds": rounds,
                "network": {"name": "mlp", "hidden": 16},
                "training": {"learning_rate": 0.05, "batch_size": 20, "epochs": 1},
                "score": "step",
                "membership": {"stake": "10"},
                "reward": {"mode": "round_budget", "per_round": "10", "budget": str(10 * rounds)},
                "schedule": {"evaluation_s": 300},
            },
            "data": {"dataset": {"name": "synthetic", "samples": 600, "test_samples": 200}},
            "population": {
                "evaluators": [
                    {"name": "mallory", "group": "ring", "behaviour": PARAMETERS.get(judge, judge)},
                    {"name": "erin"},
                ],
                "trainers": [
                    {"name": f"bob-{n}", **({"group": "ring"} if n == 0 else {})} for n in range(trainers)
                ],
            },
            "storage": {"kind": "directory"},
            "compute": {"executor": "threads", "workers": 1},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"

        async def to_the_end() -> None:
            await run(scenario, out=out)

        anyio.run(to_the_end)
        directory = RunDirectory.open(out)
        return results_of(directory.events()), directory.summary().final.loss


def row(judge: str, trainers: int, rounds: int, seed: int) -> tuple[object, ...]:
    results, loss = play(judge, trainers, rounds, seed)
    records = list(results.state.rounds.values())
    evaluated = [record.evaluator for record in records if record.report is not None]
    stayed = evaluated[-1:] == [0]
    reasons = Counter(
        reason
        for number in range(1, len(records) + 1)
        for reason in results.round(number).objections.values()
    )
    events = results.task_events
    slashed = {event.index for event in events if isinstance(event, e.StakeSlashed)}
    return (
        judge,
        trainers,
        "–" if stayed else evaluated.count(0),
        "; ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none",
        len(slashed),
        sum(member.earned > 0 for member in results.state.members.values()),
        "–" if loss is None else f"{loss:.2f}",
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("judges", nargs="*", default=None)
    arguments.add_argument("--trainers", nargs=2, type=int, default=(3, 12), metavar=("FEWEST", "MOST"))
    arguments.add_argument("--rounds", type=int, default=4)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    fewest, most = given.trainers
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for judge in given.judges or judges():
        for trainers in range(fewest, most + 1):
            print(f"| {' | '.join(map(str, row(judge, trainers, given.rounds, given.seed)))} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
