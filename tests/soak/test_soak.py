# SPDX-License-Identifier: Apache-2.0
"""Eight agents that live for an hour and more in five tasks at a time: what they hold does not grow, and they keep up with the chain.

``BCFL_SOAK_MINUTES`` says how long; figures are printed every minute, and at the end (``pytest -s``).
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import anyio
import anyio.to_thread
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bcfl.agents.hosting.past import read_tasks
from bcfl.chain.node import open_node
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.phases import Phase
from bcfl.storage.content_id import cid_text

MINUTES = float(os.environ.get("BCFL_SOAK_MINUTES", "65"))
ROUNDS_A_MINUTE = 15
"""At least: a thousand in 65 minutes."""
WARM_UP = 0.3
"""Of the time, until everything has happened once: tasks have ended and come."""
EVERY_S = 15
KEPT = 3
"""Rounds of a crowd that keep their models and updates."""
AT_A_TIME = {"crowd": 3, "ward": 2}
ROLES = {
    "eve": "evaluator",
    "ann": "trainer",
    "ben": "trainer",
    "cem": "trainer",
    "hana": "member",
    "ivo": "member",
    "jan": "member",
    "kit": "keeper",
}
pytestmark = [
    pytest.mark.anvil,
    pytest.mark.kubo,
    pytest.mark.thorough,
    pytest.mark.timeout(int(60 * MINUTES) + 900),
]


@dataclass(frozen=True)
class Sample:
    """One agent at one moment: resident memory, open files, blocks behind the node, size of its journal."""

    at: float
    resident: int
    files: int
    behind: int
    journal: int


@pytest.mark.asyncio
async def test_an_hour_and_more(tmp_path, strangers, daemons):
    async with (
        strangers.person(tmp_path, block_time=1) as person,
        daemons.started_kubo(tmp_path / "kubo") as kubo,
    ):
        await anyio.to_thread.run_sync(_begun, person, strangers, f"kubo:{kubo.url}")
        samples, over = {name: [] for name in ROLES}, anyio.Event()
        async with anyio.create_task_group() as group, open_node(person.url) as node:
            group.start_soon(_publisher, person, over)
            began = time.monotonic()
            while (now := time.monotonic() - began) < 60 * MINUTES:
                await _sampled(person, node, samples, now)
                if int(now / EVERY_S) % 4 == 0:
                    _say(f"{now / 60:5.1f} min", _line(samples))
                await anyio.sleep(EVERY_S)
            over.set()
        states = await _states(person)
        rounds, tasks = _played(states)
        await _pruned(kubo, states)
        _say(f"{rounds} rounds of {tasks} tasks in {MINUTES:.0f} minutes")
        assert all(process.poll() is None for process in person.agents)
        assert rounds >= ROUNDS_A_MINUTE * MINUTES
        assert tasks >= 5
        for name, taken in samples.items():
            _flat(name, taken)


def _begun(person, strangers, store):
    strangers.prepared(person, ("owner", *ROLES), store=store)
    person.does("send", *ROLES, "--network", "local", "--key", "owner", "--tokens", "1000")
    crowd = strangers.crowd_task(rounds=40, budget=40, enrolment_s=200, kept=KEPT)
    (person.folder / "crowd.yaml").write_text(crowd)
    ward = strangers.ward_task(rounds=40, per_round=1, budget=60, enrolment_s=200)
    (person.folder / "ward.yaml").write_text(ward)
    for place, (name, role) in enumerate(ROLES.items()):
        strangers.table(person.folder / f"{name}.csv", place)
        data = (
            ()
            if role == "keeper"
            else ("--data", f"{name}.csv", "--set", "target=kind", "--most-stake", "50")
        )
        person.lives(role, name, *data, "--metrics", "0", OMP_NUM_THREADS="1")

    def ready():
        return all("answers at" in (person.folder / f"{name}.out").read_text() for name in ROLES)

    strangers.until(ready, lambda: "".join((person.folder / f"{name}.out").read_text() for name in ROLES))


async def _publisher(person, over):
    """So many tasks of each kind at any time."""
    create = ("task", "create", "--network", "local", "--key", "owner", "--json")
    who = {
        "crowd": ("--evaluator", "eve"),
        "ward": tuple(
            word for name, role in ROLES.items() if role == "member" for word in ("--member", name)
        ),
    }
    while not over.is_set():
        listed = json.loads(await _do(person, "task", "list", "--network", "local", "--json"))
        for kind, wanted in AT_A_TIME.items():
            name = "crowdsourcing" if kind == "crowd" else "consortium"
            for _ in range(wanted - sum(one["kind"] == name for one in listed)):
                await _do(person, *create, f"{kind}.yaml", *who[kind])
        with anyio.move_on_after(10):
            await over.wait()


async def _do(person, *words):
    return await anyio.to_thread.run_sync(lambda: person.does(*words))


async def _sampled(person, node, samples, now):
    for name, process in zip(ROLES, person.agents, strict=True):
        assert process.poll() is None, (person.folder / f"{name}.out").read_text()[-3000:]
        status = Path(f"/proc/{process.pid}/status").read_text()
        head = await node.block_number()
        seen = await anyio.to_thread.run_sync(_head, person.folder / f"{name}.out")
        folder = person.folder / "home" / "agents" / "local" / name
        samples[name].append(
            Sample(
                at=now,
                resident=1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1]),
                files=len(list(Path(f"/proc/{process.pid}/fd").iterdir())),
                behind=max(0, head - seen),
                journal=sum(path.stat().st_size for path in folder.glob("journal.sqlite*")),
            )
        )


def _head(output):
    address = re.search(r"answers at (http://127\.0\.0\.1:\d+)/metrics", output.read_text())[1]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}/metrics", timeout=10) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                if sample.name == "bcfl_head_block" and sample.labels["level"] == "seen":
                    return int(sample.value)
    raise AssertionError("no head among the metrics")


async def _states(person):
    factory = person.does("networks", "list").split("factory ")[1].split()[0]
    async with open_node(person.url) as node:
        return list((await read_tasks(node, factory, from_block=0)).values())


def _played(states):
    """Rounds that have a model, and tasks that have one."""
    assert all(state.phase is not Phase.CANCELLED for state in states)
    played = [sum(record.finalized for record in state.rounds.values()) for state in states]
    return sum(played), sum(map(bool, played))


async def _pruned(kubo, states):
    """Of a crowd's old rounds, which its terms let go of, nothing is pinned any more; the new ones are."""
    request = urllib.request.Request(f"{kubo.url}/api/v0/pin/ls?type=recursive", method="POST")  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer = await anyio.to_thread.run_sync(lambda: opener.open(request, timeout=60).read())
    pinned, old, new = set(json.loads(answer)["Keys"]), set(), set()
    for state in states:
        if not isinstance(state, CrowdState) or state.round < KEPT + 5:
            continue
        for number, record in state.rounds.items():
            named = {cid_text(update.content) for update in record.updates.values()}
            if number < state.round - KEPT - 2:
                old |= named
            elif number < state.round:
                new |= named
    _say(
        f"{len(pinned)} contents are pinned; of {len(old)} old updates {len(old & pinned)}, of {len(new)} new ones {len(new & pinned)}"
    )
    assert old
    assert not old & pinned
    assert new <= pinned


