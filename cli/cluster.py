# SPDX-License-Identifier: Apache-2.0
"""The option ``--ray`` of commands that can compute on a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bcfl.models.training.cluster import Cluster

__all__ = ("lent", "ray_option")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def ray_option(what: str) -> Callable[[_Command], _Command]:
    """``--ray`` (as ``ray_address``), which does ``what``."""
    return click.option(
        "--ray", "ray_address", metavar="HOST:PORT", help=f"{what} on the Ray cluster whose head is there."
    )


@asynccontextmanager
async def lent(address: str | None) -> AsyncIterator[Cluster | None]:
    """The cluster for the length of the block, or None where none was asked for.

    Raises:
        ClusterUnavailable: it cannot be had.
    """
    if address is None:
        yield None
        return
    from bcfl.models.training.cluster import Cluster
    from bcfl.scenarios.planning.code import code_digest

    async with Cluster.connected(address, program=code_digest) as cluster:
        yield cluster
