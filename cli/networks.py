# SPDX-License-Identifier: Apache-2.0
"""``bcfl networks``: chains by name, with what stands on them."""

from __future__ import annotations

from typing import Any

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import networks as book
from bcfl.cli.surroundings import store_place

__all__ = ("networks",)


@click.group
def networks() -> None:
    """Chains by name: where their nodes are, which contracts stand there, what they may cost."""


@networks.command
@click.argument("name")
@click.option("--rpc", help="A node's WebSocket address, ws:// or wss://.")
@click.option(
    "--factory", metavar="ADDRESS", help="The contract that makes tasks (bcfl deploy puts one there)."
)
@click.option("--token", metavar="ADDRESS", help="The token that rewards are paid in.")
@click.option("--from-block", type=click.IntRange(min=0), help="The first block that can hold a task.")
@click.option(
    "--confirmations", type=click.IntRange(0, 255), help="Blocks on top before a block is final (default: 2)."
)
@click.option("--store", metavar="KIND:PLACE", help="Where models are: kubo:URL or directory:PATH.")
@click.option(
    "--max-fee-gwei", type=float, help="The most that a transaction may offer, in gwei a gas (default: 500)."
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    help="That the provider asks for; $VARIABLE is of the environment.",
)
def add(name: str, headers: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - a network's keys
    """Add network NAME, or change what is given of it; its node is asked which chain it is."""
    if given["store"] is not None:
        store_place(given["store"])
    pairs = {}
    for header in headers:
        key, equals, value = header.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--header {header}: write NAME=VALUE.")
        pairs[key] = value
    made = book().made(name, {**given, "headers": pairs or None})

    async def ask() -> tuple[int, str]:
        from bcfl.chain.node import open_node

        async with open_node(made.rpc, headers=made.request_headers()) as node:
            made.check(name, node)
            return node.chain_id, node.genesis_hash

    chain_id, genesis = run_until_stopped(ask)
    book().put(name, made.model_copy(update={"chain_id": chain_id, "genesis": genesis}))
    click.echo(f"{name}  chain {chain_id}  {book().path}")


@networks.command("list")
def list_networks() -> None:
    """Print every network."""
    from bcfl.log import public_url

    known = book().all()
    for name, network in known.items():
        contracts = f"factory {network.factory}" if network.factory else "no contracts yet"
        click.echo(f"{name}  chain {network.chain_id}  {public_url(network.rpc)}  {contracts}")
    if not known:
        click.echo("There is no network: bcfl networks add NAME --rpc ws://HOST:PORT", err=True)


@networks.command
@click.argument("name")
def test(name: str) -> None:
    """Ask the node of NAME what it can do, and look whether the contracts are there."""
    network = book().get(name)

    async def ask() -> list[str]:
        from bcfl.chain.node import open_node

        async with open_node(network.rpc, headers=network.request_headers()) as node:
            network.check(name, node)
            heads = await node.transport.subscribe("newHeads")  # what a provider may lack
            await heads.aclose()
            head = await node.block("latest")
            lines = [
                f"chain {node.chain_id}, genesis {node.genesis_hash}",
                f"block {head.ref.number}, base fee {'none' if head.base_fee is None else f'{head.base_fee / 1e9:g} gwei'}",
                "subscriptions: yes",
            ]
            for what in ("factory", "token"):
                address = getattr(network, what)
                if address is not None:
                    here = bool(await node.code(address))
                    lines.append(f"{what} {address}: {'there' if here else 'NO CONTRACT THERE'}")
            return lines

    for line in run_until_stopped(ask):
        click.echo(line)
