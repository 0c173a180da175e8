# SPDX-License-Identifier: Apache-2.0
"""The consortium's experiments: published flips, dishonest judges up to and above what is tolerated, and their tables.

    python -m benchmarks.consortium [flips|judges ...] [--out runs/consortium] [--seeds 5] [--jobs 2]

Every cell is a whole run with real contracts; finished ones are kept in --out and not repeated. The tables, in Markdown,
go to standard output: ``docs/results/consortium.md`` holds them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
HIDDEN = 1000
"""Test images on which contributions are measured exactly; no member has them."""

PUBLISHED = {  # shares of all tokens, from 2CP's published consortium runs with Shapley values
    "graded-strong": (0.092, 0.326, 0.326, 0.210, 0.047),
    "graded-mild": (0.172, 0.227, 0.249, 0.199, 0.153),
    "one-10": (None, None, 0.352),
    "one-20": (None, None, 0.378),
    "one-30": (None, None, 0.377),
    "one-40": (None, None, 0.329),
    "one-50": (None, None, 0.245),
}

JUDGES: dict[str, dict[str, Any]] = {
    "honest": {},
    "bias": {"judge": {"name": "bias", "bonus": 0.1}, "group": "ring"},
    "self_dealer": {"judge": "self_dealer", "group": "ring"},
    "self_dealer, alone": {"judge": "self_dealer"},
    "inverter": {"judge": "inverter"},
    "random_scores": {"judge": "random_scores"},
    "uniform": {"judge": "uniform"},
    "uniform, probe run": {"judge": {"name": "uniform", "probe": True}},
    "copycat": {"judge": "copycat"},
    "copycat, probe run": {"judge": {"name": "copycat", "probe": True}},
    "withholder": {"judge": "withholder"},
    "equivocator": {"judge": "equivocator"},
}


CAPTURE = ("bias", "self_dealer", "inverter", "random_scores", "equivocator")
"""Those who are also tried with one more than is tolerated."""

ROUNDS = "task.rounds=4"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run: a scenario file with changes, under a seed."""

    name: str
    file: str
    seed: int
    overrides: tuple[str, ...] = ()
    hidden: bool = False
    """Whether exact Shapley values on hidden data are wanted."""

    @property
    def key(self) -> str:
        return f"{self.name.replace(', ', '-').replace(' ', '_').replace('/', '-')}-{self.seed}"


def flips(seeds: int) -> Iterator[Cell]:
    """Every file of the flips, by the default value of the game and by the mean loss of the published runs."""
    for path in sorted((SCENARIOS / "consortium-flips").glob("*.yaml")):
        for seed in range(1, seeds + 1):
            yield Cell(name=f"{path.stem}/balanced_probability", file=str(path), seed=seed)
            if path.stem.endswith("-of-five"):
                continue
            yield Cell(
                name=f"{path.stem}/loss",
                file=str(path),
                seed=seed,
                overrides=("task.score={name: shapley, value: loss}",),
            )


def judges(seeds: int) -> Iterator[Cell]:
    """Six and ten members of graded quality; the last ones judge dishonestly: none, as many as tolerated, one more."""
    for file, members in (
        ("consortium-mnist/six-members.yaml", 6),
        ("consortium-mnist/ten-members.yaml", 10),
    ):
        tolerated = (members - 2) // 2
        for judge, keys in JUDGES.items():
            counts = (tolerated, tolerated + 1) if judge in CAPTURE else (tolerated,)
            for count in (0,) if judge == "honest" else counts:
                for seed in range(1, seeds + 1):
                    # Every second from the best: neither all the best nor all the worst.
                    chosen = [2 * place for place in range(count)]
                    changes = tuple(
                        f"population.trainers.{place}.{key}={json.dumps(value)}"
                        for place in chosen
                        for key, value in keys.items()
                    )
                    yield Cell(
                        name=f"{members}/{judge}/{count}",
                        file=str(SCENARIOS / file),
                        seed=seed,
                        overrides=(ROUNDS, *changes),
                        hidden=True,
                    )


