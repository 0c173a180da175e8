# SPDX-License-Identifier: Apache-2.0
"""Makes the agents of a scenario from its population: parameters go in, roles with their keys come out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bcfl.agents.adversaries import naming
from bcfl.agents.common.behaviour import Conduct, Honest, JudgeConduct, Plan
from bcfl.agents.common.circle import Circle
from bcfl.agents.common.joining import TrainerIdentity
from bcfl.agents.common.keeper import Keeper
from bcfl.agents.common.publisher import Publication, Publisher
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.token_permits import PermitSource
from bcfl.agents.common.update_maker import OwnData
from bcfl.agents.consortium.ballots import Ballot
from bcfl.agents.consortium.member import HeldOut, Member
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.agents.crowdsourcing.evaluator import Evaluator, EvaluatorIdentity
from bcfl.agents.crowdsourcing.objection import Vetting
from bcfl.agents.crowdsourcing.trainer import Trainer
from bcfl.agents.runtime.ports import ContentStore, LearningEngine, Node, Observer
from bcfl.agents.runtime.shell import Role
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.ids import Address
from bcfl.models.training.job import SamplesRef
from bcfl.scenarios.definition.schema import Evaluator as EvaluatorEntry
from bcfl.scenarios.definition.schema import NamedEntry, Scenario, Trainers, Vote
from bcfl.scenarios.running.population import (
    KEEPER,
    PUBLISHER,
    TRAIN_SAMPLES,
    VALIDATION_SAMPLES,
    Population,
    Task,
    held_out_key,
)
from bcfl.seeds import Seeds

__all__ = ("Crew", "circles_of", "knows_all", "recruit", "sight_of")


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
    scenario: Scenario
    circles: Mapping[str, Circle]
    sight: Circle | None


def recruit(
    crew: Crew, *, config: TaskConfig, plan: Task, factory: Address, names: Collection[str] | None = None
) -> Iterator[tuple[Role, Signer]]:
    """The agents of those names, or of all, with their keys, in the order of a gathered release."""
    population = crew.population
    signers = population.signers
    vetting = Vetting(crew.retrieval)
    entries = {name: entry for entry in crew.scenario.population.trainers for name in entry.names}
    places = {name: place for place, name in enumerate(population.trainers)}
    for name in population.agents:
        if names is not None and name not in names:
            continue
        role: Role
        match population.role(name):
            case "publisher":
                role = _publisher(crew, config, plan, factory)
            case "evaluator":
                role = _evaluator(crew, name, vetting)
            case "member":
                role = _member(crew, name, places[name], entries[name])
            case "trainer":
                role = _trainer(crew, name, places[name], vetting, entries[name])
            case "keeper":
                role = Keeper(name=KEEPER)
            case unknown:
                raise ValueError(f"Nobody knows how to make {name!r}, a {unknown!r}.")
        yield role, signers[name]


def _permits(crew: Crew, name: str) -> PermitSource:
    return PermitSource(signer=crew.population.signers[name], node=crew.node)


def _services(crew: Crew, name: str) -> AgentServices:
    return AgentServices(
        engine=crew.engine,
        store=crew.store,
        retrieval=crew.retrieval,
        journal=crew.journal,
        permits=_permits(crew, name),
        observer=crew.observer,
        seeds=crew.seeds,
    )


def _data(crew: Crew, name: str) -> OwnData:
    share = crew.population.shares[name]
    return OwnData(samples=SamplesRef(TRAIN_SAMPLES, share), count=len(share))


def _publisher(crew: Crew, config: TaskConfig, plan: Task, factory: Address) -> Publisher:
    signers = crew.population.signers
    return Publisher(
        name=PUBLISHER,
        publication=Publication(
            factory=factory,
            kind=crew.population.kind,
            config=config,
            evaluators=tuple(signers[name].address for name in crew.population.founders),
            budget=plan.budget,
        ),
        contents=(plan.specification, plan.genesis),
        store=crew.store,
        permits=_permits(crew, PUBLISHER),
        observer=crew.observer,
    )


def _evaluator(crew: Crew, name: str, vetting: Vetting) -> Evaluator:
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
        services=_services(crew, name),
        conduct=_judge(crew, name, _entry_of(crew, name).behaviour),
        vetting=vetting,
    )


def _identity(crew: Crew, name: str, place: int) -> TrainerIdentity:
    return TrainerIdentity(
        name=name,
        address=crew.population.signers[name].address,
        chain_id=crew.node.chain_id,
        turn=place if crew.in_turn else None,
    )


def _trainer(crew: Crew, name: str, place: int, vetting: Vetting, entry: Trainers) -> Trainer:
    return Trainer(
        identity=_identity(crew, name, place),
        secret=crew.seeds.derive("secret", name),
        data=_data(crew, name),
        services=_services(crew, name),
        conduct=_conduct(crew, name, entry),
        vetting=vetting,
    )


def _member(crew: Crew, name: str, place: int, entry: Trainers) -> Member:
    return Member(
        identity=_identity(crew, name, place),
        secret=crew.seeds.derive("secret", name),
        data=_data(crew, name),
        held_out=HeldOut(key=held_out_key(name), count=len(crew.population.held_out[name])),
        services=_services(crew, name),
        conduct=_conduct(crew, name, entry),
        judging=_judge(crew, name, entry.judge),
        ballots=[_ballot(crew, vote) for vote in entry.votes],
    )


def _ballot(crew: Crew, vote: Vote) -> Ballot:
    about = vote.admit or vote.expel or ""
    return Ballot(
        account=crew.population.signers[about].address,
        admit=vote.admit is not None,
        since=vote.since,
        proposes=vote.proposes,
    )


def sight_of(scenario: Scenario, population: Population) -> Circle | None:
    """Everybody's circle, where an attack is said to know all models: the honest have to hand theirs over."""
    if not knows_all(scenario):
        return None
    return Circle({name: population.signers[name].address for name in population.trainers})


