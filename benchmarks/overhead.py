# SPDX-License-Identifier: Apache-2.0
"""What the framework costs: a scenario's run beside the same training, scoring and aggregation, called straight.

The two alternate. Both load the data and start an engine of their own; the straight one has no chain, no store and
no agents, and must end with the same model, bit for bit. What the run evaluates only to report it (each trainer's
model, and the model that a round began with) is repeated on the straight side too and timed apart.

Where others use the machine, pairs differ by more than the framework costs. Two ratios do not depend on that much:
processor seconds of both sides, all processes together, and the run's wall time to the time in which its own engine
was at work.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import anyio
import anyio.to_thread

from bcfl.agents.common.folding import encode_model
from bcfl.contracts.scores import SCORE_UNIT, quantise
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.weights import proportions
from bcfl.models.networks.network import Network, initial_weights
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import hyperparameters_of
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.outcome.summary import Summary, Timings
from bcfl.scenarios.planning.population import TRAIN_SAMPLES, VALIDATION_SAMPLES, Population, populate
from bcfl.scenarios.planning.preflight import with_kernel
from bcfl.scenarios.running.runner import run
from bcfl.seeds import Seeds
from bcfl.storage.content_id import cid_text, content_id
from benchmarks.record import Record

__all__ = ("measure",)

_Side = TypeVar("_Side")

_SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
_PAIRS = 3
_WORKERS = 2
# Fewer rounds than the file's five: what happens once then weighs more, so the ratio is on the high side.
_FULL = ("task.rounds=2", f"compute.workers={_WORKERS}")
_QUICK = (*_FULL, "data.partition.samples_per_client=1000", "data.validation.samples=1000")


@dataclass(frozen=True, kw_only=True)
class _Straight:
    """Wall seconds of the straight side, those of evaluations that only a report needs, and the model it ended with."""

    seconds: float
    reporting: float
    model: str


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Both sides of a pair; processor seconds include those of the worker processes and of anvil."""

    run: float
    run_processor: float
    timings: Timings
    straight: float
    straight_processor: float
    reporting: float
    models: frozenset[str]

    @property
    def engine(self) -> float:
        """Wall seconds in which the run's engine was at work."""
        return self.timings.training_s + self.timings.scoring_s


async def measure(*, quick: bool) -> Record:
    """Run and straight calls in turn, the first of the two changing places."""
    scenario = load(_SCENARIOS / "mnist-honest.yaml", _QUICK if quick else _FULL)
    await _run(
        load(_SCENARIOS / "quick.yaml", ["compute.executor=processes"])
    )  # what is imported is imported now
    pairs = [await _pair(scenario, run_first=place % 2 == 0) for place in range(_PAIRS)]
    ratio = median(pair.run / pair.straight for pair in pairs)
    alike = median(pair.run / (pair.straight + pair.reporting) for pair in pairs)
    processor = median(pair.run_processor / pair.straight_processor for pair in pairs)
    engine = median(pair.run / pair.engine for pair in pairs)
    reporting = median(pair.reporting / (pair.straight + pair.reporting) for pair in pairs)
    models = frozenset[str]().union(*(pair.models for pair in pairs))
    rows = [
        (
            str(place),
            f"{pair.run:.2f} s",
            f"{pair.straight:.2f} + {pair.reporting:.2f} s",
            f"{pair.run / pair.straight:.2f}",
            f"{pair.run_processor / pair.straight_processor:.3f}",
            f"{pair.run / pair.engine:.3f}",
            f"{pair.timings.chain_s:.2f} + {pair.timings.storage_s:.2f} s",
        )
        for place, pair in enumerate(pairs, start=1)
    ]
    images = scenario.data.partition.parameters.get("samples_per_client")
    return Record(
        name="overhead",
        title=f"wall time of a run ÷ the same work called straight: {scenario.name}, {scenario.task.rounds} rounds, "
        f"{images} images a trainer, {_WORKERS} workers",
        columns=(
            "pair",
            "run",
            "straight + reporting",
            "run ÷ straight",
            "processor seconds, same work",
            "run ÷ its engine at work",
            "chain + storage at work",
        ),
        rows=rows,
        notes=[
            f"medians: {ratio:.2f} to straight (goal: at most 1.1), {alike:.2f} where straight evaluates for the report too",
            f"medians: {processor:.3f} in processor seconds for the same work, {engine:.3f} to the run's own engine time",
            f"evaluations for the report take {reporting:.0%} of the straight side's time",
            f"all {2 * _PAIRS} ended with the same model, {min(models)}"
            if len(models) == 1
            else f"MODELS DIFFER: {sorted(models)}",
        ],
        values={
            "pairs": [
                {
                    "run_s": pair.run,
                    "run_processor_s": pair.run_processor,
                    "run_timings": pair.timings.model_dump(),
                    "straight_s": pair.straight,
                    "straight_processor_s": pair.straight_processor,
                    "reporting_s": pair.reporting,
                }
                for pair in pairs
            ],
            "ratio": ratio,
            "ratio_with_reporting": alike,
            "processor_ratio": processor,
            "ratio_to_own_engine": engine,
            "models": sorted(models),
        },
    )


