# SPDX-License-Identifier: Apache-2.0
"""What a consortium asks of a scenario beyond what every task does.

Whatever ``ConsortiumTask`` would refuse as ``InvalidConfig`` is refused here first, in words.
"""

from __future__ import annotations

from bcfl.models.declared import is_private
from bcfl.models.defences.bounds import Bounded
from bcfl.scenarios.definition.refusals import RuleBroken
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.definition.tokens import CREDIT_UNIT, parse_tokens

__all__ = ("check_consortium",)

_MEMBERS = (2, 16)
_WIDEST_TOLERANCE = 2 * CREDIT_UNIT
"""Two ways to share out the same round differ by at most 2 in all."""


def check_consortium(scenario: Scenario) -> None:
    """Raise at the first rule of a consortium that a scenario breaks.

    Raises:
        RuleBroken: with the key to mend and how.
    """
    _check_members(scenario)
    _check_votes(scenario)
    _check_crowds_keys(scenario)
    _check_round(scenario)
    _check_pay(scenario)
    role = scenario.task.aggregator_role
    if role is not None and role not in scenario.trainer_names:
        raise RuleBroken(
            ("task", "aggregator_role"),
            f"is '{role}', who is no member; write the name of one, or null for everybody's own sum",
        )
    if len(set(scenario.baselines)) < len(scenario.baselines):
        raise RuleBroken(("baselines",), "names the same comparison twice; write each once")


def _check_members(scenario: Scenario) -> None:
    least, most = _MEMBERS
    members = len(scenario.trainer_names)
    if not least <= members <= most:
        raise RuleBroken(
            ("population", "trainers"), f"has {members} members; a consortium is of {least} to {most}"
        )
    if scenario.capacity > most:
        raise RuleBroken(
            ("task", "membership", "capacity"),
            f"is {scenario.capacity}; a consortium has at most {most} members",
        )


def _check_votes(scenario: Scenario) -> None:
    if len(scenario.founder_names) < _MEMBERS[0]:
        raise RuleBroken(
            ("population", "trainers"),
            f"has too few founders ({len(scenario.founder_names)}); two at least must be there to let others in",
        )
    for place, entry in enumerate(scenario.population.trainers):
        for number, vote in enumerate(entry.votes):
            key = ("population", "trainers", place, "votes", number)
            if (vote.admit is None) == (vote.expel is None):
                raise RuleBroken(key, "says whom to admit or whom to expel, one of the two")
            about = vote.admit or vote.expel
            if about not in scenario.trainer_names:
                raise RuleBroken(key, f"is about '{about}', who is nobody of population.trainers")


def _check_crowds_keys(scenario: Scenario) -> None:
    if scenario.population.evaluators:
        raise RuleBroken(
            ("population", "evaluators"),
            "has no meaning in a consortium, whose members judge each other; drop it",
        )
    for place, entry in enumerate(scenario.population.trainers):
        if entry.availability.joins is not None or entry.availability.stays is not None:
            raise RuleBroken(
                ("population", "trainers", place, "availability"),
                "has 'joins' or 'stays'; who comes to a consortium and who goes is its members' to vote for, so write 'votes'",
            )
    if scenario.data.validation.samples is not None:
        raise RuleBroken(
            ("data", "validation", "samples"),
            "is of a crowd's evaluator; drop it, or write 'share', the part of its data that each member judges on",
        )

    if scenario.task.reported_samples is not None:
        raise RuleBroken(
            ("task", "reported_samples"),
            "has a meaning in a crowd only; a consortium's members measure what they judge; drop it",
        )
    if scenario.task.reward.timeliness:
        raise RuleBroken(
            ("task", "reward", "timeliness"),
            "is of a crowd, whose evaluator sees when each update came; drop it",
        )
    if scenario.task.target_loss is not None:
        raise RuleBroken(
            ("task", "target_loss"), "is of a crowd, whose evaluator says what a model's loss is; drop it"
        )


def _check_round(scenario: Scenario) -> None:
    """How updates come in and become a model: every member has to be able to judge them and to repeat the sum."""
    task = scenario.task
    for key, given in (("relayed", task.intake.relayed), ("rooted", task.intake.rooted)):
        if given:
            raise RuleBroken(
                ("task", "intake", key),
                "is not for a consortium, whose members send for themselves; write false",
            )
    if not task.intake.commit_reveal:
        raise RuleBroken(
            ("task", "intake", "commit_reveal"),
            "is false; in a consortium updates are committed to before they are shown, so write true",
        )
    if task.selection.rule != "all":
        raise RuleBroken(
            ("task", "selection"),
            f"has the rule '{task.selection.rule}'; in a consortium everybody trains in every round, so write all",
        )
    defence = task.defence.create("defence")
    if not isinstance(defence, Bounded) or defence.words:
        raise RuleBroken(
            ("task", "defence"),
            f"is '{task.defence.name}', which an evaluator uses; in a consortium the median of the members' scores "
            "decides, so write none",
        )
    if is_private(task.aggregator.create("aggregator")):
        raise RuleBroken(
            ("task", "aggregator"),
            f"is '{task.aggregator.name}', which decides by samples of its own; the members could not agree on a "
            "model, so write a rule that needs the updates alone, such as fedavg or median",
        )


def _check_pay(scenario: Scenario) -> None:
    task = scenario.task
    if task.reward.mode != "round_budget":
        raise RuleBroken(
            ("task", "reward", "mode"),
            "is 'rate', but a consortium's scores are parts of a round; write round_budget, and 'per_round' beside it",
        )
    of_round = parse_tokens(task.reward.per_round or "0") + scenario.evaluation_pool
    if of_round * task.rounds > parse_tokens(task.reward.budget):
        raise RuleBroken(
            ("task", "evaluation", "pool"),
            f"and 'per_round' times {task.rounds} rounds are more than the budget of {task.reward.budget} tokens; "
            "write less, or raise it (null is a fifth of 'per_round')",
        )
    if not 0 < scenario.tolerance <= _WIDEST_TOLERANCE:
        raise RuleBroken(
            ("task", "evaluation", "tolerance"),
            f'is {task.evaluation.tolerance}; write more than 0 and at most 2, for example "0.5"',
        )
