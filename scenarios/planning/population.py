# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a scenario: names, keys, data shares and the task that the publisher will create."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bcfl.agents.common.folding import encode_model
from bcfl.chain.keys import Signer, derive_key
from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.ids import ZERO_ADDRESS, Address
from bcfl.contracts.phases import Kind, Selection
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.hold_out import hold_out
from bcfl.models.data.partition import Natural
from bcfl.models.errors import PartitionImpossible
from bcfl.models.weights import Weights
from bcfl.scenarios.definition.schema import NamedEntry, Scenario
from bcfl.scenarios.definition.tokens import CREDIT_UNIT, parse_tokens
from bcfl.scenarios.planning.member_data import Indices, flipped
from bcfl.seeds import Seeds
from bcfl.storage.content_id import content_id

__all__ = (
    "DEPLOYER",
    "KEEPER",
    "PUBLISHER",
    "RELAYER",
    "TRAIN_SAMPLES",
    "VALIDATION_SAMPLES",
    "Population",
    "Task",
    "held_out_key",
    "plan_task",
    "populate",
    "relayer_of",
    "task_config",
    "task_of",
)

PUBLISHER = "publisher"
KEEPER = "keeper"
RELAYER = "relayer"
DEPLOYER = "deployer"
TRAIN_SAMPLES = "train"
VALIDATION_SAMPLES = "validation"
"""Names in the engine what models are measured on: the evaluator's set, or the test split that no member sees."""

_RECORDS = "records"
"""The audit of a consortium: what is public, for its members' samples stay with them."""

_SELECTIONS = {
    "all": Selection.ALL,
    "random": Selection.RANDOM,
    "first_come": Selection.FIRST_COME,
    "score_order": Selection.SCORE_ORDER,
}


def relayer_of(scenario: Scenario) -> str | None:
    """Who brings the trainers' messages to the chain in batches, where the task takes them so."""
    return RELAYER if scenario.task.intake.relayed else None


def held_out_key(name: str) -> str:
    """Names in the engine the samples that a member judges on."""
    return f"held-out:{name}"


@dataclass(frozen=True, kw_only=True)
class Population:
    """Names with their keys and, for trainers, the indices of their samples.

    Attributes:
        signers: everybody's key.
        evaluators: of a crowd; in a consortium nobody.
        trainers: or a consortium's members.
        aggregator: who builds a crowd's models, where it is not the evaluator.
        relayer: who brings the trainers' messages to the chain, where the task takes that.
        kind: of the task.
        founders: whom the task is created with: a crowd's evaluators, or the members who are let in from the start.
        train: the training split, with the wrong labels that the scenario wants.
        shares: what each trainer trains on, indices into ``train``.
        held_out: what each member of a consortium judges on, indices into ``train`` too.
        validation: what models are measured on: the evaluator's samples, or those that no member sees.
    """

    signers: dict[str, Signer]
    evaluators: tuple[str, ...]
    trainers: tuple[str, ...]
    kind: Kind
    founders: tuple[str, ...]
    train: Samples
    shares: dict[str, Indices]
    held_out: dict[str, Indices] = field(default_factory=dict)
    validation: Samples
    aggregator: str | None = None
    relayer: str | None = None

    @property
    def accounts(self) -> dict[str, Address]:
        """Everybody's account."""
        return {name: signer.address for name, signer in self.signers.items()}

    def role(self, name: str) -> str:
        """A participant's role."""
        if name in self.evaluators:
            return "evaluator"
        if name == self.aggregator:
            return "aggregator"
        trains = "member" if self.kind is Kind.CONSORTIUM else "trainer"
        return trains if name in self.shares else name

    @property
    def agents(self) -> tuple[str, ...]:
        """Everybody who sends transactions for the task, in the order of a gathered release."""
        builder = () if self.aggregator is None else (self.aggregator,)
        relayer = () if self.relayer is None else (self.relayer,)
        return (PUBLISHER, *self.evaluators, *builder, *self.trainers, *relayer, KEEPER)


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
    split = partition.split(dataset.train, len(owners), seeds.integer("partition"))
    parts = dict(zip(owners, split, strict=True))
    if isinstance(partition, Natural):
        parts |= _by_name(dataset, owners, partition)
    train = flipped(scenario, dataset.train, parts, seeds)
    parts = {name: parts[name] for name in trainers}
    builder = scenario.aggregator_name
    names = [PUBLISHER, KEEPER, DEPLOYER, *scenario.evaluator_names, *trainers]
    names += [name for name in (builder, relayer_of(scenario)) if name is not None]
    population = Population(
        signers={name: derive_key(seeds.derive("key", name)) for name in names},
        evaluators=scenario.evaluator_names,
        founders=scenario.founder_names if scenario.kind is Kind.CONSORTIUM else scenario.evaluator_names,
        trainers=trainers,
        kind=scenario.kind,
        train=train,
        shares=parts,
        validation=_validation(scenario, dataset),
        aggregator=builder,
        relayer=relayer_of(scenario),
    )
    if scenario.kind is Kind.CROWDSOURCING:
        return population
    halves = {
        name: hold_out(part, train.targets, scenario.held_out, seeds.integer("held-out", name))
        for name, part in parts.items()
    }
    return dataclasses.replace(
        population,
        shares={name: kept for name, (kept, _) in halves.items()},
        held_out={name: held for name, (_, held) in halves.items()},
    )


