# SPDX-License-Identifier: Apache-2.0
"""``bcfl task create|join|leave|cancel|withdraw``: what a person does by hand, a transaction each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import (
    Surroundings,
    address_of,
    key_options,
    network_option,
    store_option,
    surroundings,
)
from bcfl.cli.task_reading import json_option, read_state, say

if TYPE_CHECKING:
    from bcfl.contracts.calls import Call
    from bcfl.contracts.ids import Address
    from bcfl.contracts.state import TaskState

__all__ = ("cancel", "create", "join", "leave", "withdraw")


@click.command
@click.argument("file", type=click.Path(path_type=Path))
@network_option
@key_options
@store_option
@click.option(
    "--evaluator",
    "evaluators",
    multiple=True,
    metavar="ADDRESS",
    help="Who judges a crowd's updates; the first is active, the others stand by.",
)
@click.option(
    "--member", "members", multiple=True, metavar="ADDRESS", help="Who may join a consortium from the start."
)
@click.option(
    "--aggregator",
    metavar="ADDRESS",
    help="Who builds the models; of a consortium one of its members (default: the evaluator, or each member).",
)
@click.option(
    "--rooter",
    metavar="ADDRESS",
    help="The relayer that posts roots of commitments whose entries are in the store: less gas, weaker trust (default: nobody).",
)
@click.option(
    "--kernel",
    type=click.Choice(["torch", "lanes"]),
    default="torch",
    help="What computes it at everybody's: lanes gives the same bits on every machine that has it (default: torch).",
)
@click.option("--token", metavar="ADDRESS", help="What it pays in (default: the network's).")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A key of the task, as task.rounds=3."
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the model of task.genesis is looked for first."
)
@json_option
def create(
    file: Path,
    evaluators: tuple[str, ...],
    members: tuple[str, ...],
    aggregator: str | None,
    rooter: str | None,
    kernel: Literal["torch", "lanes"],
    token: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
    **given: Any,  # noqa: ANN401 - settings
) -> None:
    """Create the task of FILE, the 'task' part of a scenario, and escrow its budget."""
    here = surroundings(**given)
    if evaluators and members:
        raise click.UsageError("A crowd has evaluators and a consortium has members: give one of the two.")
    option, people = ("--member", members) if members else ("--evaluator", evaluators)
    listed = [address_of(one, option) for one in people]
    builder = None if aggregator is None else address_of(aggregator, "--aggregator")
    posts = None if rooter is None else address_of(rooter, "--rooter")
    factory = here.factory
    pays_in = here.network.address(here.name, "token") if token is None else address_of(token, "--token")
    kind, location = here.store()
    from bcfl.cli.keys import keyring
    from bcfl.scenarios.definition.tokens import CREDIT_UNIT, format_tokens
    from bcfl.scenarios.planning.terms import Terms, read_terms

    publisher = keyring().address(here.key_name())

    async def read() -> Terms:
        return await read_terms(
            file,
            publisher=publisher,
            token=pays_in,
            listed=listed,
            aggregator=builder,
            rooter=posts,
            overrides=overrides,
            data_dir=here.settings.data_dir,
            kernel=kernel,
        )

    terms = run_until_stopped(read)
    named = "consortium" if members else "crowdsourcing"
    if listed and terms.kind.name.lower() != named:
        raise click.UsageError(
            f"{file} is a {terms.kind.name.lower()} task, and {option} names people of a {named} one: correct task.kind, or the option."
        )
    password = here.password()

    async def work() -> Address:
        from bcfl.agents.hosting.publishing import publish
        from bcfl.storage.opening import open_store

        async with here.acting(password) as (signer, setup), open_store(kind, location) as store:
            return await publish(terms, factory=factory, setup=setup, store=store, signer=signer)

    address = run_until_stopped(work)
    budget = format_tokens(terms.task.budget * CREDIT_UNIT)
    say(
        as_json,
        {"task": address, "title": terms.title, "kind": terms.kind.name.lower(), "budget": budget},
        f"task {address}  '{terms.title}', {terms.kind.name.lower()}, {terms.config.rounds} rounds, {budget} tokens in escrow",
    )


@click.command
@click.argument("address")
@network_option
@key_options
@json_option
def join(address: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - settings
    """Join the task at ADDRESS with a key, its stake and bond with it; an agent with that key then takes part."""
    here = surroundings(**given)
    state = read_state(here, address)
    from bcfl.contracts.consortium_state import ConsortiumState

    me = _me(here)
    if me in state.index_of and state.members[state.index_of[me]].active:
        raise click.UsageError(f"{me} is a member of {state.address} already.")
    deposit = state.config.stake + (state.config.bond if isinstance(state, ConsortiumState) else 0)
    password = here.password()

    async def work() -> None:
        from bcfl.agents.common.token_permits import PermitSource
        from bcfl.contracts import calls

        async with here.acting(password) as (signer, setup):
            permit = calls.NO_PERMIT
            if deposit:
                source = PermitSource(signer=signer, node=setup.node)
                permit = await source.permit(state.token, spender=state.address, amount=deposit)
            call = calls.join(state.address, me, permit=permit)
            await setup.done(signer, call.to, call.data)

    run_until_stopped(work)
    say(as_json, {"task": state.address, "member": me}, f"{me} has joined {state.address}")


@click.command
@click.argument("address")
@network_option
@key_options
@json_option
def leave(address: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - settings
    """Leave the task at ADDRESS; what has vested stays yours."""

    def call(state: TaskState, me: Address) -> Call:
        from bcfl.contracts import calls

        return calls.leave(state.address, round_number=state.round, index=_index(state, me))

    _act(address, given, call, as_json, "has left")


@click.command
@click.argument("address")
@network_option
@key_options
@json_option
def cancel(address: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - settings
    """End the task at ADDRESS, which you have published, after the round under way."""

    def call(state: TaskState, me: Address) -> Call:
        from bcfl.contracts import calls

        if state.publisher != me:
            raise click.UsageError(
                f"{state.address} was published by {state.publisher}, who alone may end it, and not by {me}."
            )
        return calls.cancel(state.address)

    _act(address, given, call, as_json, "has asked for the end of")


@click.command
@click.argument("address")
@network_option
@key_options
@json_option
def withdraw(address: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - settings
    """Have the task at ADDRESS pay what it owes you; a publisher gets what is left once it has ended."""

    def call(state: TaskState, me: Address) -> Call:
        from bcfl.contracts import calls

        if state.publisher == me and me not in state.index_of:
            return calls.refund(state.address)
        return calls.withdraw(state.address, [_index(state, me)])

    _act(address, given, call, as_json, "was paid what was due by")


def _act(
    address: str, given: dict[str, Any], call: Callable[[TaskState, Address], Call], as_json: bool, words: str
) -> None:
    """One transaction of a person's."""
    here = surroundings(**given)
    state = read_state(here, address)
    me = _me(here)
    wanted = call(state, me)
    password = here.password()

    async def work() -> str:
        async with here.acting(password) as (signer, setup):
            receipt = await setup.done(signer, wanted.to, wanted.data)
            return str(receipt["transactionHash"])

    sent = run_until_stopped(work)
    say(
        as_json,
        {"task": state.address, "account": me, "transaction": sent},
        f"{me} {words} {state.address} ({sent})",
    )


def _me(here: Surroundings) -> Address:
    from bcfl.cli.keys import keyring

    return keyring().address(here.key_name())


def _index(state: TaskState, me: Address) -> int:
    if me not in state.index_of:
        raise click.UsageError(f"{me} is no member of {state.address}.")
    return state.index_of[me]