def perform(cell: Cell) -> dict[str, Any]:
    """Run a cell; what the tables need of it."""
    import torch

    from bcfl.scenarios import load, run

    torch.set_num_threads(1)
    scenario = load(cell.file, [*cell.overrides, "compute.executor=threads", "compute.workers=1"], cell.seed)

    async def work(out: Path) -> dict[str, Any]:
        result = await run(scenario, out=out)
        summary = json.loads((out / "summary.json").read_text())
        found = {
            "names": list(scenario.trainer_names),
            "accuracy": result.summary.final.accuracy,
            "members": summary["members"],
            "rounds": [record["scores"] for record in summary["rounds"]],
            "status": summary["status"],
            "wall_s": summary["timings"]["total_s"],
        }
        if cell.hidden:
            found["hidden"] = await hidden_contributions(scenario, out)
        return found

    with tempfile.TemporaryDirectory() as scratch:
        return anyio.run(work, Path(scratch) / "run")


async def hidden_contributions(scenario: Any, out: Path) -> list[float]:
    """Exact Shapley values of all rounds' updates on test samples that nobody has, by member in the file's order."""
    from bcfl import registry
    from bcfl.agents.common.gathering import gather
    from bcfl.agents.common.retrieval import Retrieval, schema_of
    from bcfl.models.aggregation.weights import proportions
    from bcfl.models.scoring.game import ScoringRound
    from bcfl.models.training.engine import Engine
    from bcfl.scenarios.directory.run_directory import RunDirectory
    from bcfl.scenarios.outcome.results import results_of
    from bcfl.storage.opening import open_store

    directory = RunDirectory.open(out)
    results = results_of(directory.events())
    state = results.state
    dataset = scenario.data.dataset.create("dataset").load(None)
    hidden = dataset.test.select(np.arange(min(HIDDEN, len(dataset.test))))
    totals = dict.fromkeys(scenario.trainer_names, 0.0)
    async with (
        open_store("directory", str(directory.blobs)) as store,
        Engine.start(executor="threads", workers=1, device="cpu") as engine,
    ):
        engine.add_samples("hidden", hidden)
        retrieval = Retrieval(store)
        specification = await retrieval.specification(state.config.specification)
        network = registry.create("network", specification.network.name, specification.network.parameters)
        size = state.config.max_update_size
        score = registry.create("score", "shapley", {"value": "balanced_probability"})
        for record in state.rounds.values():
            found = await gather(
                retrieval, specification, {i: record.updates[i] for i in record.targets}, max_bytes=size
            )
            start = await retrieval.model(record.start_model, schema_of(specification), max_bytes=size)
            members = sorted(found.models)
            values = await score.scores(
                ScoringRound(
                    network=network,
                    start=start,
                    updates=tuple(found.models[index] for index in members),
                    weights=proportions([found.samples[index] for index in members]),
                    samples_key="hidden",
                ),
                engine,
            )
            for index, value in zip(members, values, strict=True):
                totals[results.names[state.members[index].account]] += value
    return list(totals.values())


def spearman(one: list[float], other: list[float]) -> float:
    """The correlation of ranks; ties share the mean of theirs."""
    ranks = [
        np.array([(np.sum(x < v) + np.sum(x <= v) - 1) / 2 for v in x]) for x in map(np.array, (one, other))
    ]
    return float(np.corrcoef(*ranks)[0, 1])


def shares(found: dict[str, Any], what: str = "training_tokens") -> np.ndarray:
    """Each member's part of what all were credited, in the file's order."""
    tokens = np.array([float(found["members"][name][what]) for name in found["names"]])
    return tokens / tokens.sum() if tokens.sum() else tokens


