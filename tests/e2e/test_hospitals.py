# SPDX-License-Identifier: Apache-2.0
"""Four hospitals on four machines, by the commands of ``docs/operating.md`` alone: keys, Kubo nodes and folders of their own, one geth."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest

from bcfl.models.data.heart_disease_table import ATTRIBUTES, published_table

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
BLOCKS = re.findall(r"^```bash (\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
COLUMNS = ("age", "sex", "cp", "thalach", "exang", "oldpeak")


class Machine:
    """A folder, a Kubo node and what its person has learnt: what the page's commands are run with."""

    def __init__(self, folder, rpc, ipfs):
        folder.mkdir()
        self.folder = folder
        self.known = {"RPC": rpc, "IPFS": ipfs}
        self.agent = None

    @property
    def environment(self):
        home = {"BCFL_HOME": str(self.folder / "home"), "BCFL_PASSWORD": f"of {self.folder.name}"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **home, **self.known, "PATH": path}

    def command(self, line):
        done = subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def live(self, line):
        """An agent, in the background."""
        words = [os.path.expandvars(word) for word in shlex.split(line)]
        words = [word if "$" not in word else self.known[word.strip("$")] for word in words]
        program = Path(sys.executable).with_name(words[0])
        with (self.folder / "agent.out").open("a") as output:
            self.agent = subprocess.Popen(
                [str(program), *words[1:]],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self):
        return (self.folder / "agent.out").read_text()

    def json(self, line):
        return json.loads(self.command(line))


def _tables(folders):
    """The four parts of UCI's table, each a file of its own at its hospital."""
    shared = SHARED / "heart_disease_uci"
    table = published_table(shared if shared.is_dir() else None)
    for place, folder in enumerate(folders):
        rows = table["attributes"][table["hospitals"] == place]
        with (folder / "patients.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, "sick"])
            for row in rows:
                values = [row[ATTRIBUTES.index(name)] for name in COLUMNS]
                writer.writerow([*("" if np.isnan(v) else f"{v:g}" for v in values), int(row[-1] > 0)])


def _blocks(who):
    return [[line for line in text.splitlines() if line] for name, text in BLOCKS if name == who]


@contextlib.asynccontextmanager
async def _stage(tmp_path, daemons):
    async with contextlib.AsyncExitStack() as stack:
        (tmp_path / "chain").mkdir()
        rpc = await stack.enter_async_context(daemons.running_geth(tmp_path / "chain", period=1))
        nodes = [
            await stack.enter_async_context(daemons.started_kubo(tmp_path / f"kubo-{place}", online=True))
            for place in range(5)
        ]
        for place, node in enumerate(
            nodes
        ):  # without a routing service, nodes ask those that they are connected with
            address = json.loads(node.command("id"))["Addresses"][0]
            for other in nodes[place + 1 :]:
                other.command("swarm", "connect", address)
        machines = [
            Machine(tmp_path / name, rpc, node.url)
            for name, node in zip(
                ("coordinator", "cleveland", "hungary", "switzerland", "longbeach"), nodes, strict=True
            )
        ]
        try:
            yield machines
        finally:
            for machine in machines:
                if machine.agent is not None and machine.agent.poll() is None:
                    machine.agent.kill()
                    machine.agent.wait()


def _play(machines):
    coordinator, *hospitals = machines
    begin, publish = _blocks("coordinator")
    prepare, live, _ = _blocks("hospital")
    told = "".join(coordinator.command(line) for line in begin)
    learnt = {
        "FACTORY": re.search(r"factory (0x\w+)", told)[1],
        "TOKEN": re.search(r"token +(0x\w+)", told)[1],
        "BLOCK": re.search(r"--from-block (\d+)", told)[1],
    }
    addresses = []
    for hospital in hospitals:
        hospital.known |= learnt
        addresses.append([hospital.command(line) for line in prepare][-1].strip())
    task = re.search(r"^```yaml heart.yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    (coordinator.folder / "heart.yaml").write_text(task)
    coordinator.known |= {
        "HOSPITALS": " ".join(addresses),
        "MEMBERS": " ".join(f"--member {address}" for address in addresses),
    }
    told = "".join(coordinator.command(line) for line in publish)
    address = re.search(r"task (0x\w+)", told)[1]
    for machine in machines:
        machine.known["TASK"] = address
    for hospital in hospitals:
        for line in live[:-1]:
            hospital.command(line)
        hospital.live(live[-1])
    return coordinator, hospitals, addresses


def _until(done, why, seconds=240):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, why()
        time.sleep(0.5)


@pytest.mark.asyncio
async def test_four_hospitals_by_the_page_alone(tmp_path, daemons):
    """One of them is killed in the middle, and goes on with the same command."""
    async with _stage(tmp_path, daemons) as machines:
        _tables([machine.folder for machine in machines[1:]])

        def play():
            coordinator, hospitals, addresses = _play(machines)
            diary = hospitals[1].folder / "home" / "agents" / "trial" / "hospital" / "diary.jsonl"
            _until(lambda: diary.exists() and '"trained"' in diary.read_text(), lambda: hospitals[1].text)
            hospitals[1].agent.send_signal(signal.SIGKILL)
            hospitals[1].agent.wait()
            hospitals[1].live(_blocks("hospital")[1][-1])
            _until(
                lambda: all(hospital.agent.poll() is not None for hospital in hospitals),
                lambda: "\n".join(hospital.text for hospital in hospitals),
            )
            return coordinator, hospitals, addresses

        coordinator, hospitals, addresses = await anyio.to_thread.run_sync(play)
        assert [hospital.agent.returncode for hospital in hospitals] == [0] * 4, "\n".join(
            one.text for one in hospitals
        )
        for line in _blocks("anybody")[0]:
            coordinator.command(line)
        for hospital, address in zip(hospitals, addresses, strict=True):
            (line,) = _blocks("hospital")[2]
            assert "completed" in hospital.command(line)
            (mine,) = hospital.json(f"{line} --json")
            assert (mine["key"], mine["task"]) == ("hospital", hospital.known["TASK"])
            assert [one["did"] for one in mine["rounds"]] == ["handed_in"] * 3, address
        shown = coordinator.json("bcfl task show $TASK --network trial --json")
        assert (shown["phase"], shown["round"]) == ("completed", 3)
        members = {member["account"]: member for member in shown["members"]}
        assert set(members) == set(addresses)  # everybody at an address of its own
        earned = [members[address]["earned"] for address in addresses]
        assert [members[address]["paid"] for address in addresses] == earned
        # Whose models help changes with their secrets, which are new each time: somebody's do.
        assert max(earned) > 0
        agreed = set()
        for hospital in hospitals:
            diary = hospital.folder / "home" / "agents" / "trial" / "hospital" / "diary.jsonl"
            lines = [json.loads(text) for text in diary.read_text().splitlines()]
            last = [line for line in lines if line["event"] == "aggregated" and line["round"] == 3]
            agreed |= {line["cid"] for line in last}
            done = [
                (line["action"], line["round"])
                for line in lines
                if line["event"] == "transaction"
                and line["status"] == "included"
                and "advance" not in line["action"]
            ]
            assert len(done) == len(set(done)), "an effect twice"
        assert len(agreed) == 1, agreed
        secrets = [
            (hospital.folder / "home" / "agents" / "trial" / "hospital" / "secret").read_bytes()
            for hospital in hospitals
        ]
        assert len(set(secrets)) == 4
