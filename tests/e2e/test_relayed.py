# SPDX-License-Identifier: Apache-2.0
"""Trainers who sign and a relayer who pays, as persons run them: one without ether, one whose first relayer is away, one with none that answers."""

from __future__ import annotations

import json
import re
import socket

import anyio.to_thread
import pytest

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]

TASK = """\
name: light
task:
  rounds: 2
  network: {name: mlp, inputs: 8, classes: 4, hidden: 8}
  training: {learning_rate: 0.1, epochs: 1}
  intake: {relayed: true}
  reward: {budget: "30"}
  membership: {minimum: 3, capacity: 3}
  schedule: {enrolment_s: 60, training_s: 40, reveal_s: 40, evaluation_s: 60, closing_s: 4}
"""


def _nobody():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.asyncio
async def test_whom_a_relayer_brings_pays_nothing_and_whom_nobody_brings_acts_itself(tmp_path, strangers):
    def play(person):
        strangers.prepared(person, ("owner", "eve", "rita", "kim", "ben", "cem"))
        person.does("keys", "new", "ann")
        person.does("send", "eve", "--network", "local", "--key", "owner", "--tokens", "100")
        (tmp_path / "light.yaml").write_text(TASK)
        task = json.loads(
            person.does(
                "task",
                "create",
                "light.yaml",
                "--network",
                "local",
                "--key",
                "owner",
                "--evaluator",
                "eve",
                "--json",
            )
        )["task"]
        person.lives("relayer", "rita", "--task", task, "--intake", "0")
        relayed = r"takes messages at (http://127\.0\.0\.1:\d+)"
        told = lambda: (tmp_path / "rita.out").read_text()  # noqa: E731 - asked again and again
        strangers.until(lambda: re.search(relayed, told()) and "takes part" in told(), told)
        url, away = re.search(relayed, told())[1], _nobody()
        person.lives("keeper", "kim", "--task", task)
        relays = {"ann": (url,), "ben": (away, url), "cem": (away,)}
        for place, key in enumerate(("eve", *relays)):
            strangers.table(tmp_path / f"{key}.csv", place)
        data = ("--task", task, "--set", "target=kind")
        person.lives("evaluator", "eve", "--data", "eve.csv", *data)
        for key, urls in relays.items():
            asked = [word for one in urls for word in ("--relay", one)]
            person.lives("trainer", key, "--data", f"{key}.csv", *data, *asked)
        everybody = ("kim", "eve", *relays)
        strangers.until(
            lambda: all("is over" in (tmp_path / f"{key}.out").read_text() for key in everybody),
            lambda: "".join((tmp_path / f"{key}.out").read_text() for key in ("rita", *everybody)),
        )
        return json.loads(person.does("task", "show", task, "--network", "local", "--json"))

    async with strangers.person(tmp_path) as person:
        shown = await anyio.to_thread.run_sync(play, person)
        assert (shown["phase"], shown["round"]) == ("completed", 2)
        assert all(member["paid"] == member["earned"] > 0 for member in shown["members"])
        sent = {
            key: {line["action"] for line in person.diary(key) if line["event"] == "transaction"}
            for key in ("ann", "ben", "cem", "rita")
        }
        assert not sent["ann"] & {"join", "commit", "reveal"}
        assert not sent["ben"] & {"join", "commit", "reveal"}
        assert sent["cem"] >= {"join", "commit", "reveal"}
        assert {action.partition(":")[0] for action in sent["rita"]} >= {"join", "commit", "reveal"}


@pytest.mark.asyncio
async def test_what_is_said_of_relayers_that_cannot_be(tmp_path, strangers):
    def play(person):
        strangers.prepared(person, ("owner", "rita"))
        strangers.table(tmp_path / "ann.csv", 1)
        no_url = person.tried(
            "agent",
            "trainer",
            "--network",
            "local",
            "--key",
            "rita",
            "--data",
            "ann.csv",
            "--relay",
            "rita.example",
        )
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            no_port = person.tried(
                "agent", "relayer", "--network", "local", "--key", "rita", "--intake", port
            )
        return no_url, no_port

    async with strangers.person(tmp_path) as person:
        no_url, no_port = await anyio.to_thread.run_sync(play, person)
    assert no_url.returncode == 2
    assert "--relay 'rita.example' is no address: write http://HOST:PORT" in no_url.stderr
    assert no_port.returncode == 2
    assert "give another port" in no_port.stderr.splitlines()[-1]
