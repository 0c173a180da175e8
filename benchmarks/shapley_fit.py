# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.shapley_fit``: approximate Shapley values against exact ones; writes ``docs/results/shapley-fit.md``.

Ten trainers train a small network on MNIST by federated averaging. Of an early and of the last round all 1,024
coalitions are evaluated, once; every score then reads its values from that table, which counts what it asks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import numpy as np

from bcfl.models.data.dataset import Dataset
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.cnn import MnistCnnSmall
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.first_order import FirstOrder
from bcfl.models.scoring.fitted import ShapleyFitted
from bcfl.models.scoring.game import Score, ScoringRound
from bcfl.models.scoring.marginal import LeaveOneOut, Step
from bcfl.models.scoring.sampled import GtgShapley, TmcShapley
from bcfl.models.scoring.shapley import Shapley, ShapleyMean
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from bcfl.registry import create
from bcfl.seeds import Seeds
from benchmarks.record import Record, percentile, write

_ROOT = Path(__file__).resolve().parents[1]
_DOCUMENT = _ROOT / "docs" / "results" / "shapley-fit.md"

_NETWORK = MnistCnnSmall()
_TRAINERS = 10
_TRAINING_SAMPLES = 2000
_ROUNDS = 6
_HYPERPARAMETERS = Hyperparameters(learning_rate=0.05, momentum=0.9, batch_size=16, epochs=1)
_FLIPPERS = 3
_THRESHOLD = 0.01
_SPLITS = {
    "iid": ("equal", {}),
    "Dirichlet 0.5": ("dirichlet", {"alpha": 0.5, "min_size": 10}),
    "Dirichlet 0.1": ("dirichlet", {"alpha": 0.1, "min_size": 10}),
}


def _scores(game: str, value: str) -> dict[str, Score]:
    """What is compared with exact values; GTG without its round truncation, which would pay nobody."""
    shared = {"game": game, "value": value}
    scores: dict[str, Score] = {
        "shapley_fitted": ShapleyFitted(**shared),
        "gtg_shapley": GtgShapley(round_truncation=0.0, **shared),
        "tmc_shapley": TmcShapley(**shared),
        "leave_one_out": LeaveOneOut(**shared),
        "step": Step(**shared),
    }
    if game == "fixed" and value == "loss":
        scores["first_order, at start"] = FirstOrder()
        scores["first_order, at both"] = FirstOrder(at="both")
    return scores


class _Table:
    """A scoring engine that has evaluated every coalition of one round, and counts those that are asked for."""

    def __init__(self, engine: Engine, evaluations: Sequence[Evaluation]) -> None:
        self._evaluations = evaluations
        self.asked: set[int] = set()  # the empty coalition among them
        self.class_losses = engine.class_losses
        self.class_gradients = engine.class_gradients

    async def coalition_evaluations(self, *given):
        """Called as ``Engine.coalition_evaluations``, of which only the coalitions matter here."""
        coalitions = given[4]
        self.asked.update(coalitions)
        return [self._evaluations[coalition] for coalition in coalitions]

    async def coalition_losses(self, *given):
        return [evaluation.loss for evaluation in await self.coalition_evaluations(*given)]


@dataclass(kw_only=True)
class _Findings:
    """Cosine distances and evaluations by (part, score, split); the part names game, value and rounds."""

    distances: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    evaluations: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    compared: int = 0
    undefined: int = 0
    accuracies: dict[str, list[float]] = field(default_factory=dict)

    def add(self, parts: Iterable[str], score: str, split: str, distance: float | None, asked: int) -> None:
        self.compared += 1
        self.undefined += distance is None
        for part in parts:
            self.evaluations.setdefault((part, score), []).append(asked)
            if distance is not None:
                self.distances.setdefault((part, score, split), []).append(distance)


def _distance(one: Sequence[float], other: Sequence[float]) -> float | None:
    """1 − cosine; None where either is zero."""
    a, b = np.asarray(one), np.asarray(other)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return None if lengths == 0 else max(0.0, 1 - float(a @ b) / lengths)


async def _compare(
    engine: Engine, scoring: ScoringRound, game: str, label: str, split: str, when: str, findings: _Findings
) -> None:
    weights = scoring.weights if game == "fixed" else None
    evaluations = await engine.coalition_evaluations(
        scoring.network,
        scoring.start,
        scoring.updates,
        weights,
        range(1 << len(scoring.updates)),
        scoring.samples_key,
    )
    for value in ("loss", "accuracy"):
        exact_score = (Shapley if game == "fixed" else ShapleyMean)(value=value)
        exact = await exact_score.scores(scoring, _Table(engine, evaluations))
        for name, score in _scores(game, value).items():
            table = _Table(engine, evaluations)
            distance = _distance(await score.scores(scoring, table), exact)
            parts = (f"{label}, {value}", f"{label}, {value}, {when}")
            findings.add(parts, name, split, distance, len(table.asked))


