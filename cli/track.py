# SPDX-License-Identifier: Apache-2.0
"""``bcfl track``: follow a run, or anybody's task on a chain, into MLflow and TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bcfl.log import public_url

if TYPE_CHECKING:
    from bcfl.contracts.ids import Address
    from bcfl.scenarios.following.story import Tell, Told
    from bcfl.storage.opening import StoreKind
    from bcfl.views.tracking.tracker import Tracker

__all__ = ("telling", "track")


@click.command
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--mlflow", metavar="URI", help="An MLflow tracking server, or a local store such as sqlite:///mlflow.db."
)
@click.option("--experiment", default="bcfl", show_default=True, help="MLflow: the experiment's name.")
@click.option(
    "--register", metavar="NAME", help="MLflow: the registered model's name (default: the scenario's)."
)
@click.option(
    "--tensorboard",
    type=click.Path(path_type=Path, file_okay=False),
    help="A directory for TensorBoard's files.",
)
@click.option("--url", help="In place of RUN: a node's ws:// URL, for a task on its chain.")
@click.option(
    "--factory", help="With --url: the address of the contract that made the task (in any run's chain.json)."
)
@click.option(
    "--task",
    help="With --url: the task's address (default: the first that the factory makes from --from-block on).",
)
@click.option(
    "--from-block",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="With --url: where to begin to read.",
)
@click.option(
    "--confirmations",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="With --url: blocks on top before an event counts.",
)
@click.option("--store", help="With --url: an IPFS node's API address, or a directory of contents.")
def track(
    run: Path | None,
    mlflow: str | None,
    experiment: str,
    register: str | None,
    tensorboard: Path | None,
    **place: Any,  # noqa: ANN401 - the options of a task on a chain
) -> None:
    """Follow the run in directory RUN, while it goes on or afterwards, until it has ended.

    The same command again goes on where it stopped. With --url a task is followed by its chain's events and what its store
    has, whoever runs it.
    """
    if (run is None) == (place["url"] is None):
        raise click.UsageError("Give a run's directory, or a node with --url, one of the two.")
    if mlflow is None and tensorboard is None:
        raise click.UsageError("Say where to: --mlflow URI, --tensorboard DIR, or both.")
    source = _of_directory(run) if run is not None else _of_chain(**place)
    from bcfl.cli.interruption import run_until_stopped
    from bcfl.views.tracking.mlflow import MlflowTracker
    from bcfl.views.tracking.tensorboard import TensorBoardTracker

    trackers: list[Tracker] = []
    if mlflow is not None:
        trackers.append(MlflowTracker(mlflow, experiment=experiment, register=register))
    if tensorboard is not None:
        trackers.append(TensorBoardTracker(tensorboard))
    try:
        run_until_stopped(lambda: source(telling(trackers)))
    finally:
        for tracker in trackers:
            tracker.close()


def telling(trackers: Sequence[Tracker]) -> Tell:
    """Tells the trackers, and in a line whoever looks on."""
    import anyio.to_thread

    from bcfl.scenarios.following.story import Began, Ended

    def write(told: Told) -> None:
        for tracker in trackers:
            if isinstance(told, Began):
                tracker.began(told)
            elif isinstance(told, Ended):
                tracker.ended(told)
            else:
                tracker.settled(told)

    async def tell(told: Told) -> None:
        await anyio.to_thread.run_sync(write, told)
        if isinstance(told, Began):
            click.echo(f"following '{told.name}', task {told.facts['task']}")
        elif isinstance(told, Ended):
            click.echo(f"{told.status}: final model {told.facts['cid']}")
        else:
            loss = "" if told.global_loss is None else f", loss {told.global_loss:.4f}"
            click.echo(f"round {told.round}{loss}")

    return tell


def _of_directory(run: Path) -> Callable[[Tell], Coroutine[Any, Any, None]]:
    from bcfl.scenarios.directory.run_directory import RunDirectory

    path = RunDirectory.open(run).path

    async def follow(tell: Tell) -> None:
        from bcfl.scenarios.following.directory import follow_directory

        await follow_directory(path, tell)

    return follow


def _of_chain(
    url: str, factory: str | None, task: str | None, from_block: int, confirmations: int, store: str | None
) -> Callable[[Tell], Coroutine[Any, Any, None]]:
    if factory is None:
        raise click.UsageError("With --url say which contract made the task: --factory ADDRESS.")

    kind: StoreKind = "memory" if store is None else "directory" if Path(store).is_dir() else "kubo"

    async def follow(tell: Tell) -> None:
        from bcfl.agents.common.retrieval import Retrieval
        from bcfl.chain.node import open_node
        from bcfl.scenarios.following.chain import Place, follow_chain
        from bcfl.storage.opening import open_store

        place = Place(
            factory=_address("--factory", factory),
            task=None if task is None else _address("--task", task),
            first_block=from_block,
            confirmations=confirmations,
        )
        async with open_node(url) as node, open_store(kind, store) as contents:
            click.echo(f"reading the chain at {public_url(url)}")
            await follow_chain(node, Retrieval(contents, deadline_s=10), place, tell)

    return follow


def _address(option: str, text: str) -> Address:
    from bcfl.chain.raw import parse_address

    try:
        return parse_address(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text} {error}.") from None
