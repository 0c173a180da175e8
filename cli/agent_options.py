# SPDX-License-Identifier: Apache-2.0
"""Options of ``bcfl agent``: where it lives and which tasks it takes part in, with which key, on which data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bcfl.cli.surroundings import key_options, network_option, store_option

__all__ = ("data_options", "life_options", "signing_options")

F = TypeVar("F", bound=Callable[..., Any])


def life_options(function: F) -> F:
    """Where an agent lives and which tasks it takes part in."""
    options = (
        network_option,
        store_option,
        click.option("--task", metavar="ADDRESS", help="This task and no other; the command ends with it."),
        click.option(
            "--kind", type=click.Choice(["crowdsourcing", "consortium"]), help="Only tasks of this kind."
        ),
        click.option(
            "--trains",
            "trained",
            multiple=True,
            metavar="NETWORK",
            help="Only tasks that train this network.",
        ),
        click.option(
            "--publisher",
            "publishers",
            multiple=True,
            metavar="ADDRESS",
            help="Only tasks of this publisher.",
        ),
        click.option("--token", metavar="ADDRESS", help="Only tasks that pay in this token."),
        click.option(
            "--least-pay",
            default="0",
            show_default=True,
            help="Only tasks whose budget has so many tokens a round.",
        ),
        click.option(
            "--most-rounds", type=click.IntRange(min=1), help="Only tasks with at most so many rounds."
        ),
        click.option(
            "--state",
            type=click.Path(path_type=Path),
            help="The agent's folder (default: that of its key in BCFL_HOME/agents).",
        ),
        click.option(
            "--executor",
            type=click.Choice(["threads", "processes"]),
            help="Where training runs (default: threads).",
        ),
        click.option("--workers", type=click.IntRange(min=1), help="Jobs at the same time (default: 1)."),
        click.option(
            "--metrics",
            type=click.IntRange(0, 65535),
            metavar="PORT",
            help="Serve /metrics (Prometheus), /healthz and /readyz on 127.0.0.1; 0: at any port.",
        ),
        click.option(
            "--traces",
            metavar="URL",
            help="Send OpenTelemetry traces there, by OTLP over HTTP (http://127.0.0.1:4318/v1/traces).",
        ),
        click.option(
            "--memory", type=float, metavar="GB", help="Only tasks whose models take at most so much at once."
        ),
        click.option(
            "--disk", type=float, metavar="GB", help="Only tasks that have at most so much kept in the store."
        ),
        click.option(
            "--upload", type=float, metavar="MB", help="Only tasks with at most so much to hand in a round."
        ),
        click.option("--json", "as_json", is_flag=True, help="Write JSON lines."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def signing_options(function: F) -> F:
    """With which key it acts, and what that may cost."""
    options = (
        key_options,
        click.option(
            "--most-stake",
            default="10",
            show_default=True,
            help="The most tokens that it puts at stake in a task, stake and bond together; not of --task.",
        ),
        click.option(
            "--fees-a-day",
            type=float,
            metavar="ETHER",
            help="The most that its transactions may cost on a day, UTC (default: no limit).",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def data_options(function: F) -> F:
    """What it trains or judges on."""
    options = (
        click.option(
            "--data",
            required=True,
            metavar="FILE|NAME",
            help="Your own table, archive of arrays or folder of images; or a data set's name.",
        ),
        click.option(
            "--set",
            "parameters",
            multiple=True,
            metavar="KEY=VALUE",
            help="Of the data, such as target=diagnosis.",
        ),
        click.option(
            "--part",
            type=click.Choice(["all", "train", "test"]),
            help="Which part of it (default: all of a table; else train, for an evaluator test).",
        ),
        click.option(
            "--data-dir", type=click.Path(path_type=Path), help="Where data lie that no package carries."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
