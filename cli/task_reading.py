# SPDX-License-Identifier: Apache-2.0
"""Tasks as the chain and the store tell of them, for commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import Surroundings, address_of

if TYPE_CHECKING:
    from bcfl.contracts.ids import Address
    from bcfl.contracts.specification import Specification
    from bcfl.contracts.state import TaskState

__all__ = (
    "facts_of",
    "json_option",
    "kind_word",
    "members_of",
    "read_specification",
    "read_state",
    "read_states",
    "say",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


def read_states(here: Surroundings, only: Address | None = None) -> dict[Address, TaskState]:
    """The tasks of the network's factory, or one of them, as they stand now."""

    async def read() -> dict[Address, TaskState]:
        from bcfl.agents.hosting.past import read_tasks

        async with here.node() as node:
            return await read_tasks(node, here.factory, from_block=here.network.from_block, only=only)

    return run_until_stopped(read)


def read_state(here: Surroundings, address: str) -> TaskState:
    """One task; raises ``click.UsageError`` where the factory made none there."""
    wanted = address_of(address, "ADDRESS")
    found = read_states(here, wanted).get(wanted)
    if found is None:
        raise click.UsageError(
            f"The factory {here.factory} on '{here.name}' made no task {wanted}: 'bcfl task list' shows those that it made."
        )
    return found


def read_specification(here: Surroundings, state: TaskState) -> dict[str, Any] | None:
    """What the store has of a task's specification; None where there is no store, or it does not have it."""
    if (here.settings.store or here.network.store) is None:
        return None
    kind, location = here.store()

    async def read() -> Specification | None:
        from bcfl.agents.common.retrieval import Retrieval
        from bcfl.contracts.errors import MalformedSpecification
        from bcfl.errors import StorageError
        from bcfl.storage.opening import open_store

        async with open_store(kind, location) as store:
            try:
                return await Retrieval(store, deadline_s=10).specification(state.config.specification)
            except (StorageError, MalformedSpecification):
                return None

    found = run_until_stopped(read)
    return None if found is None else json.loads(found.encode())


def kind_word(state: TaskState) -> str:
    """``crowdsourcing`` or ``consortium``."""
    from bcfl.agents.hosting.programs import kind_of

    return kind_of(state).name.lower()


def facts_of(state: TaskState) -> dict[str, Any]:
    """A task as JSON values, without its members; amounts in tokens."""
    return {
        "task": state.address,
        "kind": kind_word(state),
        "publisher": state.publisher,
        "token": state.token,
        "phase": state.phase.name.lower(),
        "round": state.round,
        "rounds": state.config.rounds,
        "budget": state.budget / 1e9,
        "escrow": state.escrow / 1e9,
        "stake": state.config.stake / 1e9,
        "bond": state.config.bond / 1e9,
        "members_now": len(state.active_members),
        "capacity": state.config.capacity,
    }


def members_of(state: TaskState) -> list[dict[str, Any]]:
    """A task's members as JSON values; amounts in tokens."""
    from bcfl.views.kit.verdicts import standing_words

    return [
        {
            "index": index,
            "account": member.account,
            "standing": standing_words(member),
            "earned": member.earned / 1e9,
            "paid": member.withdrawn / 1e9,
        }
        for index, member in state.members.items()
    ]


def say(as_json: bool, facts: dict[str, Any], words: str) -> None:
    """One or the other."""
    click.echo(json.dumps(facts) if as_json else words)
