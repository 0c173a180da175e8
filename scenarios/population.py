# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a scenario: names, keys, data shares and the task that the publisher will create."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bcfl.agents.evaluation import encode_model
from bcfl.chain.keys import Signer, derive_key
from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Selection
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.networks.network import initial_weights
from bcfl.scenarios.schema import NamedEntry, Scenario
from bcfl.scenarios.tokens import CREDIT_UNIT, parse_tokens
from bcfl.seeds import Seeds
from bcfl.storage.content_id import content_id

__all__ = (
    "DEPLOYER",
    "KEEPER",
    "PUBLISHER",
    "TRAIN_SAMPLES",
    "VALIDATION_SAMPLES",
    "Population",
    "Task",
    "plan_task",
    "populate",
    "task_config",
)

PUBLISHER = "publisher"
KEEPER = "keeper"
DEPLOYER = "deployer"
TRAIN_SAMPLES = "train"
VALIDATION_SAMPLES = "validation"

_SELECTIONS = {
    "all": Selection.ALL,
    "random": Selection.RANDOM,
    "first_come": Selection.FIRST_COME,
    "score_order": Selection.SCORE_ORDER,
}


@dataclass(frozen=True, kw_only=True)
class Population:
    """Names with their keys and, for trainers, the indices of their samples."""

    signers: dict[str, Signer]
    evaluators: tuple[str, ...]
    trainers: tuple[str, ...]
    shares: dict[str, npt.NDArray[np.int64]]
    validation: Samples

    def role(self, name: str) -> str:
        """A participant's role."""
        if name in self.evaluators:
            return "evaluator"
        return "trainer" if name in self.shares else name

    @property
    def agents(self) -> tuple[str, ...]:
        """Everybody who sends transactions for the task, in the order of a gathered release."""
        return (PUBLISHER, *self.evaluators, *self.trainers, KEEPER)


@dataclass(frozen=True, kw_only=True)
class Task:
    """The task as planned: what goes into the store and what the contract is told; amounts in 10⁻⁹ token."""

    specification: bytes
    genesis: bytes
    budget: int
    bond: int
    stake: int


def populate(scenario: Scenario, dataset: Dataset, seeds: Seeds) -> Population:
    """Keys and data of everybody.

    Raises:
        PartitionImpossible: the data cannot be shared in that way.
    """
    partition = scenario.partition.create("partition")
    owners, trainers = scenario.data_owners, scenario.trainer_names
    parts = dict(
        zip(owners, partition.split(dataset.train, len(owners), seeds.integer("partition")), strict=True)
    )
    wanted = scenario.data.validation.samples
    validation = (
        dataset.test if wanted is None else dataset.test.select(np.arange(min(wanted, len(dataset.test))))
    )
    names = (PUBLISHER, KEEPER, DEPLOYER, *scenario.evaluator_names, *trainers)
    return Population(
        signers={name: derive_key(seeds.derive("key", name)) for name in names},
        evaluators=scenario.evaluator_names,
        trainers=trainers,
        shares={name: parts[name] for name in trainers},
        validation=validation,
    )


def plan_task(scenario: Scenario, population: Population, seeds: Seeds) -> Task:
    """The specification and the genesis model of a scenario's task.

    No update may claim more samples than the largest share has: claims weigh in the aggregate.
    """
    task = scenario.task
    network = task.network.create("network")
    genesis = initial_weights(network, seeds.integer("genesis"))
    specification = Specification(
        title=scenario.name,
        network=_reference(task.network),
        training=task.training.model_dump(),
        score=_reference(task.score),
        aggregator=_reference(task.aggregator),
        defence=_written_out(task.defence, "defence"),
        tensors=tuple((tensor.name, tensor.shape) for tensor in genesis.schema.tensors),
        audit=task.audit,
        sample_limit=max(len(share) for share in population.shares.values()),
    )
    return Task(
        specification=specification.encode(),
        genesis=encode_model(genesis, 0),
        budget=_credits(task.reward.budget),
        bond=scenario.bond // CREDIT_UNIT,
        stake=_credits(task.membership.stake),
    )


def task_config(scenario: Scenario, plan: Task, *, token: Address, publisher: Address) -> TaskConfig:
    """The contract's configuration of a scenario's task."""
    task = scenario.task
    schedule = task.schedule
    by_rate = task.reward.mode == "rate"
    return TaskConfig(
        token=token,
        publisher=publisher,
        specification=content_id(plan.specification),
        genesis=content_id(plan.genesis),
        rounds=task.rounds,
        capacity=scenario.capacity,
        min_trainers=task.membership.minimum,
        max_update_size=task.intake.max_update_bytes,
        cohort_size=0 if task.selection.rule == "all" else scenario.cohort,
        selection=_SELECTIONS[task.selection.rule],
        relayed=task.intake.relayed,
        commit_reveal=task.intake.commit_reveal,
        unique_digests=task.intake.unique_digests,
        public_audit=task.audit == "public",
        vesting_rounds=task.reward.vesting_rounds,
        stake=plan.stake,
        bond=plan.bond,
        rate=_credits(task.reward.rate) if by_rate else 0,
        round_budget=0 if by_rate else _credits(task.reward.per_round or "0"),
        schedule=Schedule(
            enrolment=schedule.enrolment_s,
            training=schedule.training_s,
            reveal=schedule.reveal_s,
            evaluation=schedule.evaluation_s,
            aggregation=schedule.aggregation_s,
            closing=schedule.closing_s,
        ),
    )


def _credits(tokens: str) -> int:
    return parse_tokens(tokens) // CREDIT_UNIT


def _reference(entry: NamedEntry) -> EntryReference:
    return EntryReference(entry.name, dict(entry.parameters))


def _written_out(entry: NamedEntry, kind: str) -> EntryReference:
    """With every constant, so that whoever reads the specification knows them all, also after defaults have changed."""
    return EntryReference(entry.name, dataclasses.asdict(entry.create(kind)))
