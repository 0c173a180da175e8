# SPDX-License-Identifier: Apache-2.0
"""Makes the agents of a scenario from its population: parameters go in, roles with their keys come out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bcfl.agents.evaluation import RoundEvaluator
from bcfl.agents.evaluator import Evaluator, EvaluatorIdentity
from bcfl.agents.keeper import Keeper
from bcfl.agents.permits import PermitSource
from bcfl.agents.ports import ContentStore, LearningEngine, Node, Observer
from bcfl.agents.publisher import Publication, Publisher
from bcfl.agents.retrieval import Retrieval
from bcfl.agents.shell import Role
from bcfl.agents.trainer import Trainer, TrainerIdentity
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.ids import Address
from bcfl.models.training.job import SamplesRef
from bcfl.scenarios.population import KEEPER, PUBLISHER, TRAIN_SAMPLES, VALIDATION_SAMPLES, Population, Task
from bcfl.seeds import Seeds

__all__ = ("Crew", "recruit")


@dataclass(frozen=True, kw_only=True)
class Crew:
    """What the agents of one process share; ``in_turn`` makes trainers join one after the other."""

    population: Population
    seeds: Seeds
    engine: LearningEngine
    store: ContentStore
    retrieval: Retrieval
    journal: Journal
    node: Node
    observer: Observer
    in_turn: bool


def recruit(crew: Crew, *, config: TaskConfig, plan: Task, factory: Address) -> Iterator[tuple[Role, Signer]]:
    """Every agent with its key, in the order of a gathered release."""
    population = crew.population
    signers = population.signers
    yield _publisher(crew, config, plan, factory), signers[PUBLISHER]
    for name in population.evaluators:
        yield _evaluator(crew, name), signers[name]
    for place, name in enumerate(population.trainers):
        yield _trainer(crew, name, place), signers[name]
    yield Keeper(name=KEEPER), signers[KEEPER]


def _permits(crew: Crew, name: str) -> PermitSource:
    return PermitSource(signer=crew.population.signers[name], node=crew.node)


def _publisher(crew: Crew, config: TaskConfig, plan: Task, factory: Address) -> Publisher:
    signers = crew.population.signers
    return Publisher(
        name=PUBLISHER,
        publication=Publication(
            factory=factory,
            config=config,
            evaluators=tuple(signers[name].address for name in crew.population.evaluators),
            budget=plan.budget,
        ),
        contents=(plan.specification, plan.genesis),
        store=crew.store,
        permits=_permits(crew, PUBLISHER),
        observer=crew.observer,
    )


def _evaluator(crew: Crew, name: str) -> Evaluator:
    validation = crew.population.validation
    return Evaluator(
        identity=EvaluatorIdentity(
            name=name,
            address=crew.population.signers[name].address,
            secret=crew.seeds.derive("secret", name),
            validation_digest=bytes.fromhex(validation.digest()),
        ),
        rounds=RoundEvaluator(engine=crew.engine, retrieval=crew.retrieval, samples_key=VALIDATION_SAMPLES),
        validation_samples=len(validation),
        store=crew.store,
        retrieval=crew.retrieval,
        permits=_permits(crew, name),
        observer=crew.observer,
    )


def _trainer(crew: Crew, name: str, place: int) -> Trainer:
    share = crew.population.shares[name]
    return Trainer(
        identity=TrainerIdentity(
            name=name,
            address=crew.population.signers[name].address,
            chain_id=crew.node.chain_id,
            turn=place if crew.in_turn else None,
        ),
        secret=crew.seeds.derive("secret", name),
        samples=SamplesRef(TRAIN_SAMPLES, share),
        sample_count=len(share),
        seeds=crew.seeds,
        engine=crew.engine,
        store=crew.store,
        retrieval=crew.retrieval,
        journal=crew.journal,
        permits=_permits(crew, name),
        observer=crew.observer,
    )