async def _task(
    engine: Engine, data: Dataset, seed: int, split: str, validation: int, findings: _Findings
) -> None:
    """One task of six rounds; an early round and the last are scored."""
    seeds = Seeds(seed)
    draw = np.random.Generator(np.random.PCG64(seeds.integer("data", split)))
    train = data.train.select(draw.permutation(len(data.train))[:_TRAINING_SAMPLES])
    held_out = data.test.select(draw.permutation(len(data.test))[:validation])
    key = f"{seed}, {split}"
    engine.add_samples(f"train, {key}", train)
    engine.add_samples(f"validation, {key}", held_out)
    name, parameters = _SPLITS[split]
    shares = create("partition", name, parameters).split(train, _TRAINERS, seeds.integer("partition", split))
    weights = tuple(len(share) / _TRAINING_SAMPLES for share in shares)
    model = initial_weights(_NETWORK, seeds.integer("network"))
    early = 1 + seed % 3
    for number in range(1, _ROUNDS + 1):
        updates = []
        for trainer, share in enumerate(shares):
            job = TrainingJob(
                network=_NETWORK,
                hyperparameters=_HYPERPARAMETERS,
                start=model,
                samples=SamplesRef(f"train, {key}", share),
                seed=seeds.integer("train", split, number, trainer),
            )
            updates.append((await engine.train(job)).weights)
        scoring = ScoringRound(
            network=_NETWORK,
            start=model,
            updates=tuple(updates),
            weights=weights,
            samples_key=f"validation, {key}",
        )
        if number in (early, _ROUNDS):
            when = "early" if number == early else "last"
            await _compare(engine, scoring, "fixed", "fixed", split, when, findings)
            # the mean game takes as long again, so each task gives one round of it
            if (when == "early") == (seed % 2 == 0):
                await _compare(engine, scoring, "mean", "mean", split, when, findings)
        if number == _ROUNDS and seed % 5 == 0:
            flipped = replace(scoring, updates=_with_flippers(scoring))
            await _compare(engine, flipped, "fixed", "flippers", split, "last", findings)
        steps = sum(
            weight * (update.vector.astype(np.float64) - model.vector)
            for weight, update in zip(weights, updates, strict=True)
        )
        model = Weights(model.schema, (model.vector + steps).astype(np.float32))
    final = await engine.evaluate(_NETWORK, model, f"validation, {key}")
    findings.accuracies.setdefault(split, []).append(final.accuracy)


def _with_flippers(scoring: ScoringRound) -> tuple[Weights, ...]:
    """The first three send the opposite of twice their step."""
    start = scoring.start.vector
    return tuple(
        Weights(update.schema, start - 2 * (update.vector - start)) if member < _FLIPPERS else update
        for member, update in enumerate(scoring.updates)
    )