def flips_table(found: dict[Cell, dict[str, Any]]) -> Iterator[str]:
    """Token shares beside the published ones."""
    yield (
        "| setting | value of the game | % of the tokens, from the cleanest to the most flipped: mean (least–most over seeds) | "
        "strictly falling, of seeds | the most flipped earns least, of seeds | published |"
    )
    yield "|---|---|---|---:|---:|---|"
    for name in sorted({cell.name for cell in found}):
        cells = np.array([shares(done) for cell, done in found.items() if cell.name == name])
        mean, low, high = cells.mean(axis=0), cells.min(axis=0), cells.max(axis=0)
        told = " · ".join(
            f"{100 * m:.1f} ({100 * a:.0f}–{100 * b:.0f})" for m, a, b in zip(mean, low, high, strict=True)
        )
        setting, value = name.split("/")
        graded = setting.startswith("graded")
        falling = sum(bool((np.diff(row) < 0).all()) for row in cells)
        least = sum(row[-1] < row[:-1].min() for row in cells)
        published = (
            " · ".join("–" if x is None else f"{100 * x:.1f}" for x in PUBLISHED.get(setting, ())) or "–"
        )
        yield (
            f"| {setting} | {value} | {told} | {f'{falling} of {len(cells)}' if graded else '–'} | "
            f"{least} of {len(cells)} | {published} |"
        )


def judges_table(found: dict[Cell, dict[str, Any]]) -> Iterator[str]:
    """What dishonest judges change and earn."""
    yield (
        "| members | judges | dishonest | Spearman with hidden Shapley, mean (least) | of the honest run | "
        "dishonest members' tokens against the honest run | their pay for judging, of an honest one's | accuracy |"
    )
    yield "|---:|---|---:|---:|---:|---:|---:|---:|"
    base: dict[tuple[str, int], dict[str, Any]] = {
        (cell.name.split("/")[0], cell.seed): done
        for cell, done in found.items()
        if cell.name.split("/")[1] == "honest"
    }
    for name in dict.fromkeys(cell.name for cell in found):
        members, judge, count = name.split("/")
        chosen = [2 * place for place in range(int(count))]
        honest = [place for place in range(int(members)) if place not in chosen]
        rows = []
        for cell, done in found.items():
            if cell.name != name or (members, cell.seed) not in base:
                continue
            before = base[members, cell.seed]
            settled = [sum(record.get(who, 0.0) for record in done["rounds"]) for who in done["names"]]
            calm = [sum(record.get(who, 0.0) for record in before["rounds"]) for who in before["names"]]
            pay = np.array([float(done["members"][who]["judging_tokens"]) for who in done["names"]])
            rows.append(
                (
                    spearman(settled, done["hidden"]),
                    spearman(calm, before["hidden"]),
                    shares(done)[chosen].sum() / shares(before)[chosen].sum() if chosen else np.nan,
                    pay[chosen].mean() / pay[honest].mean() if chosen and pay[honest].mean() else np.nan,
                    done["accuracy"],
                )
            )
        table = np.array(rows)
        against = table[:, 0].mean() / table[:, 1].mean()
        gain, pay_part = table[:, 2].mean(), table[:, 3].mean()
        yield (
            f"| {members} | {judge} | {count} | {table[:, 0].mean():.3f} ({table[:, 0].min():.3f}) | {against:.3f} | "
            f"{'–' if np.isnan(gain) else f'{100 * (gain - 1):+.1f} %'} | "
            f"{'–' if np.isnan(pay_part) else f'{100 * pay_part:.1f} %'} | {table[:, 4].mean():.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", nargs="*", choices=["flips", "judges", []], default=[])
    parser.add_argument("--out", type=Path, default=Path("runs/consortium"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    plans = {"flips": (flips, flips_table), "judges": (judges, judges_table)}
    for what in arguments.what or plans:
        plan, table = plans[what]
        cells = list(plan(arguments.seeds))
        missing = [cell for cell in cells if not (arguments.out / f"{cell.key}.json").exists()]
        with ProcessPoolExecutor(arguments.jobs) as pool:
            pending = {pool.submit(perform, cell): cell for cell in missing}
            for number, done in enumerate(as_completed(pending), start=1):
                cell = pending[done]
                (arguments.out / f"{cell.key}.json").write_text(json.dumps(done.result()))
                print(f"{number}/{len(missing)}  {cell.key}", file=sys.stderr, flush=True)
        found = {cell: json.loads((arguments.out / f"{cell.key}.json").read_text()) for cell in cells}
        print("\n".join(table(found)), end="\n\n")


if __name__ == "__main__":
    main()
