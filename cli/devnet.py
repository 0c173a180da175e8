# SPDX-License-Identifier: Apache-2.0
"""``bcfl devnet``: a local chain on loopback until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ("devnet",)


@click.command
@click.option("--port", type=click.IntRange(1, 65_535), help="Port on loopback (default: a free one).")
@click.option(
    "--block-time",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Seconds between blocks.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Load the chain from this file, and save it there at the end.",
)
def devnet(port: int | None, block_time: float, state: Path | None) -> None:
    """Run a local chain and print its address; Ctrl-C ends it."""
    from bcfl.chain.devnet import Devnet
    from bcfl.chain.errors import DevnetDied
    from bcfl.cli.interruption import run_until_stopped

    async def work() -> None:
        async with Devnet.start(block_time=block_time, port=port, state=state) as chain:
            click.echo(f"{chain.url} (a block every {block_time:g} s; Ctrl-C ends it)")
            await chain.exited.wait()
            raise DevnetDied

    run_until_stopped(work)
