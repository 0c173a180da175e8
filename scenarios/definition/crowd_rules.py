# SPDX-License-Identifier: Apache-2.0
"""What a crowd asks of a scenario beyond what every task does."""

from __future__ import annotations

from bcfl.agents.adversaries.naming import HONEST_NAME
from bcfl.models.declared import is_stateless
from bcfl.scenarios.definition.refusals import RuleBroken
from bcfl.scenarios.definition.schema import EvaluationKeys, Scenario

__all__ = ("check_crowd", "check_standbys")


def check_crowd(scenario: Scenario) -> None:
    """Raise at the first key of a crowd that only a consortium has, or at a missing evaluator.

    Raises:
        RuleBroken: with the key to mend and how.
    """
    if not scenario.population.evaluators:
        raise RuleBroken(
            ("population", "evaluators"),
            "is missing; write a list, for example 'evaluators: [{name: alice}]'",
        )
    task = scenario.task
    consortiums: dict[tuple[str | int, ...], bool] = {
        ("task", "evaluation"): task.evaluation != EvaluationKeys(),
        ("data", "validation", "share"): scenario.data.validation.share is not None,
        ("baselines",): bool(scenario.baselines),
    }
    for place, entry in enumerate(scenario.population.trainers):
        consortiums["population", "trainers", place, "judge"] = entry.judge.name != HONEST_NAME
        consortiums["population", "trainers", place, "founder"] = not entry.founder
        consortiums["population", "trainers", place, "votes"] = bool(entry.votes)
    for key, given in consortiums.items():
        if given:
            raise RuleBroken(
                key, "has a meaning in a consortium only; drop it, or write kind: consortium at task.kind"
            )
    _check_rooted(scenario)


def _check_rooted(scenario: Scenario) -> None:
    """Roots are what a relayer brings of signed commitments, and show the contract no digests."""
    intake = scenario.task.intake
    if not intake.rooted:
        return
    if not intake.relayed:
        raise RuleBroken(
            ("task", "intake", "rooted"),
            "is true, and roots are a relayer's; write true at task.intake.relayed too, or drop it",
        )
    if not intake.commit_reveal:
        raise RuleBroken(
            ("task", "intake", "commit_reveal"),
            "is false; a root stands for commitments, so write true, or drop task.intake.rooted",
        )
    if intake.unique_digests:
        raise RuleBroken(
            ("task", "intake", "unique_digests"),
            "is true, and with task.intake.rooted the contract sees no digests: its evaluator keeps who was first; drop it",
        )


def check_standbys(scenario: Scenario) -> None:
    """Raise where an evaluator that takes over could not do its work.

    Raises:
        RuleBroken: with the key to mend and how.
    """
    retention, defence = scenario.task.retention, scenario.task.defence
    if len(scenario.evaluator_names) == 1 or is_stateless(defence.create("defence")):
        return
    for key, kept in (("updates", retention.updates), ("models", retention.models)):
        if kept is not None:
            raise RuleBroken(
                ("task", "retention", key),
                f"is {kept}, and an evaluator that takes over judges all earlier updates anew, from the models that they began with, for the defence '{defence.name}'; "
                "write null, name one evaluator, or take a defence without a memory",
            )
