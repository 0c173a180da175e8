# SPDX-License-Identifier: Apache-2.0
"""``bcfl task list|show|watch|objections``: what there is, and what goes on."""

from __future__ import annotations

import json
from typing import Any

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import network_option, store_option, surroundings
from bcfl.cli.task_reading import (
    facts_of,
    json_option,
    kind_word,
    members_of,
    read_specification,
    read_state,
    read_states,
)

__all__ = ("list_tasks", "objections", "show", "watch")


@click.command("list")
@network_option
@click.option("--all", "ended_too", is_flag=True, help="Those that have ended, too.")
@json_option
def list_tasks(network: str | None, ended_too: bool, as_json: bool) -> None:
    """Print the tasks of the network's factory."""
    here = surroundings(network=network)
    states = [state for state in read_states(here).values() if ended_too or not state.ended]
    if as_json:
        click.echo(json.dumps([facts_of(state) for state in states]))
        return
    for state in states:
        click.echo(
            f"{state.address}  {kind_word(state):13}  {state.phase.name.lower():11}  round {state.round} of {state.config.rounds}  "
            f"{len(state.active_members)} of {state.config.capacity} members  {state.escrow / 1e9:g} tokens left"
        )
    if not states:
        click.echo(f"There is no {'' if ended_too else 'living '}task on '{here.name}'.", err=True)


@click.command
@click.argument("address")
@network_option
@store_option
@json_option
def show(address: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - settings
    """Print what is known of the task at ADDRESS: its terms, its members, what they earned."""
    here = surroundings(**given)
    state = read_state(here, address)
    members = members_of(state)
    facts = facts_of(state) | {"members": members}
    specification = read_specification(here, state)
    if specification is not None:
        facts["specification"] = specification
    if as_json:
        click.echo(json.dumps(facts))
        return
    from bcfl.storage.content_id import cid_text

    click.echo(f"task {state.address}, {kind_word(state)}, published by {state.publisher}")
    click.echo(
        f"{state.phase.name.lower()}, round {state.round} of {state.config.rounds}, model {cid_text(state.model)}"
    )
    click.echo(
        f"budget {state.budget / 1e9:g} tokens, {state.escrow / 1e9:g} left; stake {state.config.stake / 1e9:g}, bond {state.config.bond / 1e9:g}"
    )
    if specification is not None:
        network, training = specification["network"], specification["training"]
        click.echo(
            f"{specification['title']!r}: {network['name']} {network['parameters']}, training {training}"
        )
    for member in members:
        click.echo(
            f"  {member['account']}  {member['standing']:24}  earned {member['earned']:g}, paid {member['paid']:g}"
        )


@click.command
@click.argument("address")
@network_option
@store_option
def watch(address: str, **given: Any) -> None:  # noqa: ANN401 - settings
    """Tell of each round of the task at ADDRESS as it is settled, until the task has ended."""
    here = surroundings(**given)
    state = read_state(here, address)
    kind, location = here.store()

    async def follow() -> None:
        from bcfl.agents.common.retrieval import Retrieval
        from bcfl.cli.track import telling
        from bcfl.scenarios.following.chain import Place, follow_chain
        from bcfl.storage.opening import open_store

        place = Place(
            factory=here.factory,
            task=state.address,
            first_block=here.network.from_block,
            confirmations=here.network.confirmations,
        )
        async with here.node() as node, open_store(kind, location) as contents:
            await follow_chain(node, Retrieval(contents, deadline_s=10), place, telling(()))

    run_until_stopped(follow)


@click.command
@click.argument("address")
@network_option
@json_option
def objections(address: str, network: str | None, as_json: bool) -> None:
    """Print which evaluations of the task at ADDRESS members objected to, and what came of it."""
    from bcfl.contracts.crowd_state import CrowdState

    here = surroundings(network=network)
    state = read_state(here, address)
    if not isinstance(state, CrowdState):
        raise click.UsageError(
            f"{state.address} is a consortium's, whose members judge each other; only a crowd has an evaluator."
        )
    found: list[dict[str, Any]] = [
        {
            "round": number,
            "objecting": [state.members[index].account for index in record.objections],
            "blaming": [state.members[index].account for index in record.blaming],
            "upheld": record.reverted,
        }
        for number, record in state.rounds.items()
        if record.objections
    ]
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        click.echo(
            f"round {one['round']}: {len(one['objecting'])} object, {len(one['blaming'])} blame the evaluator; {'upheld' if one['upheld'] else 'not upheld'}"
        )
    if not found:
        click.echo("Nobody has objected.", err=True)
