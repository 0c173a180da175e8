# SPDX-License-Identifier: Apache-2.0
"""Agents that wait: a bell for new blocks is all that they have of their node, and they take next to no time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

pytestmark = [pytest.mark.anvil, pytest.mark.thorough, pytest.mark.timeout(900)]

SECONDS = int(os.environ.get("BCFL_IDLE_SECONDS", "300"))
ROLES = {"eve": "evaluator", "ann": "trainer", "ben": "trainer", "hana": "member", "kit": "keeper"}


@pytest.mark.asyncio
async def test_who_waits_asks_nothing(tmp_path, strangers, providers):
    async with strangers.person(tmp_path, block_time=1) as person:
        provider = providers(person.url)
        person.url = provider.url
        await anyio.to_thread.run_sync(_waiting, person, strangers)
        await anyio.sleep(40)  # until what they did is final, and a bookmark was made of it
        before, asked, began = _times(person), len(provider.asked), time.monotonic()
        await anyio.sleep(SECONDS)
        taken = {name: after - before[name] for name, after in _times(person).items()}
        seconds = time.monotonic() - began
        assert provider.asked[asked:] == []
        shares = {name: spent / seconds for name, spent in taken.items()}
        print(f"{seconds:.0f} s: { ({name: f'{share:.2%}' for name, share in shares.items()}) }")  # noqa: T201 - with pytest -s
        assert max(shares.values()) <= 0.01, shares
        assert all(process.poll() is None for process in person.agents)


def _waiting(person, strangers):
    """A task that three have joined and that will not begin for an hour, its evaluator, a keeper, and who finds nothing."""
    strangers.prepared(person, ("owner", *ROLES))
    person.does("send", *ROLES, "--network", "local", "--key", "owner", "--tokens", "100")
    later = strangers.crowd_task(rounds=2, capacity=9, enrolment_s=3600)
    (person.folder / "later.yaml").write_text(later)
    create = (
        "task",
        "create",
        "later.yaml",
        "--network",
        "local",
        "--key",
        "owner",
        "--evaluator",
        "eve",
        "--json",
    )
    task = json.loads(person.does(*create))["task"]
    for place, (name, role) in enumerate(ROLES.items()):
        strangers.table(person.folder / f"{name}.csv", place)
        data = (
            ()
            if role == "keeper"
            else ("--data", f"{name}.csv", "--set", "target=kind", "--most-stake", "50")
        )
        person.lives(role, name, *data, OMP_NUM_THREADS="1")

    def joined():
        shown = json.loads(person.does("task", "show", task, "--network", "local", "--json"))
        return len(shown["members"]) == 2

    strangers.until(joined, lambda: "".join((person.folder / f"{name}.out").read_text() for name in ROLES))


def _times(person):
    """Seconds of processor that each process has taken so far."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for name, process in zip(ROLES, person.agents, strict=True):
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        found[name] = (int(fields[11]) + int(fields[12])) / tick
    return found
