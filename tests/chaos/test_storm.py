# SPDX-License-Identifier: Apache-2.0
"""Agents that live, in a storm of faults: every task ends, nobody's tokens are lost or made, nothing is done twice, and all agree with the chain.

``BCFL_CHAOS_SEED`` repeats the faults of an earlier storm, ``BCFL_CHAOS_FAULTS`` says how many; what each of them hits
depends on the machine's speed. The shorter tests beside it: ``tests/e2e/test_living_agents.py``, ``test_hospitals.py``.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter

import anyio
import anyio.to_thread
import pytest
from eth_account import Account

from bcfl.agents.hosting.observing.diary import read_diary

pytestmark = [pytest.mark.anvil, pytest.mark.kubo]

FAULTS = int(os.environ.get("BCFL_CHAOS_FAULTS", "300"))
# killed by us; a full disk, a node or a store that was away for too long: one sentence, and started again
TOLERATED = {-9, 1, 4, 5}
CALM_S = 420  # for what runs to end when the storm is over


async def _publisher(world):
    """Two tasks at any time, one of each kind, until the storm is over."""
    running = {"crowd": None, "ward": None}
    while world.stormy:
        for kind, task in running.items():
            if task is not None:
                shown = await anyio.to_thread.run_sync(world.show, task)
                if shown is None or shown["phase"] not in {"completed", "cancelled"}:
                    continue
            running[kind] = await anyio.to_thread.run_sync(world.publish, kind)
            if running[kind] is not None:
                world.tasks.append(running[kind])
        await anyio.sleep(3)


async def _storm(world, weather, faults, seed):
    agents = list(world.agents)
    async with anyio.create_task_group() as group:
        for fault in weather.drawn(seed, faults, agents, mean_pause_s=2.0):
            group.start_soon(world.befall, fault)
            await anyio.sleep(fault.pause_s)
    for agent in world.agents.values():
        agent.provider.heal()


async def _until_over(world):
    deadline = time.monotonic() + CALM_S
    left = await anyio.to_thread.run_sync(world.published)
    shown = {}
    while left:
        for task in list(left):
            found = await anyio.to_thread.run_sync(world.show, task)
            if found is None:
                continue
            shown[task] = found
            if found["phase"] in {"completed", "cancelled"} and _is_paid(found):
                left.remove(task)
        assert time.monotonic() < deadline, f"not over: {[shown.get(task) for task in left]}\n{_words(world)}"
        await anyio.sleep(2)
    return shown


def _is_paid(task):
    return all(member["paid"] == member["earned"] for member in task["members"])


def _words(world):
    return "\n".join(
        f"--- {agent.name} {agent.ended}\n{agent.said[-2500:]}" for agent in world.agents.values()
    )


def _check_agents(world):
    for agent in world.agents.values():
        strange = [status for status in agent.ended if status not in TOLERATED]
        assert not strange, f"{agent.name} ended with {strange}\n{agent.said[-4000:]}"
        assert "Traceback" not in agent.said, agent.said[-4000:]
        assert "bug" not in agent.said, agent.said[-4000:]


def _check_money(world, shown):
    token = next(iter(shown.values()))["token"]

    def balance(account):
        data = "0x70a08231" + account[2:].lower().rjust(64, "0")
        return int(world.ask("eth_call", {"to": token, "data": data}, "latest"), 16)

    supply = int(world.ask("eth_call", {"to": token, "data": "0x18160ddd"}, "latest"), 16)
    people = [world.address(name) for name in world.agents] + [next(iter(shown.values()))["publisher"]]
    tasks = {task: balance(task) for task in shown}
    assert set(tasks.values()) == {0}, (
        tasks,
        shown,
    )  # stakes, bonds and what was not earned are where they belong
    assert sum(map(balance, people)) == supply
    for task in shown.values():
        assert sum(member["earned"] for member in task["members"]) <= task["budget"] + 1e-9


def _check_transactions(world):
    """Of those on the chain no two have the same effect."""
    accounts = {world.address(name).lower(): name for name in world.agents}
    done = Counter()
    for number in range(int(world.ask("eth_blockNumber"), 16) + 1):
        for transaction in world.ask("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if transaction["from"].lower() not in accounts:
                continue
            receipt = world.ask("eth_getTransactionReceipt", transaction["hash"])
            if receipt["status"] == "0x1" and receipt["logs"]:
                done[accounts[transaction["from"].lower()], transaction["to"], transaction["input"]] += 1
    twice = {key: count for key, count in done.items() if count > 1 and len(key[2]) > 10}
    assert not twice, twice
    return sum(done.values())


def _check_told(world, shown):
    """Each who took part has heard that the task is over, and was told what it was paid."""
    for task, facts in shown.items():
        accounts = {member["account"]: member for member in facts["members"]}
        for name, agent in world.agents.items():
            member = accounts.get(world.address(name))
            if member is None:
                continue
            told = re.findall(rf"{task} is over: ([\d.]+) tokens", agent.said)
            assert told, f"{name} does not know that {task} is over\n{agent.said[-3000:]}"
            assert float(told[-1]) == pytest.approx(member["paid"], rel=1e-4, abs=1e-4), (name, task)


def _check_secrets(world):
    keys = [
        bytes(Account.decrypt(json.loads(path.read_text()), "secret")).hex()
        for path in world.folder.glob("*/keys/*.json")
    ]
    texts = "".join(
        path.read_text(errors="replace")
        for path in world.folder.rglob("*")
        if path.is_file() and (path.suffix in {".jsonl", ".out", ".log"} or path.name == "out")
    )
    assert len(keys) == 9
    assert not [key for key in keys if key in texts]


def say(*words):
    """What ``pytest -s`` shows, and what repeats a storm that failed."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")


