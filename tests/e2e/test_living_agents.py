# SPDX-License-Identifier: Apache-2.0
"""Agents on a network, as a person runs them: two tasks at once, one killed in the middle; and what is said of wrong input."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(600)]

BCFL = str(Path(sys.executable).with_name("bcfl"))
TASK = """\
name: {name}
task:
  rounds: {rounds}
  network: {{name: mlp, inputs: 8, classes: 4, hidden: 8}}
  training: {{learning_rate: 0.1, epochs: 1}}
  reward: {{budget: "30"}}
  membership: {{minimum: 3, capacity: 3}}
  schedule: {{enrolment_s: 120, training_s: 60, reveal_s: 20, evaluation_s: 60, closing_s: 4}}
"""


def _scraped(told):
    """An agent's metrics, once it says that it is ready."""
    address = re.search(r"answers at (http://127\.0\.0\.1:\d+)/metrics", told)[1]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{address}/readyz", timeout=10) as answer:
        assert json.load(answer)["block"] > 0
    with opener.open(f"{address}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }


@pytest.mark.asyncio
async def test_a_crowd_of_strangers_in_two_tasks_at_once_one_of_them_killed(tmp_path, strangers):
    trainers = ("ann", "ben", "cem")

    def play(person):
        strangers.prepared(person, ("owner", "eve", "gus", *trainers))
        person.does("send", "eve", "--network", "local", "--key", "owner", "--tokens", "100")
        tasks = []
        for name, rounds in (("first", 2), ("second", 3)):
            (tmp_path / f"{name}.yaml").write_text(TASK.format(name=name, rounds=rounds))
            told = person.does(
                "task",
                "create",
                f"{name}.yaml",
                "--network",
                "local",
                "--key",
                "owner",
                "--evaluator",
                "eve",
                "--aggregator",
                "gus",
                "--json",
            )
            tasks.append(json.loads(told)["task"])
        data = ("--set", "target=kind", "--trains", "mlp", "--most-stake", "20")
        for place, key in enumerate(("eve", *trainers)):
            strangers.table(tmp_path / f"{key}.csv", place)
        watch = person.lives("auditor", "watch")
        gus = person.lives("aggregator", "gus")
        eve = person.lives("evaluator", "eve", "--data", "eve.csv", *data, "--metrics", "0")
        first = {key: person.lives("trainer", key, "--data", f"{key}.csv", *data) for key in trainers}
        strangers.until(
            lambda: any(line["event"] == "commit" for line in person.diary("ben")),
            lambda: (tmp_path / "ben.out").read_text(),
        )
        metrics = _scraped((tmp_path / "eve.out").read_text())
        first["ben"].kill()
        first["ben"].wait()
        again = person.lives("trainer", "ben", "--data", "ben.csv", *data)

        def left():
            everybody = ("eve", "gus", "watch", *trainers)
            return {key: (tmp_path / f"{key}.out").read_text().count("is over") for key in everybody}

        strangers.until(
            lambda: set(left().values()) == {2},
            lambda: str(left()) + "".join((tmp_path / f"{k}.out").read_text() for k in left()),
        )
        living = (eve, gus, watch, again, first["ann"], first["cem"])
        for process in living:
            assert process.poll() is None  # it lives on, for the next task
            process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in living] == [143] * len(living)
        shown = [
            json.loads(person.does("task", "show", task, "--network", "local", "--json")) for task in tasks
        ]
        person.does("task", "withdraw", tasks[0], "--network", "local", "--key", "owner")
        listed = json.loads(person.does("task", "list", "--all", "--network", "local", "--json"))
        assert person.does("task", "list", "--network", "local") == ""
        status = json.loads(person.does("status", "--network", "local", "--json"))
        assert "round 1: handed in, score" in person.does("status", "--network", "local", "--key", "ann")
        return shown, listed, status, metrics

    async with strangers.person(tmp_path) as person:
        shown, listed, status, metrics = await anyio.to_thread.run_sync(play, person)
        assert [(one["phase"], one["round"]) for one in shown] == [("completed", 2), ("completed", 3)]
        assert [metrics["bcfl_task_participating", one["task"]] for one in shown] == [1, 1]
        assert metrics["process_resident_memory_bytes",] > 1e7
        assert metrics["bcfl_head_block", "seen"] >= metrics["bcfl_head_block", "final"] > 0
        assert [one["task"] for one in listed] == [one["task"] for one in shown]
        for one in shown:
            assert len(one["members"]) == 3
            assert all(member["paid"] == member["earned"] > 0 for member in one["members"])
            assert one["specification"]["network"]["name"] == "mlp"
        assert [(one["key"], one["task"]) for one in status] == [
            (key, one["task"]) for one in shown for key in trainers
        ]
        for one in status:
            assert one["earned"] == pytest.approx(
                sum(done["credited"] + done["judged"] for done in one["rounds"])
            )
            assert all(bool(done["why"]) == (done["credited"] == 0) for done in one["rounds"])
            assert one["last_seen"]
        audits = person.diary("watch")
        assert Counter((line["event"], line["task"]) for line in audits) == {
            ("audited", one["task"]): one["round"] for one in shown
        }
        assert not any(line["findings"] for line in audits)
        for key in ("eve", "gus", *trainers):
            said = Counter(line.get("task") for line in person.diary(key))
            assert said.keys() == {one["task"] for one in shown}, said
        built = [line for line in person.diary("gus") if line["event"] == "aggregated"]
        assert len(built) == sum(one["round"] for one in shown)
        for key in ("eve", "gus", "ann", "ben", "cem"):
            sent = [
                line
                for line in person.diary(key)
                if line["event"] == "transaction" and line["status"] == "included"
            ]
            steps = [
                (line["agent"], line["action"], line["round"])
                for line in sent
                if line["action"] in {"commit", "reveal"}
            ]
            assert all(steps.count(step) <= 2 for step in steps)  # at most once in each task
        logs = "".join(path.read_text() for path in (tmp_path / "home" / "agents").rglob("*.jsonl"))
        keystore = json.loads((tmp_path / "home" / "keys" / "ben.json").read_text())
        assert keystore["crypto"]["ciphertext"] not in logs
        assert "secret" not in re.sub(r"BCFL_PASSWORD|salt", "", logs)


