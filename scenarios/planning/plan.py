# SPDX-License-Identifier: Apache-2.0
"""A scenario with its data, looked at and shared out; any process makes the same of the same file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread

from bcfl.models.card import ModelCard
from bcfl.models.data.dataset import Dataset, DatasetSource
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.planning.cautions import cautions
from bcfl.scenarios.planning.genesis import genesis_of
from bcfl.scenarios.planning.population import Population, Task, plan_task, populate
from bcfl.scenarios.planning.preflight import check_fit, check_shares, fitted, with_kernel
from bcfl.seeds import Seeds

__all__ = ("Plan", "dataset_source", "planned")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A scenario with its data: who takes part, and in which task. Any process makes the same of the same file."""

    scenario: Scenario
    seeds: Seeds
    population: Population
    task: Task
    card: ModelCard
    """What whoever uses the model needs to know."""
    notes: tuple[str, ...] = ()
    """What the data say of themselves."""
    cautions: tuple[str, ...] = ()
    """What may be meant, and is worth a word before it costs anything."""

    @property
    def participants(self) -> dict[str, dict[str, Any]]:
        """Who takes part, by name, as the first record of the event log says it."""
        scenario, population = self.scenario, self.population
        behaviours = scenario.behaviours
        told: dict[str, dict[str, Any]] = {
            name: {
                "role": population.role(name),
                "address": population.signers[name].address,
                "behaviour": behaviours.get(name, "honest"),
            }
            for name in population.agents
        }
        for entry in scenario.population.present:
            for name in entry.names:
                if name in population.held_out:
                    told[name] |= {
                        "judge": entry.judge.name,
                        "flipped": entry.flipped,
                        "samples": len(population.shares[name]),
                        "held_out": len(population.held_out[name]),
                    }
        return told


async def planned(
    scenario: Scenario,
    *,
    data_dir: Path | None,
    dataset: Dataset | None = None,
    started_in: object = None,
    genesis: bytes | None = None,
) -> Plan:
    """Load the data, unless the caller has them, look whether everything fits, and share them out.

    Args:
        scenario: as ``scenarios.load`` gives it.
        data_dir: where data lie that no package carries.
        dataset: the scenario's, where the caller has it in memory already.
        started_in: the directory that a run was started in, as its ``chain.json`` says it: relative paths of data are meant from there.
        genesis: the model to start from, as a run that has begun has kept it.

    Raises:
        ModelError: the data cannot be had, do not fit the network, or cannot be shared in that way.
        ModelTooLarge: no update could be handed in.
        GenesisUnfit: the model that the task should start from is not there, or is none of its network.
    """
    if dataset is None:
        source = dataset_source(scenario, started_in)
        dataset = await anyio.to_thread.run_sync(source.load, data_dir)
    seeds = Seeds(scenario.seed)
    scenario = fitted(scenario, dataset)
    outputs = await anyio.to_thread.run_sync(check_fit, scenario, dataset)
    scenario = await anyio.to_thread.run_sync(with_kernel, scenario, dataset)
    population = populate(scenario, dataset, seeds)
    check_shares(scenario, population)
    start = await genesis_of(scenario, seeds, data_dir=data_dir, kept=genesis)
    return Plan(
        scenario=scenario,
        seeds=seeds,
        population=population,
        task=plan_task(scenario, population, start),
        card=ModelCard.of(
            dataset.train,
            network=scenario.task.network.name,
            parameters=scenario.task.network.parameters,
            dataset=dataset.name,
            labels=dataset.labels(outputs),
            encoding=dataset.encoding,
        ),
        notes=dataset.notes,
        cautions=tuple(cautions(scenario, dataset, population)),
    )


def dataset_source(scenario: Scenario, started_in: object = None) -> DatasetSource:
    """Where a scenario's data come from; a relative path is also looked for where its run was started."""
    entry = scenario.data.dataset
    path = entry.parameters.get("path")
    if isinstance(path, str) and isinstance(started_in, str) and not Path(path).exists():
        there = Path(started_in) / path
        if there.exists():
            entry = entry.model_copy(update={"parameters": {**entry.parameters, "path": str(there)}})
    source: DatasetSource = entry.create("dataset")
    return source
