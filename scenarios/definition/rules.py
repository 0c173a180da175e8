# SPDX-License-Identifier: Apache-2.0
"""Rules of a scenario that span several keys, and the named entries with their parameters.

Whatever ``TrainingTask`` would refuse as ``InvalidConfig`` is refused here first, in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import reduce
from typing import Any

from bcfl.agents.adversaries import naming
from bcfl.contracts.phases import Kind
from bcfl.errors import RegistryError
from bcfl.models.declared import largest_round
from bcfl.models.errors import InvalidHyperparameters
from bcfl.models.training.hyperparameters import hyperparameters_of
from bcfl.registry import InvalidParameters
from bcfl.scenarios.definition.consortium_rules import check_consortium
from bcfl.scenarios.definition.crowd_rules import check_crowd, check_standbys
from bcfl.scenarios.definition.refusals import RuleBroken
from bcfl.scenarios.definition.schema import ENTRY_KINDS, NamedEntry, Scenario
from bcfl.scenarios.definition.schema_population import AvailabilityKeys
from bcfl.scenarios.definition.tokens import BASE_UNITS, CREDIT_UNIT, parse_tokens

__all__ = ("check",)

_LARGEST_COHORT = 2048
_LARGEST_TASK = 65_536
_LARGEST_CONSORTIUM = 256  # past members count
_LARGEST_ESCROW = (2**56 - 1) * CREDIT_UNIT
_RESERVED_NAMES = frozenset({"publisher", "keeper", "deployer", "relayer", "runner", "chain"})


def check(scenario: Scenario) -> None:
    """Raise at the first rule that a scenario breaks.

    Raises:
        RuleBroken: with the key to mend and how.
    """
    _check_population(scenario)
    consortium = scenario.kind is Kind.CONSORTIUM
    if not consortium:
        check_crowd(scenario)
    _check_reward(scenario)
    _check_deposits(scenario)
    _check_selection(scenario)
    _check_entries(scenario)
    if not consortium:
        check_standbys(scenario)
    _check_training(scenario)
    _check_score(scenario)
    if consortium:
        check_consortium(scenario)
    _check_behaviours(scenario)
    _check_services(scenario)


def _check_population(scenario: Scenario) -> None:
    trainers = scenario.population.trainers
    if sum(entry.count for entry in trainers) > _LARGEST_TASK:
        raise RuleBroken(
            ("population", "trainers"), f"has too many trainers; a task takes at most {_LARGEST_TASK:,}"
        )
    evaluators = scenario.evaluator_names
    if not scenario.trainer_names:
        raise RuleBroken(
            ("population", "trainers"), "are all absent; somebody has to train, so drop 'absent' of some"
        )
    for name in _RESERVED_NAMES.intersection((*evaluators, *scenario.data_owners)):
        raise RuleBroken(
            ("population", *_last_position(scenario, name), "name"),
            f"is '{name}', which the run's own log uses; give the participant another name",
        )
    for name, times in Counter((*evaluators, *scenario.data_owners)).items():
        if times == 1:
            continue
        raise RuleBroken(
            ("population", *_last_position(scenario, name), "name"),
            f"gives the name '{name}' a second time; give every participant its own",
        )
    builder = scenario.aggregator_name
    if builder in {*_RESERVED_NAMES, *evaluators, *scenario.data_owners}:
        raise RuleBroken(
            ("task", "aggregator_role"),
            f"is '{builder}', who is somebody else already; a crowd's aggregator does nothing but build its models: give it a name of its own",
        )
    membership = scenario.task.membership
    if membership.capacity is not None and membership.capacity < membership.minimum:
        raise RuleBroken(
            ("task", "membership", "capacity"),
            f"is {membership.capacity}, below the minimum; write at least {membership.minimum}",
        )
    if membership.minimum > min(scenario.capacity, len(scenario.trainer_names)):
        raise RuleBroken(
            ("task", "membership", "minimum"),
            f"is {membership.minimum}, but only {len(scenario.trainer_names)} can join; "
            f"write at most {min(scenario.capacity, len(scenario.trainer_names))}, or add trainers",
        )
    _check_shares(scenario)


def _last_position(scenario: Scenario, name: str) -> tuple[str, int]:
    for position in reversed(range(len(scenario.population.trainers))):
        if name in scenario.population.trainers[position].names:
            return "trainers", position
    return "evaluators", len(scenario.evaluator_names) - 1 - scenario.evaluator_names[::-1].index(name)


def _check_shares(scenario: Scenario) -> None:
    given = [
        position for position, entry in enumerate(scenario.population.trainers) if entry.share is not None
    ]
    partition = scenario.data.partition
    if given and partition.name != "by_size":
        raise RuleBroken(
            ("population", "trainers", given[0], "share"),
            f"has no meaning with the partition '{partition.name}'; write 'by_size' at data.partition, or drop the shares",
        )
    if given and "ratios" in partition.parameters:
        raise RuleBroken(
            ("data", "partition", "ratios"), "says again what the trainers' shares say; keep one of the two"
        )
    missing = [position for position in range(len(scenario.population.trainers)) if position not in given]
    if given and missing:
        raise RuleBroken(
            ("population", "trainers", missing[0]),
            "has no share although others have; give every trainer one, or none",
        )
    ratios = partition.parameters.get("ratios")
    if isinstance(ratios, list) and len(ratios) != len(scenario.data_owners):
        raise RuleBroken(
            ("data", "partition", "ratios"),
            f"has {len(ratios)} values for {len(scenario.data_owners)} trainers; write one a trainer",
        )


def _check_reward(scenario: Scenario) -> None:
    reward = scenario.task.reward
    budget = parse_tokens(reward.budget)
    if budget == 0:
        raise RuleBroken(
            ("task", "reward", "budget"), 'is zero; write what the task may pay in all, for example "100"'
        )
    if reward.mode == "rate":
        if reward.per_round is not None:
            raise RuleBroken(
                ("task", "reward", "per_round"),
                "has no meaning with mode 'rate'; drop it, or write mode: round_budget",
            )
        if parse_tokens(reward.rate) == 0:
            raise RuleBroken(
                ("task", "reward", "rate"), 'is zero; write the tokens for a unit of score, for example "1"'
            )
        return
    if reward.per_round is None or parse_tokens(reward.per_round) == 0:
        raise RuleBroken(
            ("task", "reward"),
            "has mode 'round_budget' but no 'per_round'; write the tokens that a round pays",
        )
    if parse_tokens(reward.per_round) * scenario.task.rounds > budget:
        raise RuleBroken(
            ("task", "reward", "per_round"),
            f"times {scenario.task.rounds} rounds is more than the budget of {reward.budget} tokens; write less, or raise it",
        )


def _check_deposits(scenario: Scenario) -> None:
    reward, membership = scenario.task.reward, scenario.task.membership
    budget, stake = parse_tokens(reward.budget), parse_tokens(membership.stake)
    crowd = scenario.kind is Kind.CROWDSOURCING
    if membership.bond is not None and crowd:
        least = budget // scenario.task.rounds if reward.per_round is None else parse_tokens(reward.per_round)
        if scenario.bond < least:
            raise RuleBroken(
                ("task", "membership", "bond"),
                "does not cover a round; write at least what one round may pay (the budget divided by the rounds), or null",
            )
    bonds = scenario.bond * (len(scenario.evaluator_names) if crowd else _LARGEST_CONSORTIUM)
    if budget + stake * _LARGEST_TASK + bonds > _LARGEST_ESCROW:
        key = ("task", "membership", "stake") if stake else ("task", "reward", "budget")
        raise RuleBroken(
            key,
            f"is too large: budget, bonds and the stakes of {_LARGEST_TASK:,} members together may be at most "
            f"{_LARGEST_ESCROW // BASE_UNITS:,} tokens; write less",
        )


def _check_selection(scenario: Scenario) -> None:
    selection = scenario.task.selection
    trainers = len(scenario.trainer_names)
    key = ("task", "selection", "cohort")
    if selection.rule == "all" and selection.cohort is not None:
        raise RuleBroken(key, "has no meaning with the rule 'all'; drop it, or write rule: random")
    if selection.rule != "all" and selection.cohort is None:
        raise RuleBroken(
            ("task", "selection"),
            f"has the rule '{selection.rule}' but no 'cohort'; write how many train in a round",
        )
    if selection.cohort is not None and selection.cohort > trainers:
        raise RuleBroken(
            key, f"is {selection.cohort}, more than the {trainers} trainers; write at most {trainers}"
        )
    if selection.rule == "all" and trainers > _LARGEST_COHORT:
        raise RuleBroken(
            ("task", "selection"),
            f"takes all {trainers:,} trainers, but a round takes at most {_LARGEST_COHORT:,}; "
            f"write a rule with a cohort, for example {{rule: random, cohort: {_LARGEST_COHORT}}}",
        )
    if selection.rule == "all" and scenario.capacity > _LARGEST_COHORT:
        raise RuleBroken(
            ("task", "membership", "capacity"),
            f"is more than the {_LARGEST_COHORT:,} that the rule 'all' can take; write at most that, or a rule with a cohort",
        )


def _check_training(scenario: Scenario) -> None:
    """A schedule may come to nothing before the last round."""
    try:
        hyperparameters_of(scenario.task.training.stated(), scenario.task.rounds)
    except InvalidHyperparameters:
        raise RuleBroken(
            ("task", "training", "schedule"),
            f"leaves no learning rate in round {scenario.task.rounds}; write a slower one, or fewer rounds",
        ) from None


def _check_score(scenario: Scenario) -> None:
    most = largest_round(scenario.task.score.create("score"))
    if most is not None and scenario.cohort > most:
        raise RuleBroken(
            ("task", "score"),
            f"is '{scenario.task.score.name}', which takes at most {most} trainers a round, not {scenario.cohort}; "
            "write 'shapley_fitted', 'leave_one_out' or 'step', or draw a smaller cohort",
        )


def _check_entries(scenario: Scenario) -> None:
    for key, kind in ENTRY_KINDS.items():
        written: Any = reduce(getattr, key, scenario)
        entry: NamedEntry = scenario.partition if key == ("data", "partition") else written
        if entry.name == "by_size" and kind == "partition" and "ratios" not in entry.parameters:
            raise RuleBroken(
                key, "is 'by_size' but no trainer has a share; write 'share: N' at every trainer"
            )
        try:
            entry.create(kind)
        except InvalidParameters as error:
            at = (error.parameter,) if error.parameter in entry.parameters else ()
            raise RuleBroken((*key, *at), _clause(error)) from error
        except RegistryError as error:
            raise RuleBroken(key, _clause(error)) from error


def _check_behaviours(scenario: Scenario) -> None:
    for place, trainers in enumerate(scenario.population.trainers):
        key = ("population", "trainers", place)
        _check_behaviour((*key, "behaviour"), trainers.behaviour, naming.behaviour)
        _check_behaviour((*key, "judge"), trainers.judge, naming.judge)
        _check_availability((*key, "availability"), trainers.availability)
        plan = trainers.plan
        if plan.stop is not None and plan.stop < plan.start:
            raise RuleBroken(
                (*key, "plan", "stop"), f"is {plan.stop}, before the start; write at least {plan.start}"
            )
    for place, evaluator in enumerate(scenario.population.evaluators):
        key = ("population", "evaluators", place)
        _check_behaviour((*key, "behaviour"), evaluator.behaviour, naming.judge)


def _check_availability(key: tuple[str | int, ...], given: AvailabilityKeys) -> None:
    for name, entry in (("joins", given.joins), ("delay_s", given.delay_s), ("stays", given.stays)):
        if entry is None:
            continue
        try:
            entry.create("distribution")
        except RegistryError as error:
            raise RuleBroken((*key, name), _clause(error)) from error


def _check_behaviour(
    key: tuple[str | int, ...], entry: NamedEntry, make: Callable[[str, dict[str, object]], object]
) -> None:
    try:
        make(entry.name, entry.parameters)
    except InvalidParameters as error:
        at = (error.parameter,) if error.parameter in entry.parameters else ()
        raise RuleBroken((*key, *at), _clause(error)) from error
    except RegistryError as error:
        raise RuleBroken(key, _clause(error)) from error


def _clause(error: RegistryError) -> str:
    return f"cannot be used: {str(error).rstrip('.')}; 'bcfl catalog' shows every name and parameter"


def _check_services(scenario: Scenario) -> None:
    storage, chain = scenario.storage, scenario.chain
    if storage.url is not None and storage.kind != "kubo":
        raise RuleBroken(
            ("storage", "url"), f"has no meaning with the kind '{storage.kind}'; drop it, or write kind: kubo"
        )
    if chain.url is not None and chain.block_time is not None:
        raise RuleBroken(
            ("chain", "block_time"), "is for the built-in devnet only; drop it, or drop chain.url"
        )
    if chain.funder is not None and chain.url is None:
        raise RuleBroken(("chain", "funder"), "is for another node only; drop it, or write chain.url")
