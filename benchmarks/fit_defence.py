# SPDX-License-Identifier: Apache-2.0
"""Fits the weights of the defence's evidence on runs with known adversaries, and says what they find.

    bcfl sweep scenarios/sweeps/fitting.yaml --out runs/fitting --keep-runs
    python -m benchmarks.fit_defence runs/fitting

Ridge logistic regression of "misbehaved in this round" on the nine regressors of ``models/defences/evidence.py``; every
attack and every split counts alike, adversaries as much as the honest. Then, for all attacks and with each left out in
turn: whom the running sum would have suspended.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import yaml

from bcfl.models.defences.evidence import FEATURES, REGRESSORS, EvidenceWeights, Features, regressors
from bcfl.models.defences.reputation import Clerk

RIDGE = 1.0
SHIFT = 0.5
"""Taken off the bias, so that an honest member's sum falls on average by more than chance lifts it."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One update of one round."""

    run: str
    attack: str
    split: str
    round: int
    trainer: str
    adversary: bool
    misbehaved: bool
    regressors: np.ndarray


@dataclasses.dataclass(frozen=True)
class Round:
    """One round of one run: its rows, and the numbers they come from."""

    rows: tuple[Row, ...]
    features: Features


def read(run: Path) -> list[Round]:
    """The rounds of a kept run."""
    scenario = yaml.safe_load((run / "scenario.yaml").read_text())
    partition = scenario["data"]["partition"]
    split = f"{partition['name']} {partition.get('alpha', '')}".strip()
    attack = "none"
    for entry in scenario["population"]["trainers"]:
        behaviour = entry.get("behaviour", "honest")
        name = behaviour if isinstance(behaviour, str) else behaviour["name"]
        attack = name if name != "honest" else attack
    names, accounts, bad, scored = {}, {}, {}, []
    with (run / "events.jsonl").open() as lines:
        for record in map(json.loads, lines):
            match record["event"]:
                case "run_started":
                    accounts = {who["address"]: name for name, who in record["participants"].items()}
                case "TrainerJoined":
                    names[str(record["index"])] = accounts[record["account"]]
                case "misbehaving":
                    bad.setdefault(record["source"], set()).add(record["round"])
                case "scored":
                    scored.append(record)
    rounds = []
    for record in scored:
        told = {names[i]: found for i, found in record["evidence"].items() if "evidence" in found}
        if not told:
            continue
        features = Features(**{name: np.array([found[name] for found in told.values()]) for name in FEATURES})
        rows = tuple(
            Row(
                run.name,
                attack,
                split,
                record["round"],
                name,
                name in bad,
                record["round"] in bad.get(name, ()),
                row,
            )
            for name, row in zip(told, regressors(features), strict=True)
        )
        rounds.append(Round(rows, features))
    return rounds


def fit(rounds: list[Round], *, without: str | None = None) -> EvidenceWeights:
    """Weights from all rows but the adversaries of one attack."""
    rows = [row for one in rounds for row in one.rows if not (row.misbehaved and row.attack == without)]
    groups = [(row.attack if row.misbehaved else "honest", row.split) for row in rows]
    labels = np.array([row.misbehaved for row in rows], dtype=float)
    count: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        count[group] += 1
    weight = np.array([1 / count[group] for group in groups])
    for label in (0, 1):
        weight[labels == label] *= len(rows) / 2 / weight[labels == label].sum()
    design = np.column_stack([np.ones(len(rows)), np.array([row.regressors for row in rows])])
    ridge = RIDGE * np.eye(design.shape[1])
    ridge[0, 0] = 0
    beta = np.zeros(design.shape[1])
    for _ in range(60):  # Newton's method
        chance = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weight * (chance - labels)) + ridge @ beta
        curvature = (design * (weight * chance * (1 - chance))[:, None]).T @ design + ridge
        beta -= np.linalg.solve(curvature, gradient)
    named = dict(zip(REGRESSORS, map(float, beta[1:]), strict=True))
    return EvidenceWeights(bias=float(beta[0]) - SHIFT, **named)


def suspended(rounds: list[Round], weights: EvidenceWeights) -> dict[tuple[str, str], int | None]:
    """The round in which each trainer's sum would have passed the threshold, by run and trainer."""
    sums: dict[tuple[str, str], float] = defaultdict(float)
    when: dict[tuple[str, str], int | None] = {}
    for one in sorted(rounds, key=lambda one: one.rows[0].round):
        for row, amount in zip(one.rows, weights.evidence(one.features), strict=True):
            key = (row.run, row.trainer)
            sums[key] = max(0.0, sums[key] + float(amount))
            when.setdefault(key, None)
            if when[key] is None and sums[key] > Clerk().condemn:
                when[key] = row.round
    return when


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("sweep", type=Path, help="directory of 'bcfl sweep ... --keep-runs'")
    directory = parser.parse_args().sweep
    rounds = [one for run in sorted((directory / "runs").iterdir()) for one in read(run)]
    weights = fit(rounds)
    print(f"{sum(len(one.rows) for one in rounds):,} updates\n")
    for name in ("bias", *REGRESSORS):
        print(f"  {name:20} {getattr(weights, name):7.2f}   in use {getattr(EvidenceWeights(), name):7.2f}")
    kinds = {(row.run, row.trainer): row for one in rounds for row in one.rows}
    attacks = sorted({row.attack for row in kinds.values() if row.adversary})
    print("\nattack         found  median round   found by weights fitted without it   honest suspended")
    for attack in attacks:
        own = [key for key, row in kinds.items() if row.adversary and row.attack == attack]
        found = [when for key, when in suspended(rounds, weights).items() if key in own and when]
        blind = suspended(rounds, fit(rounds, without=attack))
        wrong = sum(when is not None for key, when in blind.items() if not kinds[key].adversary)
        again = sum(blind[key] is not None for key in own)
        median = f"{np.median(found):.0f}" if found else "–"
        print(f"{attack:14} {len(found)}/{len(own):<4} {median:>8} {again:>22}/{len(own)} {wrong:>28}")
    wrong = sum(
        when is not None for key, when in suspended(rounds, weights).items() if not kinds[key].adversary
    )
    print(f"\nhonest suspended: {wrong} of {sum(not row.adversary for row in kinds.values())}")


if __name__ == "__main__":
    main()
