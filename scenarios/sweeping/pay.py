# SPDX-License-Identifier: Apache-2.0
"""What a cell's pay is held against: the quality of everybody's data, and the round in which there was least to gain."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.outcome.summary import Summary

__all__ = ("last_round", "sound_samples")


def last_round(summary: Summary, adversaries: Collection[str]) -> dict[str, float | None]:
    """How a run's last round paid: beside the first, the honest, and the adversaries; None where it paid nothing."""
    paid = [{name: int(amount) for name, amount in done.tokens.items()} for done in summary.rounds]
    if not paid:
        return {}
    first, last = sum(paid[0].values()), sum(paid[-1].values())
    honest = [
        name
        for name, who in summary.participants.items()
        if who.role in {"trainer", "member"} and name not in adversaries and who.ejected_round is None
    ]
    of_adversaries = sum(amount for name, amount in paid[-1].items() if name in adversaries)
    return {
        "last_round_pay": last / first if first else None,
        "last_paid_honest": sum(paid[-1].get(name, 0) > 0 for name in honest) / len(honest)
        if honest
        else None,
        "last_reward_share": of_adversaries / last if last and adversaries else None,
    }


def sound_samples(scenario: Scenario, samples: Mapping[str, int]) -> dict[str, float]:
    """How many of each one's ``samples`` have the label that they had in the data, for who says how many it has."""
    return {
        name: samples[name] * (1 - entry.flipped)
        for entry in scenario.population.trainers
        for name in entry.names
        if name in samples
    }
