# SPDX-License-Identifier: Apache-2.0
"""``bcfl dashboard``: tasks in a browser, live, from the chain and the store alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.keys import keyring
from bcfl.cli.surroundings import address_of, network_option, store_option, store_place, surroundings

if TYPE_CHECKING:
    from bcfl.chain.node import Node
    from bcfl.contracts.ids import Address
    from bcfl.scenarios.following.factory import Watching
    from bcfl.storage.opening import StoreKind

__all__ = ("dashboard",)


@click.command
@click.argument("run", type=click.Path(path_type=Path, file_okay=False), required=False)
@network_option
@store_option
@click.option("--task", metavar="ADDRESS", help="Only this task.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Where to listen; 0: any."
)
def dashboard(run: Path | None, task: str | None, host: str, port: int, **given: Any) -> None:  # noqa: ANN401 - settings
    """Show the tasks of a network in a browser, as they go on; or those of the run in directory RUN, while it goes on.

    What is shown comes from the chain and the store alone, so that it may be anybody's task. Nothing can be changed there.
    On another address than loopback everybody who reaches it can read along.
    """
    only = None if task is None else address_of(task, "--task")
    view = _of_network(only, given) if run is None else _of_run(run, only, given["store"])
    run_until_stopped(lambda: _serve(view, host, port))


@dataclass(frozen=True, kw_only=True)
class _View:
    """What is shown: on which node, with which store, which accounts have names, and what the chain is called."""

    node: Callable[[], AbstractAsyncContextManager[Node]]
    store: tuple[StoreKind, str | None]
    what: Watching
    names: dict[Address, str]
    network: str


def _of_network(only: Address | None, given: dict[str, Any]) -> _View:
    from bcfl.scenarios.following.factory import Watching

    here = surroundings(**given)
    ring = keyring()
    what = Watching(
        factory=here.factory,
        task=only,
        first_block=here.network.from_block,
        confirmations=here.network.confirmations,
    )
    names = {ring.address(name): name for name in ring.names}
    return _View(node=here.node, store=here.store(), what=what, names=names, network=here.name)


def _of_run(run: Path, only: Address | None, store: str | None) -> _View:
    from bcfl.chain.node import open_node
    from bcfl.scenarios.directory.run_directory import RunDirectory
    from bcfl.scenarios.following.factory import Watching

    directory = RunDirectory.open(run)
    record, scenario = directory.chain(), directory.scenario()
    if record.get("own_devnet") and directory.digests_file.is_file():
        raise click.UsageError(
            f"The run in {run} is over, and its devnet with it: {directory.report_file} shows what there was to see."
        )
    place: tuple[StoreKind, str | None]
    if store is not None:
        place = store_place(store)
    elif scenario.storage.kind == "directory":
        place = ("directory", str(directory.blobs))
    else:
        place = (scenario.storage.kind, scenario.storage.url)
    names = {
        who["address"]: name
        for event in directory.events()
        if event["event"] == "run_started"
        for name, who in event["participants"].items()
    }
    what = Watching(factory=record["factory"], task=only, confirmations=scenario.chain.confirmations)
    return _View(
        node=lambda: open_node(str(record["url"])), store=place, what=what, names=names, network=scenario.name
    )


async def _serve(view: _View, host: str, port: int) -> None:
    import anyio

    from bcfl.agents.common.retrieval import Retrieval
    from bcfl.chain.errors import ContractMissing
    from bcfl.scenarios.following.factory import FactoryWatch
    from bcfl.serving import serving
    from bcfl.storage.opening import open_store
    from bcfl.views.dashboard.app import dashboard_app
    from bcfl.views.dashboard.names import Names

    async with view.node() as node, open_store(*view.store) as contents:
        for address in (view.what.factory, view.what.task):
            if address is not None and not await node.code(address):
                raise ContractMissing(
                    f"The node at {node.url} has no contract at {address}: correct the address, or the network."
                )
        watch = FactoryWatch(node=node, retrieval=Retrieval(contents, deadline_s=10), what=view.what)
        app = dashboard_app(watch, names=Names(view.names), network=view.network)
        async with serving(app, host=host, port=port) as served, anyio.create_task_group() as group:
            group.start_soon(watch.run)
            await watch.level()
            if view.what.task is not None and view.what.task not in watch.tasks:
                raise ContractMissing(
                    f"The factory {view.what.factory} made no task {view.what.task}: correct --task, or the network."
                )
            click.echo(f"{served}  (Ctrl-C ends it)")
