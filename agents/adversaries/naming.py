# SPDX-License-Identifier: Apache-2.0
"""From a name in a scenario to a behaviour: attacks on updates and on data get their wrapper here."""

from __future__ import annotations

from collections.abc import Mapping

from bcfl import registry
from bcfl.agents.adversaries.poisoners import DataPoisoner, Poisoner
from bcfl.agents.common.behaviour import HONEST, HONEST_JUDGE, Honest, HonestJudge
from bcfl.registry import UnknownEntry

__all__ = ("BEHAVIOUR_KINDS", "HONEST_NAME", "behaviour", "judge")

HONEST_NAME = "honest"
BEHAVIOUR_KINDS = ("attack", "data_attack", "behaviour")
"""Kinds of entries that a trainer may behave as."""


def behaviour(name: str, parameters: Mapping[str, object]) -> Honest:
    """A trainer's behaviour.

    Raises:
        UnknownEntry: nothing of that name.
        InvalidParameters: it cannot take the parameters.
    """
    if name == HONEST_NAME and not parameters:
        return HONEST
    known = {entry.name: kind for kind in BEHAVIOUR_KINDS for entry in registry.entries(kind)}
    if name not in known:
        names = [HONEST_NAME, *known]
        raise UnknownEntry(f"There is no behaviour named '{name}'{registry.nearest(name, names)}.")
    made = registry.create(known[name], name, parameters)
    match known[name]:
        case "attack":
            return Poisoner(attack=made)
        case "data_attack":
            return DataPoisoner(attack=made)
        case _:
            assert isinstance(made, Honest)  # noqa: S101 - what the kind promises
            return made


def judge(name: str, parameters: Mapping[str, object]) -> HonestJudge:
    """An evaluator's behaviour; raises as ``behaviour``."""
    if name == HONEST_NAME and not parameters:
        return HONEST_JUDGE
    made = registry.create("judge", name, parameters)
    assert isinstance(made, HonestJudge)  # noqa: S101 - what the kind promises
    return made
