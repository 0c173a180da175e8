# SPDX-License-Identifier: Apache-2.0
"""``bcfl task``: create and look at tasks, and what a person does in one by hand."""

from __future__ import annotations

import click

from bcfl.cli.task_acts import cancel, create, join, leave, withdraw
from bcfl.cli.task_views import list_tasks, objections, show, watch

__all__ = ("task",)


@click.group
def task() -> None:
    """Tasks on a network: create, look at, and do by hand what agents do by themselves."""


for _command in (create, list_tasks, show, watch, join, leave, cancel, withdraw, objections):
    task.add_command(_command)