def _by_name(dataset: Dataset, owners: Sequence[str], partition: Natural) -> dict[str, Indices]:
    """Who is called as an owner of the data has that owner's samples; empty where nobody is.

    Raises:
        PartitionImpossible: some are called as owners are, and others as none is.
    """
    named = dict(zip(dataset.owner_names, range(len(dataset.owner_names)), strict=True))
    strangers = [name for name in owners if name not in named]
    if len(strangers) == len(owners) or partition.merge:
        return {}
    if strangers:
        raise PartitionImpossible(
            f"'{strangers[0]}' owns no sample of '{dataset.name}', whose owners are {', '.join(named)}: name the trainers as the "
            f"owners are called, or none of them so."
        )
    return {name: partition.of_owner(dataset.train, named[name]) for name in owners}


def _validation(scenario: Scenario, dataset: Dataset) -> Samples:
    wanted = scenario.data.validation.samples
    return dataset.test if wanted is None else dataset.test.select(np.arange(min(wanted, len(dataset.test))))


def plan_task(scenario: Scenario, population: Population, genesis: Weights) -> Task:
    """The task of a scenario that starts from those weights.

    No update may claim more samples than the largest share has: claims weigh in the aggregate.
    """
    return task_of(scenario, genesis, sample_limit=max(len(share) for share in population.shares.values()))


def task_of(scenario: Scenario, genesis: Weights, *, sample_limit: int) -> Task:
    """What a scenario says of its task, whoever takes part: starts from those weights, claims of samples are within that limit."""
    task = scenario.task
    specification = Specification(
        title=scenario.name,
        network=_reference(task.network),
        training=task.training.stated(),
        score=_reference(task.score),
        aggregator=_reference(task.aggregator),
        defence=_written_out(task.defence, "defence"),
        server_optimizer=_written_out(task.server_optimizer, "server_optimizer"),
        timeliness=task.reward.timeliness,
        reported_samples=task.reported_samples,
        kernel=scenario.compute.chosen_kernel,
        codec=_written_out(task.intake.codec, "codec"),
        kept_models=task.retention.models,
        kept_updates=task.retention.updates,
        tensors=tuple((tensor.name, tensor.shape) for tensor in genesis.schema.tensors),
        audit=_RECORDS if scenario.kind is Kind.CONSORTIUM else task.audit,
        sample_limit=sample_limit,
    )
    return Task(
        specification=specification.encode(),
        genesis=encode_model(genesis, 0),
        budget=_credits(task.reward.budget),
        bond=scenario.bond // CREDIT_UNIT,
        stake=_credits(task.membership.stake),
    )


def task_config(
    scenario: Scenario, plan: Task, *, token: Address, accounts: Mapping[str, Address]
) -> TaskConfig:
    """The contract's configuration of a scenario's task; ``accounts`` are the publisher's, the named aggregator's and the rooter's."""
    task = scenario.task
    schedule = task.schedule
    by_rate = task.reward.mode == "rate"
    crowd = scenario.kind is Kind.CROWDSOURCING
    return TaskConfig(
        token=token,
        publisher=accounts[PUBLISHER],
        aggregator=ZERO_ADDRESS if task.aggregator_role is None else accounts[task.aggregator_role],
        rooter=accounts[RELAYER] if task.intake.rooted else ZERO_ADDRESS,
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
        unique_digests=scenario.unique_digests,
        public_audit=crowd and task.audit == "public",
        vesting_rounds=task.reward.vesting_rounds,
        stake=plan.stake,
        bond=plan.bond,
        rate=_credits(task.reward.rate) if by_rate else 0,
        round_budget=0 if by_rate else _credits(task.reward.per_round or "0"),
        evaluation_pool=scenario.evaluation_pool // CREDIT_UNIT,
        tolerance=scenario.tolerance,
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
