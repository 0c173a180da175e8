# SPDX-License-Identifier: Apache-2.0
"""``bcfl deploy``: put the contracts on a network, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import key_options, network_option, networks, surroundings

if TYPE_CHECKING:
    from bcfl.chain.deployer import Deployment

__all__ = ("deploy",)


@click.command
@network_option
@key_options
@click.option(
    "--token-name", default="bcfl reward", show_default=True, help="Of the token that is made with them."
)
@click.option("--token-symbol", default="BCFL", show_default=True, help="Of that token.")
@click.option(
    "--supply", default="1000000", show_default=True, help="Of that token, all of it to the key that deploys."
)
@click.option("--again", is_flag=True, help="Though there are contracts in the network's entry already.")
def deploy(
    network: str | None,
    key: str | None,
    password_file: Path | None,
    token_name: str,
    token_symbol: str,
    supply: str,
    again: bool,
) -> None:
    """Put the factory, its kinds of task and a reward token on the network, and write down where they are."""
    here = surroundings(network=network, key=key, password_file=password_file)
    if here.network.factory is not None and not again:
        raise click.UsageError(
            f"The network '{here.name}' has contracts already (factory {here.network.factory}); --again puts others there."
        )
    from bcfl.scenarios.definition.tokens import CREDIT_UNIT, parse_tokens

    try:
        amount = parse_tokens(supply) // CREDIT_UNIT
    except ValueError as error:
        raise click.UsageError(f"--supply {supply}: {error}.") from None
    password = here.password()

    async def work() -> Deployment:
        from bcfl.chain.deployer import deploy as put

        async with here.acting(password) as (signer, setup):
            return await put(
                setup, signer, name=token_name, symbol=token_symbol, supply=amount, holder=signer.address
            )

    done = run_until_stopped(work)
    click.echo(
        f"factory {done.factory}\ntoken   {done.token}  ({supply} {token_symbol} to {here.key_name()})"
    )
    book = networks()
    found = {"factory": done.factory, "token": done.token, "from_block": done.block}
    book.put(here.name, book.made(here.name, found))
    click.echo(f"written to {book.path}; others add the network with these two and --from-block {done.block}")
