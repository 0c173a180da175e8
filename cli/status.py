# SPDX-License-Identifier: Apache-2.0
"""``bcfl status``: what did my agents do, what did they earn, and why was something not paid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bcfl.cli.interruption import run_until_stopped
from bcfl.cli.keys import keyring
from bcfl.cli.surroundings import network_option, store_option, surroundings
from bcfl.cli.task_reading import json_option, kind_word, members_of, read_states

if TYPE_CHECKING:
    from bcfl.contracts.ids import Address
    from bcfl.contracts.state import TaskState
    from bcfl.scenarios.following.account import AccountRound

__all__ = ("status",)


@click.command
@network_option
@store_option
@click.option(
    "--key", "keys", multiple=True, metavar="NAME", help="Only of this key (default: of all of them)."
)
@json_option
def status(network: str | None, store: str | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Print what your keys' agents did in the network's tasks, round by round, and why a round paid nothing."""
    here = surroundings(network=network, store=store)
    ring = keyring()
    names = {ring.address(name): name for name in keys or ring.names}
    if not names:
        raise click.UsageError(f"There is no key in {ring.folder}: make one with 'bcfl keys new NAME'.")
    states = read_states(here)
    kind, location = here.store()

    async def read() -> list[dict[str, Any]]:
        from bcfl.agents.common.retrieval import Retrieval
        from bcfl.scenarios.following.account import account_rounds
        from bcfl.storage.opening import open_store

        found = []
        async with open_store(kind, location) as contents:
            retrieval = Retrieval(contents, deadline_s=10)
            for state in states.values():
                for account, name in names.items():
                    if account in state.index_of:
                        rounds = [one async for one in account_rounds(state, account, retrieval)]
                        found.append(_facts(state, account, name, rounds))
        return found

    found = run_until_stopped(read)
    for one in found:
        one["last_seen"] = _last_seen(here.name, one["key"])
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        click.echo(
            f"{one['key']} in {one['task']} ({one['kind']}, {one['phase']}, round {one['round']} of {one['rounds_in_all']}): {one['standing']}, "
            f"earned {one['earned']:g}, paid {one['paid']:g}; its agent last wrote {one['last_seen'] or 'nothing here'}"
        )
        for line in one["rounds"]:
            score = "" if line["score"] is None else f", score {line['score']:.4g}"
            click.echo(
                f"  round {line['round']}: {line['did'].replace('_', ' ')}{score}, {line['credited'] + line['judged']:g} tokens{line['why'] and ': ' + line['why']}"
            )
    if not found:
        click.echo(f"None of your keys takes part in a task on '{here.name}'.", err=True)


def _facts(state: TaskState, account: Address, name: str, rounds: Sequence[AccountRound]) -> dict[str, Any]:
    member = next(one for one in members_of(state) if one["account"] == account)
    return {
        "key": name,
        "task": state.address,
        "kind": kind_word(state),
        "phase": state.phase.name.lower(),
        "round": state.round,
        "rounds_in_all": state.config.rounds,
        "standing": member["standing"],
        "earned": member["earned"],
        "paid": member["paid"],
        "rounds": [
            {
                "round": one.round,
                "did": one.did,
                "score": one.score,
                "credited": one.credited / 1e9,
                "judged": one.judged / 1e9,
                "why": _why(one),
                "evidence": one.evidence,
            }
            for one in rounds
        ],
    }


def _why(one: AccountRound) -> str:
    """Why it was paid nothing; nothing where it was."""
    from bcfl.views.run.unpaid import why_unpaid

    if one.credited or one.did == "absent":
        return ""
    if one.did == "committed":
        return "it never showed what it had committed to"
    if one.explained:
        return why_unpaid(one.rejected)
    if one.score is None:
        return "it has no score, and there is no report that says why"
    return "its score was no more than zero" if one.score <= 0 else "the round paid nothing"


def _last_seen(network: str, name: str) -> str | None:
    from bcfl.agents.hosting.living import Home
    from bcfl.agents.hosting.observing.diary import read_diary
    from bcfl.agents.hosting.settings import bcfl_home

    lines = read_diary(Home(folder=Path(bcfl_home()) / "agents" / network / name).diary)
    return str(lines[-1]["time"]) if lines else None
