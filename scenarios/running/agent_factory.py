# SPDX-License-Identifier: Apache-2.0
"""Makes the agents of a scenario from its population: parameters go in, roles with their keys come out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bcfl.agents.adversaries import naming
from bcfl.agents.common.behaviour import Conduct, Honest, JudgeConduct, Plan
from bcfl.agents.common.circle import Circle
from bcfl.agents.common.decisions import Telling
from bcfl.agents.common.joining import TrainerIdentity
from bcfl.agents.common.keeper import Keeper
from bcfl.agents.common.publisher import Publication, Publisher
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.token_permits import PermitSource
from bcfl.agents.common.update_maker import OwnData
from bcfl.agents.consortium.ballots import Ballot
from bcfl.agents.consortium.member import HeldOut, Member
from bcfl.agents.crowdsourcing.aggregator import Aggregator
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.agents.crowdsourcing.evaluator import Evaluator, EvaluatorIdentity
from bcfl.agents.crowdsourcing.objecting.evaluation_check import EvaluationCheck
from bcfl.agents.crowdsourcing.target_loss import TargetLoss
from bcfl.agents.crowdsourcing.trainer import Trainer
from bcfl.agents.fleet.availability import Attendance, Availability
from bcfl.agents.relayer.handing_in import HandingIn
from bcfl.agents.relayer.intake import Intake
from bcfl.agents.relayer.local import LocalRelay
from bcfl.agents.relayer.relayer import Relayer
from bcfl.agents.runtime.ports import ContentStore, LearningEngine, Node, Observer
from bcfl.agents.runtime.shell import Role
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.ids import Address
from bcfl.models.training.job import SamplesRef
from bcfl.scenarios.definition.schema import Evaluator as EvaluatorEntry
from bcfl.scenarios.definition.schema import NamedEntry, Scenario, Trainers, Vote
from bcfl.scenarios.planning.population import (
    KEEPER,
    PUBLISHER,
    TRAIN_SAMPLES,
    VALIDATION_SAMPLES,
    Population,
    Task,
    held_out_key,
)
from bcfl.scenarios.planning.preflight import privacy_of
from bcfl.seeds import Seeds

__all__ = ("AgentParts", "circles_of", "knows_all", "make_agents", "sight_of")


@dataclass(frozen=True, kw_only=True)
class AgentParts:
    """What the agents of one process share.

    ``in_turn`` makes trainers join one after the other; ``intake`` is the relayer's, where it is among them.
    """

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
    intake: Intake | None = None


def make_agents(
    parts: AgentParts,
    *,
    config: TaskConfig,
    plan: Task,
    factory: Address,
    names: Collection[str] | None = None,
) -> Iterator[tuple[Role, Signer]]:
    """The agents of those names, or of all, with their keys, in the order of a gathered release."""
    population = parts.population
    signers = population.signers
    check = EvaluationCheck(parts.retrieval)
    entries = {name: entry for entry in parts.scenario.population.trainers for name in entry.names}
    places = {name: place for place, name in enumerate(population.trainers)}
    for name in population.agents:
        if names is not None and name not in names:
            continue
        role: Role
        match population.role(name):
            case "publisher":
                role = _publisher(parts, config, plan, factory)
            case "evaluator":
                role = _evaluator(parts, name, check)
            case "aggregator":
                role = Aggregator(name=name, account=signers[name].address, services=_services(parts, name))
            case "member":
                role = _member(parts, name, places[name], entries[name])
            case "trainer":
                role = _trainer(parts, name, places[name], check, entries[name])
            case "relayer":
                role = _relayer(parts, name, factory)
            case "keeper":
                role = Keeper(name=KEEPER)
            case unknown:
                raise ValueError(f"Nobody knows how to make {name!r}, a {unknown!r}.")
        yield role, signers[name]


def _permits(parts: AgentParts, name: str) -> PermitSource:
    return PermitSource(signer=parts.population.signers[name], node=parts.node)


def _services(parts: AgentParts, name: str) -> AgentServices:
    return AgentServices(
        engine=parts.engine,
        store=parts.store,
        retrieval=parts.retrieval,
        journal=parts.journal,
        permits=_permits(parts, name),
        observer=parts.observer,
        seeds=parts.seeds,
    )


def _data(parts: AgentParts, name: str, entry: Trainers) -> OwnData:
    share = parts.population.shares[name]
    return OwnData(
        samples=SamplesRef(TRAIN_SAMPLES, share), count=len(share), privacy=privacy_of(entry.privacy)
    )


def _publisher(parts: AgentParts, config: TaskConfig, plan: Task, factory: Address) -> Publisher:
    signers = parts.population.signers
    return Publisher(
        name=PUBLISHER,
        publication=Publication(
            factory=factory,
            kind=parts.population.kind,
            config=config,
            evaluators=tuple(signers[name].address for name in parts.population.founders),
            budget=plan.budget,
        ),
        contents=(plan.specification, plan.genesis),
        store=parts.store,
        permits=_permits(parts, PUBLISHER),
        observer=parts.observer,
        ending=_ending(parts),
    )


def _ending(parts: AgentParts) -> TargetLoss | None:
    target_loss = parts.scenario.task.target_loss
    if target_loss is None:
        return None
    return TargetLoss(
        target_loss=target_loss,
        retrieval=parts.retrieval,
        tell=Telling(observer=parts.observer, agent=PUBLISHER, role=Publisher.role),
    )


def _evaluator(parts: AgentParts, name: str, check: EvaluationCheck) -> Evaluator:
    validation = parts.population.validation
    return Evaluator(
        identity=EvaluatorIdentity(
            name=name,
            address=parts.population.signers[name].address,
            secret=parts.seeds.derive("secret", name),
            validation_digest=bytes.fromhex(validation.digest()),
        ),
        rounds=RoundEvaluator(
            engine=parts.engine,
            retrieval=parts.retrieval,
            samples_key=VALIDATION_SAMPLES,
            samples=len(validation),
        ),
        validation_samples=len(validation),
        services=_services(parts, name),
        conduct=_judge(parts, name, _entry_of(parts, name).behaviour),
        check=check,
    )


def _identity(parts: AgentParts, name: str, place: int) -> TrainerIdentity:
    return TrainerIdentity(
        name=name,
        address=parts.population.signers[name].address,
        chain_id=parts.node.chain_id,
        turn=place if parts.in_turn else None,
    )


def _trainer(parts: AgentParts, name: str, place: int, check: EvaluationCheck, entry: Trainers) -> Trainer:
    return Trainer(
        identity=_identity(parts, name, place),
        secret=parts.seeds.derive("secret", name),
        data=_data(parts, name, entry),
        services=_services(parts, name),
        conduct=_conduct(parts, name, entry),
        check=check,
        handing_in=_handing_in(parts, name),
    )


def _handing_in(parts: AgentParts, name: str) -> HandingIn | None:
    if parts.intake is None:
        return None
    return HandingIn(
        signer=parts.population.signers[name],
        chain_id=parts.node.chain_id,
        relays=[LocalRelay(intake=parts.intake)],
    )


def _relayer(parts: AgentParts, name: str, factory: Address) -> Relayer:
    if parts.intake is None:
        raise ValueError("A relayer takes messages in.")
    return Relayer(name=name, intake=parts.intake, factory=factory, store=parts.store)


def _member(parts: AgentParts, name: str, place: int, entry: Trainers) -> Member:
    return Member(
        identity=_identity(parts, name, place),
        secret=parts.seeds.derive("secret", name),
        data=_data(parts, name, entry),
        held_out=HeldOut(key=held_out_key(name), count=len(parts.population.held_out[name])),
        services=_services(parts, name),
        conduct=_conduct(parts, name, entry),
        judging=_judge(parts, name, entry.judge),
        ballots=[_ballot(parts, vote) for vote in entry.votes],
    )


def _ballot(parts: AgentParts, vote: Vote) -> Ballot:
    about = vote.admit or vote.expel or ""
    return Ballot(
        account=parts.population.signers[about].address,
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


def _conduct(parts: AgentParts, name: str, entry: Trainers) -> Conduct:
    return Conduct(
        behaviour=_behaviour(entry),
        plan=Plan(**entry.plan.model_dump()),
        seeds=parts.seeds,
        circle=parts.circles.get(name),
        sight=parts.sight,
        attendance=Attendance(availability=availability_of(entry), seeds=parts.seeds, name=name),
    )


def availability_of(entry: Trainers) -> Availability:
    """When the trainers of an entry are there."""
    given = entry.availability
    drawn = {
        key: None if of is None else of.create("distribution")
        for key, of in (("joins", given.joins), ("delay", given.delay_s), ("stays", given.stays))
    }
    return Availability(present=given.present, **drawn)


def _entry_of(parts: AgentParts, evaluator: str) -> EvaluatorEntry:
    return next(entry for entry in parts.scenario.population.evaluators if entry.name == evaluator)


def _judge(parts: AgentParts, name: str, behaviour: NamedEntry) -> JudgeConduct:
    return JudgeConduct(
        judge=naming.judge(behaviour.name, behaviour.parameters),
        seeds=parts.seeds,
        circle=parts.circles.get(name),
    )