def _table(findings: _Findings, part: str) -> str:
    """Markdown: median / 95th percentile / largest cosine distance for each score and split."""
    lines = [
        f"| score | evaluations | {' | '.join(_SPLITS)} |",
        "| --- | --- " + "| --- " * len(_SPLITS) + "|",
    ]
    for found, score in findings.evaluations:
        if found == part:
            cells = [_cell(findings.distances.get((part, score, split), [])) for split in _SPLITS]
            asked = statistics.median(findings.evaluations[part, score])
            lines.append(f"| {score} | {asked:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(distances: Sequence[float]) -> str:
    if not distances:
        return "–"
    numbers = (statistics.median(distances), percentile(distances, 0.95), max(distances))
    return " / ".join(f"{number:.1e}" for number in numbers)


def _near(findings: _Findings, part: str, splits: Iterable[str]) -> str:
    """How many rounds of the quadratic fit are near enough, of how many."""
    found = [
        distance
        for split in splits
        for distance in findings.distances.get((part, "shapley_fitted", split), [])
    ]
    return f"{sum(distance <= _THRESHOLD for distance in found)} of {len(found)}"


def _verdict(findings: _Findings, part: str) -> str:
    near = ", ".join(f"{_near(findings, part, [split])} ({split})" for split in _SPLITS)
    return f"`shapley_fitted` is within {_THRESHOLD} of exact in {near} rounds."


_PARTS = {
    "fixed, loss": "Fixed aggregation weights, value: loss",
    "fixed, accuracy": "Fixed aggregation weights, value: accuracy",
    "flippers, loss": "The same with three of ten sending −2 times their step, value: loss",
    "mean, loss": "The published mean game, value: loss",
    "mean, accuracy": "The published mean game, value: accuracy",
    "fixed, loss, early": "Fixed, loss: early rounds alone",
    "fixed, loss, last": "Fixed, loss: last rounds alone",
}


def _document(findings: _Findings, *, seeds: int, validation: int, seconds: float) -> str:
    accuracy = ", ".join(
        f"{statistics.mean(reached):.3f} ({split})" for split, reached in findings.accuracies.items()
    )
    body = "\n\n".join(
        f"## {title}\n\n{_table(findings, part)}\n\n{_verdict(findings, part)}"
        for part, title in _PARTS.items()
        if any(found == part for found, _ in findings.evaluations)
    )
    outcome = "\n".join(
        f"- {title}: {_near(findings, part, _SPLITS)}"
        for part, title in _PARTS.items()
        if any(found == part for found, _ in findings.evaluations)
    )
    command = ".venv/bin/python -m benchmarks.shapley_fit"
    return f"""# Approximate Shapley values against exact ones

Written by

    {command}

from the repository root; it took {seconds / 60:.1f} minutes of one core. Every distance is in
`benchmarks/results/shapley_fit.json`.

**Outcome**: cosine distance of `shapley_fitted` to exact Shapley values at most {_THRESHOLD}, in rounds of all splits:

{outcome}

**Setting**: MNIST, `mnist_cnn_small` (20,522 parameters), {_TRAINERS} trainers with {_TRAINING_SAMPLES:,} images in all, one epoch a
round in batches of {_HYPERPARAMETERS.batch_size}, learning rate {_HYPERPARAMETERS.learning_rate}, momentum \
{_HYPERPARAMETERS.momentum}, {_ROUNDS} rounds, aggregation weights by samples, {validation} validation
images, seeds 0–{seeds - 1} for each split. Scored are an early round (1, 2 or 3, in turn by seed) and the last; of the mean game one
of the two, in turn; with flippers the last round of each fifth seed. But for the flippers all are honest. One validation image
is {1 / validation:.1%} of accuracy. Accuracy after the last round: {accuracy}.

**Cells**: median / 95th percentile / largest cosine distance (1 − cosine) to the exact Shapley values of the same game and
value, over rounds. Evaluations are coalition models, the empty one included, median over rounds; exact takes {1 << _TRAINERS:,}.
`gtg_shapley` has its published constants, but no round truncation; `tmc_shapley` walks 100 orders. `first_order` evaluates no
coalition: it takes one gradient (start) or two (both). Where a score or the exact values are all zero there is no angle; {findings.undefined}
of {findings.compared} comparisons are left out for that.

{body}
"""


async def _measure(seeds: int, validation: int) -> _Findings:
    findings = _Findings()
    data = create("dataset", "mnist").load(None)
    # a fresh engine for each task, as it keeps the samples that it was given
    for seed in range(seeds):
        for split in _SPLITS:
            began = time.perf_counter()
            async with Engine.start(executor="threads", workers=1) as engine:
                await _task(engine, data, seed, split, validation, findings)
            print(f"seed {seed}, {split}: {time.perf_counter() - began:.1f} s", flush=True)
    return findings


def _values(findings: _Findings) -> Mapping[str, object]:
    return {
        "distances": {"; ".join(key): found for key, found in findings.distances.items()},
        "evaluations": {"; ".join(key): found for key, found in findings.evaluations.items()},
        "accuracies": findings.accuracies,
    }


def main() -> None:
    """Measure, print, and write the document and its numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapley_fit", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="tasks a split")
    parser.add_argument("--validation", type=int, default=120, help="validation images")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    findings = anyio.run(_measure, options.seeds, options.validation)
    # processor time: other programs on the machine then change little of it
    seconds = time.process_time()
    text = _document(findings, seeds=options.seeds, validation=options.validation, seconds=seconds)
    print(text)
    if not options.dry:
        _DOCUMENT.write_text(text, encoding="utf-8")
        record = Record(
            name="shapley_fit",
            title="approximate Shapley values against exact ones",
            columns=(),
            rows=(),
            values=_values(findings),
        )
        write(record, _ROOT / "benchmarks" / "results", quick=False, seconds=seconds)


if __name__ == "__main__":
    main()