@pytest.mark.asyncio
async def test_wrong_input_is_one_sentence_before_it_costs_anything(tmp_path, strangers):
    def play(person):
        strangers.prepared(person, ("owner", "eve", "ann"))
        person.does("send", "eve", "--network", "local", "--key", "owner", "--tokens", "100")
        person.does("keys", "new", "poor")
        (tmp_path / "task.yaml").write_text(TASK.format(name="first", rounds=1))
        create = ("task", "create", "task.yaml", "--network", "local", "--key", "owner")
        task = json.loads(person.does(*create, "--evaluator", "eve", "--json"))["task"]
        ended = json.loads(person.does(*create, "--evaluator", "eve", "--json"))["task"]
        person.does("task", "cancel", ended, "--network", "local", "--key", "owner")
        strangers.table(tmp_path / "ann.csv", 1)
        strangers.table(tmp_path / "narrow.csv", 1, numbers=5)
        agent = ("agent", "trainer", "--network", "local", "--key", "ann", "--set", "target=kind")
        nobody = "0x" + "12" * 20
        (tmp_path / "elsewhere").mkdir()
        taken = socket.create_server(("127.0.0.1", 0))
        assert "fit for 'first': 80 samples" in person.does(
            "data", "check", "ann.csv", "--set", "target=kind", "--task", task, "--network", "local"
        )
        cases = [
            (
                (*agent, "--data", "ann.csv", "--task", task),
                {"BCFL_PASSWORD": "wrong"},
                4,
                "does not open with this password",
            ),
            (
                ("agent", "trainer", "--network", "local", "--key", "bob", "--data", "ann.csv"),
                {},
                2,
                r"no key 'bob' in .*there are ann, eve, owner, poor",
            ),
            (
                ("agent", "trainer", "--network", "other", "--key", "ann", "--data", "ann.csv"),
                {},
                2,
                r"no network 'other' .*there are local",
            ),
            (("agent", "trainer", "--key", "ann", "--data", "ann.csv"), {}, 2, "Say on which network"),
            (("agent", "trainer", "--network", "local", "--data", "ann.csv"), {}, 2, "Say with which key"),
            ((*agent, "--data", "absent.csv", "--task", task), {}, 2, "no file absent.csv"),
            (
                (*agent, "--data", "ann.csv", "--set", "target=sort", "--task", task),
                {},
                6,
                "no column 'sort'",
            ),
            ((*agent, "--data", "narrow.csv", "--task", task), {}, 2, r"not for this trainer: .*5"),
            ((*agent, "--data", "ann.csv", "--task", nobody), {}, 4, "no contract at"),
            ((*agent, "--data", "ann.csv", "--task", "0x12"), {}, 2, "is no address"),
            ((*agent, "--data", "ann.csv", "--task", ended), {}, 2, "has ended"),
            (
                (
                    "agent",
                    "member",
                    "--network",
                    "local",
                    "--key",
                    "ann",
                    "--data",
                    "ann.csv",
                    "--set",
                    "target=kind",
                    "--task",
                    task,
                ),
                {},
                2,
                "it is a crowd's",
            ),
            (
                (
                    "agent",
                    "evaluator",
                    "--network",
                    "local",
                    "--key",
                    "ann",
                    "--data",
                    "ann.csv",
                    "--set",
                    "target=kind",
                    "--task",
                    task,
                ),
                {},
                2,
                "is none of its evaluators",
            ),
            (
                (*agent, "--data", "ann.csv", "--task", task, "--store", "kubo:http://127.0.0.1:9"),
                {},
                5,
                "Kubo",
            ),
            (
                (*agent, "--data", "ann.csv", "--task", task, "--store", "ipfs"),
                {},
                2,
                "'ipfs' names no store",
            ),
            ((*agent, "--data", "ann.csv", "--least-pay", "many"), {}, 2, "--least-pay many"),
            (
                (*agent, "--data", "ann.csv", "--task", task, "--upload", "0.0001"),
                {},
                2,
                "it asks for 432 bytes of upload in a round, and the limit is 100 bytes",
            ),
            ((*agent, "--data", "ann.csv"), {"BCFL_DISK": "-1"}, 2, "environment, BCFL_DISK"),
            (
                ("agent", "aggregator", "--network", "local", "--key", "ann", "--task", task),
                {},
                2,
                "is not its aggregator",
            ),
            (
                ("data", "check", "narrow.csv", "--set", "target=kind", "--task", task, "--network", "local"),
                {},
                6,
                "5",
            ),
            (
                ("data", "check", "ann.csv", "--set", "target=kind", "--task", nobody, "--network", "local"),
                {},
                2,
                "made no task",
            ),
            (
                (
                    "send",
                    task[:-1] + ("0" if task[-1] != "0" else "1"),
                    "--ether",
                    "1",
                    "--network",
                    "local",
                    "--key",
                    "owner",
                ),
                {},
                2,
                "mistyped",
            ),
            (("agent", "trianer", "--network", "local"), {}, 2, "no program 'trianer'"),
            (
                (*agent, "--data", "ann.csv", "--metrics", str(taken.getsockname()[1])),
                {},
                2,
                r"Nobody can listen at 127\.0\.0\.1, port \d+ .*give another port",
            ),
            (("networks", "add", "odd", "--rpc", "ws://localhost:99999"), {}, 2, "write a WebSocket address"),
            ((*create, "--member", "eve"), {}, 2, "correct task.kind, or the option"),
            (("status", "--network", "local", "--key", "bob"), {}, 2, "no key 'bob'"),
            (
                (
                    "agent",
                    "trianer",
                ),
                {},
                2,
                "no program 'trianer'.*trainer",
            ),
            (("task", "show", nobody, "--network", "local"), {}, 2, "made no task"),
            (
                ("send", "ann", "--ether", "1", "--network", "local", "--key", "poor"),
                {},
                4,
                "too little ether",
            ),
            (("task", "leave", task, "--network", "local", "--key", "ann"), {}, 2, "is no member"),
            (("task", "cancel", task, "--network", "local", "--key", "ann"), {}, 2, "who alone may end it"),
            (
                ("task", "cancel", ended, "--network", "local", "--key", "owner"),
                {},
                4,
                "does not take this now: ",
            ),
            (create, {}, 2, "name an evaluator with --evaluator"),
            (
                (*create, "--evaluator", "eve", "--set", "task.reward.budget=9000000"),
                {},
                4,
                "does not take this now|has too little",
            ),
            (("networks", "add", "away", "--rpc", "ws://127.0.0.1:9"), {}, 4, "127.0.0.1:9"),
            (("networks", "add", "web", "--rpc", "http://127.0.0.1:9"), {}, 2, "write a WebSocket address"),
            (("keys", "new", "ann"), {}, 4, "a key 'ann' already"),
            (("keys", "new", "../x"), {}, 2, "is no name for a key"),
            (("keys", "import", "y"), {}, 2, "never on the command line"),
            (("deploy", "--network", "local", "--key", "owner"), {}, 2, "has contracts already"),
            (("send", "ann", "--network", "local", "--key", "owner"), {}, 2, "Say how much"),
        ]
        with taken:
            return [
                (words, person.tried(*words, **more), status, sentence)
                for words, more, status, sentence in cases
            ]

    async with strangers.person(tmp_path) as person:
        tried = await anyio.to_thread.run_sync(play, person)
    wrong = []
    for words, done, status, sentence in tried:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
        if done.returncode != status or not re.search(sentence, last) or len(done.stderr.splitlines()) > 5:
            wrong.append(f"{' '.join(words)}: {done.returncode} for {status}: {done.stdout}{done.stderr}")
    assert not wrong, "\n".join(wrong)
