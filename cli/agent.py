# SPDX-License-Identifier: Apache-2.0
"""``bcfl agent``: programs that find tasks, take part, are paid, and survive; or participants of a run, in a process of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import click

from bcfl.cli.agent_of_run import run
from bcfl.cli.agent_options import data_options, life_options, signing_options
from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.surroundings import address_of, surroundings
from bcfl.registry import nearest

if TYPE_CHECKING:
    from bcfl.agents.hosting.choice import Choice
    from bcfl.agents.hosting.host_events import HostEvent
    from bcfl.agents.hosting.programs import Program
    from bcfl.agents.hosting.settings import Settings
    from bcfl.models.data.dataset import Samples

__all__ = ("agent",)

Part = Literal["all", "train", "test"]


class _AgentGroup(click.Group):
    """Takes ``bcfl agent DIR NAME`` for ``bcfl agent run DIR NAME``: no program is called as a directory is."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            if (len(args) == 1 or args[1].startswith("-")) and not Path(args[0]).is_dir():
                raise click.UsageError(
                    f"There is no program '{args[0]}'{nearest(args[0], list(self.commands))}; of a run give its directory and NAME...",
                    ctx,
                )
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_AgentGroup)
def agent() -> None:
    """Live as one agent, in tasks of a network's factory; or act for participants of a run (bcfl agent run DIR NAME)."""


agent.add_command(run)


@agent.command()
@click.option(
    "--relay",
    "relays",
    multiple=True,
    metavar="URL",
    help="A relayer that brings its messages to the chain, in tasks that take them so; the next one, or it itself, where none does.",
)
@data_options
@life_options
@signing_options
def trainer(relays: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - the options above
    """Train for a crowd's tasks on your own data."""
    addresses = [_http_url(one) for one in relays]

    def program(samples: Samples) -> Program:
        from bcfl.agents.hosting.programs import TrainerProgram
        from bcfl.agents.relayer.remote import RemoteRelay

        return TrainerProgram(samples=samples, relays=[RemoteRelay(one) for one in addresses])

    _live(given, program, "train")


@agent.command()
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="The share of the data that the others are judged on.",
)
@data_options
@life_options
@signing_options
def member(held_out: float, **given: Any) -> None:  # noqa: ANN401 - the options above
    """Train and judge as a member of consortiums on your own data."""

    def program(samples: Samples) -> Program:
        from bcfl.agents.hosting.programs import MemberProgram

        return MemberProgram(samples=samples, held_out=held_out)

    _live(given, program, "train")


@agent.command()
@data_options
@life_options
@signing_options
def evaluator(**given: Any) -> None:  # noqa: ANN401 - the options above
    """Judge a crowd's updates on your own validation set."""

    def program(samples: Samples) -> Program:
        from bcfl.agents.hosting.programs import EvaluatorProgram

        return EvaluatorProgram(samples=samples)

    _live(given, program, "test")


@agent.command()
@life_options
@signing_options
def aggregator(**given: Any) -> None:  # noqa: ANN401 - the options above
    """Build the models of crowds whose publisher names you."""

    def program(_samples: Samples) -> Program:
        from bcfl.agents.hosting.programs import AggregatorProgram

        return AggregatorProgram()

    _live(given, program, "train")


@agent.command()
@life_options
@signing_options
def keeper(**given: Any) -> None:  # noqa: ANN401 - the options above
    """Move tasks on at their deadlines, and have everybody paid."""

    def program(_samples: Samples) -> Program:
        from bcfl.agents.hosting.programs import KeeperProgram

        return KeeperProgram()

    _live(given, program, "train")


@agent.command()
@click.option(
    "--intake",
    type=click.IntRange(0, 65535),
    default=8800,
    show_default=True,
    metavar="PORT",
    help="Where messages are taken, 0: any port.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Of this machine: whom it is open to.",
)
@life_options
@signing_options
def relayer(intake: int, host: str, **given: Any) -> None:  # noqa: ANN401 - the options above
    """Bring what trainers of tasks have signed to the chain, many messages in one transaction, and pay for it."""
    factory = surroundings(network=given.get("network")).factory

    def program(_samples: Samples) -> Program:
        from bcfl.agents.hosting.relaying import RelayerProgram

        return RelayerProgram(factory=factory, host=host, port=intake)

    _live(given, program, "train")


@agent.command()
@click.option("--name", default="auditor", show_default=True, help="What it is called, and its folder.")
@life_options
def auditor(name: str, **given: Any) -> None:  # noqa: ANN401 - the options above
    """Repeat every round of tasks from what is public, and say what does not come out as was posted.

    It sends nothing and needs no key.
    """

    def program(_samples: Samples) -> Program:
        from bcfl.agents.hosting.auditing import AuditorProgram

        return AuditorProgram()

    _live(given, program, "train", keyless=name)


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.UsageError(f"--relay '{text}' is no address: write http://HOST:PORT.")
    return text