async def _pair(scenario: Scenario, *, run_first: bool) -> _Pair:
    if run_first:
        (run_seconds, summary), run_processor = await _with_processor_seconds(_run(scenario))
    straight, straight_processor = await _with_processor_seconds(_straight(scenario))
    if not run_first:
        (run_seconds, summary), run_processor = await _with_processor_seconds(_run(scenario))
    return _Pair(
        run=run_seconds,
        run_processor=run_processor,
        timings=summary.timings,
        straight=straight.seconds,
        straight_processor=straight_processor,
        reporting=straight.reporting,
        models=frozenset({straight.model, summary.final.cid}),
    )


async def _with_processor_seconds(side: Awaitable[_Side]) -> tuple[_Side, float]:
    """What a side gives, and the processor seconds of this process and of those that ended meanwhile."""
    before = sum(os.times()[:4])
    outcome = await side
    return outcome, sum(os.times()[:4]) - before


async def _run(scenario: Scenario) -> tuple[float, Summary]:
    with tempfile.TemporaryDirectory(prefix="bcfl-benchmark-") as scratch:
        began = time.perf_counter()
        result = await run(scenario, out=Path(scratch) / "run")
        return time.perf_counter() - began, result.summary


async def _straight(scenario: Scenario) -> _Straight:
    """Load, train, score, aggregate and evaluate each new global model; nothing else."""
    began = time.perf_counter()
    seeds = Seeds(scenario.seed)
    dataset = await anyio.to_thread.run_sync(scenario.data.dataset.create("dataset").load, None)
    population = populate(scenario, dataset, seeds)
    network: Network = scenario.task.network.create("network")
    aggregator = scenario.task.aggregator.create("aggregator")
    score = scenario.task.score.create("score")
    counts = [len(population.shares[name]) for name in population.trainers]
    weights = initial_weights(network, seeds.integer("genesis"))
    reporting = 0.0
    scenario = with_kernel(scenario, dataset)
    compute = scenario.compute
    async with Engine.start(
        executor=compute.chosen_executor, workers=_WORKERS, kernel=compute.chosen_kernel
    ) as engine:
        engine.add_samples(TRAIN_SAMPLES, dataset.train)
        engine.add_samples(VALIDATION_SAMPLES, population.validation)
        for number in range(1, scenario.task.rounds + 1):
            start = weights
            updates = await _trained(engine, scenario, population, seeds, network, start, number)
            prior = aggregator.integer_weights(samples=counts, scores=[1.0] * len(updates))
            values = await score.scores(
                ScoringRound(
                    network=network,
                    start=start,
                    updates=tuple(updates),
                    weights=proportions(prior),
                    samples_key=VALIDATION_SAMPLES,
                ),
                engine,
            )
            posted = [quantise(value) / SCORE_UNIT for value in values]
            weights = fold(updates, aggregator.integer_weights(samples=counts, scores=posted))
            await engine.evaluate(network, weights, VALIDATION_SAMPLES)
            paused = time.perf_counter()
            for reported in (start, *updates):
                await engine.evaluate(network, reported, VALIDATION_SAMPLES)
            reporting += time.perf_counter() - paused
    model = cid_text(content_id(encode_model(weights, scenario.task.rounds)))
    return _Straight(
        seconds=time.perf_counter() - began - reporting,
        reporting=reporting,
        model=model,
    )


async def _trained(
    engine: Engine,
    scenario: Scenario,
    population: Population,
    seeds: Seeds,
    network: Network,
    start: Weights,
    number: int,
) -> list[Weights]:
    """Every trainer's model of a round."""
    updates: dict[str, Weights] = {}

    async def train(name: str) -> None:
        job = TrainingJob(
            network=network,
            hyperparameters=hyperparameters_of(scenario.task.training.stated(), 1),
            start=start,
            samples=SamplesRef(TRAIN_SAMPLES, population.shares[name]),
            seed=seeds.integer("training", name, number),
        )
        updates[name] = (await engine.train(job)).weights

    async with anyio.create_task_group() as group:
        for name in population.trainers:
            group.start_soon(train, name)
    return [updates[name] for name in population.trainers]
