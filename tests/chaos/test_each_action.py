# SPDX-License-Identifier: Apache-2.0
"""Agents of every role that are killed at the same point of each of their actions: none is missed, none is done twice.

An evaluator, a trainer, a member and a keeper die (SIGKILL) once in every action of every round, always at that point of its
way from the decision to the block, and are started again at once; the others live on.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter

import anyio
import anyio.to_thread
import pytest

from bcfl.agents.hosting.past import read_tasks
from bcfl.chain.node import open_node
from bcfl.contracts.phases import Phase

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]

ROUNDS = 2
KILLED = {"eve": "evaluator", "ann": "trainer", "hana": "member", "ivo": "member", "kit": "keeper"}
OTHERS = {"ben": "trainer", "cem": "trainer", "jan": "member"}
ACTIONS = {
    "evaluator": {"bond", "evaluate", "open_validation"},
    "trainer": {"join", "commit", "reveal"},
    # two of three decide on a model, so one of the two who were killed has to name it
    "member": {"join", "commit", "reveal", "commit_scores", "reveal_scores", "submit_model"},
    "keeper": set(),
}
"""Which must be among those that somebody of a role was killed in; a keeper does what nobody else has done in time."""
RECORDED = {"trainer": {"update"}, "member": {"update", "scores"}}
"""What is decided once and cannot be made again: before anything of it is signed."""
POINTS = {
    "after-journal": RECORDED,
    "after-outbox": ACTIONS,
    "after-send": ACTIONS,
    "after-inclusion": ACTIONS,
}


class Killed:
    """An agent that is started again whenever it was killed."""

    def __init__(self, person, name, point, once):
        self.deaths = 0
        self._person, self._name, self._point, self._once = person, name, point, once
        once.mkdir()

    def start(self):
        role = KILLED[self._name]
        data = () if role == "keeper" else ("--data", f"{self._name}.csv", "--set", "target=kind")
        stake = () if role == "keeper" else ("--most-stake", "50")
        environment = {"BCFL_CRASH_AT": self._point, "BCFL_CRASH_ONCE": str(self._once)}
        self.process = self._person.lives(role, self._name, *data, *stake, **environment)

    @property
    def actions(self):
        """In which it was killed, by action and round."""
        names = [path.name.split(" ") for path in self._once.iterdir()]
        return Counter((name[1].split(":")[0], int(name[2])) for name in names)

    async def live(self):
        self.start()
        while True:
            status = self.process.poll()
            if status is not None:
                assert status == -signal.SIGKILL, (self._name, status)
                self.deaths += 1
                self.start()
            await anyio.sleep(0.1)


@pytest.mark.thorough
@pytest.mark.asyncio
@pytest.mark.parametrize("point", POINTS)
async def test_killed_in_each_action_of_each_role(tmp_path, strangers, point):
    async with strangers.person(tmp_path, block_time=0.5) as person:
        tasks = await anyio.to_thread.run_sync(_publish, person, strangers)
        for name, role in OTHERS.items():
            person.lives(role, name, "--data", f"{name}.csv", "--set", "target=kind", "--most-stake", "50")
        killed = {name: Killed(person, name, point, tmp_path / f"once-{name}") for name in KILLED}
        async with anyio.create_task_group() as group:
            for one in killed.values():
                group.start_soon(one.live)
            states = await _over(person, tasks)
            await anyio.sleep(3)  # what comes after the end
            group.cancel_scope.cancel()
        for name, one in killed.items():
            assert one.deaths == len(list((tmp_path / f"once-{name}").iterdir())), name
        for role, wanted in POINTS[point].items():
            those = [killed[name].actions for name in KILLED if KILLED[name] == role]
            assert wanted <= {action for actions in those for action, _ in actions}, (role, those)
        for state in states.values():
            _nothing_missed(state)
        await _nothing_twice(person, tasks)


def _publish(person, strangers):
    everybody = {**KILLED, **OTHERS}
    strangers.prepared(person, ("owner", *everybody))
    person.does("send", *everybody, "--network", "local", "--key", "owner", "--tokens", "100")
    for place, name in enumerate(everybody):
        strangers.table(person.folder / f"{name}.csv", place)
    (person.folder / "crowd.yaml").write_text(strangers.crowd_task(rounds=ROUNDS))
    (person.folder / "ward.yaml").write_text(strangers.ward_task(rounds=ROUNDS, per_round=5, budget=30))
    create = ("task", "create", "--network", "local", "--key", "owner", "--json")
    members = [word for name in ("hana", "ivo", "jan") for word in ("--member", name)]
    told = [
        person.does(*create, "crowd.yaml", "--evaluator", "eve"),
        person.does(*create, "ward.yaml", *members),
    ]
    return [json.loads(one)["task"] for one in told]


async def _over(person, tasks):
    deadline = time.monotonic() + 300
    factory = json.loads(person.does("task", "list", "--all", "--network", "local", "--json"))
    assert len(factory) == 2
    told = person.does("networks", "list")
    address = told.split("factory ")[1].split()[0]
    async with open_node(person.url) as node:
        while True:
            states = await read_tasks(node, address, from_block=0)
            paid = all(
                member.withdrawn == member.earned
                for state in states.values()
                for member in state.members.values()
            )
            if paid and all(state.ended for state in states.values()):
                return {task: states[task] for task in tasks}
            assert time.monotonic() < deadline, {
                task: (state.phase, state.round) for task, state in states.items()
            }
            await asyncio.sleep(1)


def _nothing_missed(state):
    assert state.phase is Phase.COMPLETED
    assert len(state.members) == 3
    assert state.round == ROUNDS
    for record in state.rounds.values():
        assert set(record.updates) == {0, 1, 2}, record.number
        if hasattr(record, "report"):
            assert record.report is not None
        else:
            assert set(record.vectors) == {0, 1, 2}
            assert len(record.model_votes) >= 2  # two of three decide, and then there is nothing to vote on
            assert not record.forfeiters


async def _nothing_twice(person, tasks):
    done = Counter()
    async with open_node(person.url) as node:
        head = await node.block_number()
        for number in range(head + 1):
            for receipt in await node.receipts(number):
                if receipt["status"] == "0x1" and str(receipt["to"]).lower() in {
                    task.lower() for task in tasks
                }:
                    transaction = await node.transaction(receipt["transactionHash"])
                    done[transaction["from"], transaction["to"], transaction["input"]] += bool(
                        receipt["logs"]
                    )
    assert done
    assert not [key for key, count in done.items() if count > 1 and len(key[2]) > 10]
