# SPDX-License-Identifier: Apache-2.0
"""A run in several processes: which participants may act apart from each other, and when all have ended.

The process that ``bcfl run --only`` starts sets up the chain and hosts the publisher; ``bcfl agent`` hosts others. They
have the node, the store and the run directory in common, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import anyio

from bcfl.registry import nearest
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import NotApart, UnknownParticipant
from bcfl.scenarios.planning.population import KEEPER, PUBLISHER, relayer_of
from bcfl.scenarios.running.agent_factory import knows_all

__all__ = ("AGENT_ENDED", "agents_ended", "check_agents", "check_host")

AGENT_ENDED = "agent_ended"
"""The last record of a participant in a process of its own."""

_PATIENCE_S = 30.0
_PAUSE_S = 0.1


def check_host(scenario: Scenario, names: Collection[str]) -> None:
    """Refuse what a host of these participants could not carry out.

    Raises:
        UnknownParticipant: nobody is called so.
        NotApart: the publisher is elsewhere, time or store cannot be shared, or accomplices would be separated.
    """
    _check_names(scenario, names)
    if PUBLISHER not in names:
        raise NotApart("Who sets up the run has to publish its task: add 'publisher' to --only.")
    _check_shared(scenario)
    _check_together(scenario, names)


def check_agents(scenario: Scenario, names: Collection[str]) -> None:
    """Refuse what a process of these participants could not carry out; raises as ``check_host``."""
    _check_names(scenario, names)
    _check_shared(scenario)
    _check_together(scenario, names)


async def agents_ended(directory: RunDirectory, names: Sequence[str]) -> None:
    """Wait until these participants have written that they are through; who stays silent is given up after a while."""
    left = set(names)
    with anyio.move_on_after(_PATIENCE_S):
        while left:
            left -= {name for name in left if _has_ended(directory, name)}
            await anyio.sleep(_PAUSE_S)


def _has_ended(directory: RunDirectory, name: str) -> bool:
    return any(record["event"] == AGENT_ENDED for record in directory.agent_events(name))


def _check_names(scenario: Scenario, names: Collection[str]) -> None:
    some = [name for name in (scenario.aggregator_name, relayer_of(scenario)) if name is not None]
    known = [PUBLISHER, KEEPER, *scenario.evaluator_names, *some, *scenario.trainer_names]
    for name in names:
        if name not in known:
            raise UnknownParticipant(f"Nobody in '{scenario.name}' is called '{name}'{nearest(name, known)}.")


def _check_shared(scenario: Scenario) -> None:
    if scenario.chain.driven:
        raise NotApart(
            "One process drives this run's clock, so it has to host everybody: give all the same time with "
            "--set chain.block_time=1, or a node with --set chain.url=ws://host:port."
        )
    if scenario.storage.kind == "memory":
        raise NotApart("A store in memory is one process's own: write directory or kubo at storage.kind.")


def _check_together(scenario: Scenario, names: Collection[str]) -> None:
    """Accomplices hand each other what they know within one process."""
    groups: dict[str, set[str]] = {}
    for entry in scenario.population.present:
        if entry.group is not None:
            groups.setdefault(entry.group, set()).update(entry.names)
    for evaluator in scenario.population.evaluators:
        if evaluator.group in groups:
            groups[evaluator.group].add(evaluator.name)
    if knows_all(scenario):
        groups["everybody"] = set(scenario.trainer_names)
    for group, members in groups.items():
        apart = members.difference(names)
        if apart and apart != members:
            raise NotApart(
                f"The participants of '{group}' share what they know within one process: take "
                f"{', '.join(sorted(apart))} along, or leave all of them to another."
            )
