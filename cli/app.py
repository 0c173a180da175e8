# SPDX-License-Identifier: Apache-2.0
"""The ``bcfl`` command: finds a subcommand, and turns whatever ends it into one sentence and an exit status.

====== =======================================================================================
status meaning
====== =======================================================================================
0      done
1      something is missing (``bcfl doctor``), or whoever read the output left
2      the scenario, a named entry or the command line is wrong
3–7    contracts, chain, storage, models, agents (``bcfl.errors``)
8      an audit found differences
9      a sweep missed a target
70     a fault of bcfl itself: the traceback is in a file that the message names
130    stopped with Ctrl-C (143: by SIGTERM)
====== =======================================================================================

Subcommands are imported when they are called: ``bcfl --help`` loads neither torch nor web3.
"""

from __future__ import annotations

import importlib
import io
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bcfl import __version__
from bcfl.errors import BcflError, first_cause
from bcfl.registry import nearest

__all__ = ("bcfl", "main")

_COMMANDS = {
    "run": "run a scenario and write its run directory",
    "resume": "go on with a run that was stopped or killed",
    "agent": "live as an agent on a network, or act for participants of a run",
    "task": "create, list, show and watch tasks on a network; join, leave, cancel, withdraw",
    "status": "say what your agents did and earned, and why something was not paid",
    "dashboard": "show tasks in a browser, live",
    "keys": "make, import and list keys in encrypted files",
    "networks": "add, list and test chains by name",
    "deploy": "put the contracts on a network, once",
    "send": "give somebody ether or tokens",
    "config": "show the settings, and where each was said",
    "sweep": "run a grid of scenarios, resume it, and check it against targets",
    "check": "check a scenario without running it",
    "new": "write a commented scenario to start from",
    "catalog": "list networks, datasets, scores and every other named entry",
    "audit": "check a run's scores and digests against its chain and its store",
    "compare": "lay several runs beside each other",
    "track": "follow a run, or a task on a chain, into MLflow and TensorBoard",
    "predict": "ask a run's final model about data",
    "export": "write a run's final model as a program of its own",
    "replay": "rebuild a run's tables from its events",
    "data": "fetch, list and show datasets, check your own against a task",
    "devnet": "run a local chain to try things on",
    "doctor": "say what is installed, what is missing and how to mend it",
}

_READER_LEFT = 1
_INTERNAL_FAULT = 70
_STOPPED = 130


class _LazyGroup(click.Group):
    """Knows its commands by name and imports one only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"bcfl.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - for mypy: the module is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command '{args[0]}'{nearest(args[0], list(_COMMANDS))}.", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bcfl")
def bcfl() -> None:
    """Federated learning on a blockchain, run by autonomous, event-driven agents.

    'bcfl new my-first' writes a scenario, 'bcfl run my-first.yaml' runs it.
    """
    from bcfl import log

    log.configure()  # only warnings reach the terminal; without this structlog would print everything


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``bcfl`` program."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = bcfl.main(args=arguments, prog_name="bcfl", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f" ('{error.ctx.command_path} --help' shows how)"
        return _say(f"{error.format_message().rstrip('.')}{hint}.", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return _STOPPED
    except BaseException as error:  # noqa: BLE001 - the last place to turn an error into a sentence
        return _failed(error)
    return status if isinstance(status, int) else 0


def _failed(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        raise error
    leaves = list(_leaves(error))
    ours = [leaf for leaf in leaves if isinstance(leaf, BcflError)]
    cause = first_cause(error)
    if isinstance(cause, BcflError) and len(ours) == len(leaves):
        return _say(str(cause), cause.exit_code)
    if all(isinstance(leaf, BrokenPipeError) for leaf in leaves):
        # click ends like this too where no task group has wrapped the error
        sys.stdout = io.StringIO()  # the interpreter flushes it as it leaves
        return _READER_LEFT
    if all(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        click.echo("stopped", err=True)
        return _STOPPED
    with tempfile.NamedTemporaryFile(
        "w", prefix="bcfl-", suffix=".traceback", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exception(error, file=file)
    unexpected = next(leaf for leaf in leaves if not isinstance(leaf, BcflError))
    return _say(
        f"bcfl met a fault of its own ({type(unexpected).__name__}: {' '.join(str(unexpected).split())[:200]}); "
        f"please report it with the traceback in {Path(file.name)}.",
        _INTERNAL_FAULT,
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors that task groups have wrapped."""
    if isinstance(error, BaseExceptionGroup):
        for inside in error.exceptions:
            yield from _leaves(inside)
    else:
        yield error


def _say(sentence: str, status: int) -> int:
    click.echo(f"error: {sentence}", err=True)
    return status