def knows_all(scenario: Scenario) -> bool:
    """Whether somebody's behaviour is given everybody's models."""
    return any(_behaviour(entry).sees_everybody for entry in scenario.population.present)


def _behaviour(entry: Trainers) -> Honest:
    return naming.behaviour(entry.behaviour.name, entry.behaviour.parameters)


def circles_of(scenario: Scenario, population: Population) -> dict[str, Circle]:
    """The circle that each participant shares with, by participant: that of its group."""
    account = {name: signer.address for name, signer in population.signers.items()}
    groups: dict[str, dict[str, Address]] = {}
    member_of: dict[str, str] = {}
    for entry in scenario.population.present:
        if entry.group is not None:
            for name in entry.names:
                groups.setdefault(entry.group, {})[name] = account[name]
                member_of[name] = entry.group
    circles = {group: Circle(members) for group, members in groups.items()}
    of_judges = {
        evaluator.name: circles[evaluator.group]
        for evaluator in scenario.population.evaluators
        if evaluator.group in circles
    }
    return {name: circles[group] for name, group in member_of.items()} | of_judges


def _conduct(crew: Crew, name: str, entry: Trainers) -> Conduct:
    return Conduct(
        behaviour=_behaviour(entry),
        plan=Plan(**entry.plan.model_dump()),
        seeds=crew.seeds,
        circle=crew.circles.get(name),
        sight=crew.sight,
    )


def _entry_of(crew: Crew, evaluator: str) -> EvaluatorEntry:
    return next(entry for entry in crew.scenario.population.evaluators if entry.name == evaluator)


def _judge(crew: Crew, name: str, behaviour: NamedEntry) -> JudgeConduct:
    return JudgeConduct(
        judge=naming.judge(behaviour.name, behaviour.parameters),
        seeds=crew.seeds,
        circle=crew.circles.get(name),
    )