def _live(
    given: dict[str, Any], program: Callable[[Any], Program], part: Part, *, keyless: str | None = None
) -> None:
    """Live under a key's name; ``keyless``: under this name, with a key that nobody knows and nothing is signed with."""
    settings = (
        "network",
        "key",
        "password_file",
        "store",
        "data_dir",
        "executor",
        "workers",
        "metrics",
        "traces",
        "fees_a_day",
        "memory",
        "disk",
        "upload",
    )
    here = surroundings(**{name: given.get(name) for name in settings})
    choice = _choice(given, here.settings)
    store = here.store()
    name = keyless or here.key_name()
    password = "" if keyless else here.password()
    unlocking = None if keyless else here.unlocking(password)
    from bcfl import log
    from bcfl.agents.hosting.living import Home, Means, live
    from bcfl.agents.hosting.settings import bcfl_home

    home = Home(folder=given["state"] or bcfl_home() / "agents" / here.name / name)
    samples = None
    if given.get("data") is not None:
        from bcfl.cli.agent_data import own_samples

        samples = own_samples(
            given["data"],
            given["parameters"],
            given["part"] or part,
            chosen=given["part"],
            data_dir=here.settings.data_dir,
        )
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.configure(json_file=home.log, rotate=True)
    means = Means(
        network=here.network,
        network_name=here.name,
        store=store,
        executor=here.settings.executor,
        workers=here.settings.workers,
        metrics=here.settings.metrics,
        traces=here.settings.traces,
        fees_a_day=None if here.settings.fees_a_day is None else int(here.settings.fees_a_day * 10**18),
    )
    tell = _tell(as_json=given["as_json"])

    async def work() -> None:
        from bcfl.chain.keys import derive_key

        nobody = contextlib.nullcontext(derive_key(os.urandom(32)))
        async with nobody if keyless else here.signer(password, unlocking) as signer:
            await live(
                home=home,
                means=means,
                name=name,
                signer=signer,
                program=program(samples),
                choice=choice,
                keeps=not keyless,
                tell=tell,
            )

    if not given["as_json"]:
        click.echo(
            f"{name} lives on '{here.name}' ({home.folder}); Ctrl-C ends it, and the same command goes on"
        )
    run_until_stopped(work, last_words=lambda: "stopped; the same command goes on where it was")


def _choice(given: dict[str, Any], settings: Settings) -> Choice:
    from bcfl.agents.hosting.choice import Choice
    from bcfl.agents.hosting.limits import Limits
    from bcfl.contracts.phases import Kind
    from bcfl.scenarios.definition.tokens import CREDIT_UNIT, parse_tokens

    amounts = {}
    for option in ("--least-pay", "--most-stake"):
        text = given.get(option[2:].replace("-", "_"))
        try:
            amounts[option] = None if text is None else parse_tokens(text) // CREDIT_UNIT
        except ValueError as error:
            raise click.UsageError(f"{option} {text}: {error}.") from None
    return Choice(
        task=None if given["task"] is None else address_of(given["task"], "--task"),
        kind=None if given["kind"] is None else Kind[given["kind"].upper()],
        networks=frozenset(given["trained"]),
        publishers=frozenset(address_of(one, "--publisher") for one in given["publishers"]),
        token=None if given["token"] is None else address_of(given["token"], "--token"),
        least_pay=amounts["--least-pay"] or 0,
        most_rounds=given["most_rounds"],
        limits=Limits(
            stake=amounts["--most-stake"],
            memory=_bytes(settings.memory, 10**9),
            disk=_bytes(settings.disk, 10**9),
            upload=_bytes(settings.upload, 10**6),
        ),
    )


def _bytes(amount: float | None, unit: int) -> int | None:
    return None if amount is None else int(amount * unit)


def _tell(*, as_json: bool) -> Callable[[HostEvent], None]:
    import json

    def tell(event: HostEvent) -> None:
        from bcfl.agents.hosting.host_events import Answers, Joined, Left, Passed, TakesIn

        if as_json:
            click.echo(json.dumps({"event": type(event).__name__.lower(), **dataclasses.asdict(event)}))
        elif isinstance(event, Joined):
            title = f", {event.title!r}" if event.title else ""  # a stranger's title: quoted as it is
            click.echo(f"takes part in {event.task}{title}")
        elif isinstance(event, Left):
            click.echo(f"{event.task} is over: {event.paid / 1e9:g} tokens were paid")
        elif isinstance(event, Answers):
            click.echo(f"answers at {event.address}/metrics, /healthz and /readyz")
        elif isinstance(event, TakesIn):
            click.echo(f"takes messages at {event.address}")
        elif isinstance(event, Passed):
            click.echo(f"passes {event.task}: {event.reason}")
        else:
            click.echo(f"{event.agent}: {event.reason}")

    return tell
