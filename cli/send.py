# SPDX-License-Identifier: Apache-2.0
"""``bcfl send``: give somebody ether or tokens."""

from __future__ import annotations

from pathlib import Path

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import address_of, key_options, network_option, surroundings

__all__ = ("send",)


@click.command
@click.argument("to", nargs=-1, required=True)
@network_option
@key_options
@click.option("--ether", default="0", show_default=True, help="How much, to each.")
@click.option("--tokens", default="0", show_default=True, help="How much of the network's token, to each.")
@click.option(
    "--from-node",
    is_flag=True,
    help="Of an account that the node itself manages, as devnets do, and not of a key; ether only.",
)
def send(
    to: tuple[str, ...],
    network: str | None,
    key: str | None,
    password_file: Path | None,
    ether: str,
    tokens: str,
    from_node: bool,
) -> None:
    """Send ether or tokens to TO..., addresses or names of your own keys."""
    from bcfl.scenarios.definition.tokens import CREDIT_UNIT, parse_tokens

    here = surroundings(network=network, key=key, password_file=password_file)
    accounts = [address_of(one, "TO") for one in to]
    if len(set(accounts)) < len(accounts):
        raise click.UsageError("Somebody is named twice: name each once.")
    amounts = {}
    for option, text in (("--ether", ether), ("--tokens", tokens)):
        try:
            amounts[option] = parse_tokens(text)
        except ValueError as error:
            raise click.UsageError(f"{option} {text}: {error}.") from None
    if not any(amounts.values()):
        raise click.UsageError("Say how much: --ether 0.1 or --tokens 5.")
    if from_node and amounts["--tokens"]:
        raise click.UsageError("The node's account has no tokens: send them with --key.")
    password = None if from_node else here.password()

    async def work() -> None:
        from bcfl.chain.deployer import distribute, fund

        if password is None:
            async with here.node() as node, here.setup(node) as setup:
                await fund(setup, accounts, wei=amounts["--ether"], funder=None)
            return
        async with here.acting(password) as (signer, setup):
            if amounts["--ether"]:
                await fund(setup, accounts, wei=amounts["--ether"], funder=signer)
            if amounts["--tokens"]:
                token = here.network.address(here.name, "token")
                each = amounts["--tokens"] // CREDIT_UNIT
                await distribute(setup, signer, token, dict.fromkeys(accounts, each))

    run_until_stopped(work)
    for name, account in zip(to, accounts, strict=True):
        sent = [
            f"{ether} ether" if amounts["--ether"] else "",
            f"{tokens} tokens" if amounts["--tokens"] else "",
        ]
        click.echo(f"{name}  {account}  {' and '.join(filter(None, sent))}")