def _flat(name, taken):
    warm = [one for one in taken if one.at >= WARM_UP * taken[-1].at]
    tenth = max(1, len(warm) // 7)
    first, last = warm[:tenth], warm[-tenth:]
    grown = median(one.resident for one in last) / median(one.resident for one in first)
    _say(
        f"{name}: {median(one.resident for one in last) / 1e6:.0f} MB, {grown - 1:+.1%} since the warm-up; "
        f"{min(one.files for one in warm)} to {max(one.files for one in warm)} files; {max(one.behind for one in warm)} blocks behind at most; "
        f"journal {max(one.journal for one in warm) / 1e6:.1f} MB at most"
    )
    assert grown <= 1.05, name
    # Connections to the store come and go with what is fetched at the same time; one that a task left behind would be one more each time.
    assert median(one.files for one in last) <= max(one.files for one in warm[: len(warm) // 2]) + 1, name
    # A block may come between the two questions, and one is on its way.
    assert max(one.behind for one in warm) <= 2, [(one.at, one.behind) for one in warm if one.behind > 2]
    half = len(warm) // 2
    assert max(one.journal for one in warm[half:]) <= 1.2 * max(one.journal for one in warm[:half]), name


def _line(samples):
    return ", ".join(
        f"{name} {taken[-1].resident / 1e6:.0f} MB {taken[-1].files} files {taken[-1].journal / 1e6:.1f} MB"
        for name, taken in samples.items()
    )


def _say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()