async def _weathered(tmp_path, daemons, providers, living, weather, *, faults, seed):
    say(f"BCFL_CHAOS_SEED={seed}")
    async with living.opened(tmp_path, daemons, providers) as world, anyio.create_task_group() as group:
        for agent in world.agents.values():
            group.start_soon(world.live, agent)
        group.start_soon(_publisher, world)
        while len(world.tasks) < 2:
            await anyio.sleep(0.5)
        await _storm(world, weather, faults, seed)
        world.stormy = False
        shown = await _until_over(world)
        for task in shown:  # what was not earned is its publisher's
            await anyio.to_thread.run_sync(
                world.run, "owner", "task", "withdraw", task, "--network", "local", "--key", "owner"
            )
        await anyio.sleep(25)  # until all of that is final to everybody
        say(dict(world.happened), {agent.name: len(agent.ended) for agent in world.agents.values()})
        say({task: (facts["kind"], facts["phase"], facts["round"]) for task, facts in shown.items()})
        _check_agents(world)
        _check_money(world, shown)
        say(_check_transactions(world), "transactions")
        _check_told(world, shown)
        for agent in world.agents.values():
            agent.wanted = False
        world.end()
        _check_secrets(world)
        lines = {name: read_diary(agent.folder / "diary.jsonl") for name, agent in world.agents.items()}
        assert all(lines.values())
        assert sum(world.happened.values()) == faults
        return shown


@pytest.mark.thorough
@pytest.mark.timeout(2400)
@pytest.mark.asyncio
async def test_three_hundred_faults(tmp_path, daemons, providers, living, weather):
    seed = int(os.environ.get("BCFL_CHAOS_SEED", int.from_bytes(os.urandom(4), "big")))
    shown = await _weathered(tmp_path, daemons, providers, living, weather, faults=FAULTS, seed=seed)
    assert len(shown) >= min(4, FAULTS // 12)
    assert sum(facts["phase"] == "completed" for facts in shown.values()) >= len(shown) - 1
    assert all(
        any(member["earned"] for member in facts["members"])
        for facts in shown.values()
        if facts["phase"] == "completed"
    )
