# SPDX-License-Identifier: Apache-2.0
"""Eight agents as processes, each with a home of its own behind a provider of its own, one anvil and one Kubo; and whatever befalls them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
import numpy as np

from bcfl.chain.devnet import find_anvil

__all__ = ("AGENTS", "World", "opened")

BCFL = str(Path(sys.executable).with_name("bcfl"))
AGENTS = {
    "eve": "evaluator",
    "ann": "trainer",
    "ben": "trainer",
    "cem": "trainer",
    "hana": "member",
    "ivo": "member",
    "jan": "member",
    "kim": "member",
}
GWEI = 10**9
_TASKS = {
    "crowd": """\
name: crowd
task:
  rounds: 4
  network: {name: mlp, inputs: 8, classes: 4, hidden: 8}
  training: {learning_rate: 0.1, epochs: 1}
  reward: {budget: "30"}
  membership: {minimum: 3, capacity: 3}
  schedule: {enrolment_s: 200, training_s: 30, reveal_s: 30, evaluation_s: 40, closing_s: 4}
""",
    "ward": """\
name: ward
task:
  kind: consortium
  rounds: 4
  network: {name: tabular, inputs: 8, classes: 4}
  training: {learning_rate: 0.1, epochs: 1}
  score: {name: shapley, value: balanced_probability}
  reward: {mode: round_budget, per_round: "5", budget: "30"}
  schedule: {enrolment_s: 200, training_s: 30, reveal_s: 30, evaluation_s: 40, aggregation_s: 15, closing_s: 4}
""",
}


@dataclass
class Agent:
    """One that lives, and is started again whenever it has ended, as a service manager would."""

    name: str
    home: Path
    provider: Any
    process: subprocess.Popen[bytes] | None = None
    ended: list[int] = field(default_factory=list)
    under: set[str] = field(default_factory=set)
    wanted: bool = True

    @property
    def folder(self) -> Path:
        """Its state."""
        return self.home / "agents" / "local" / self.name

    @property
    def said(self) -> str:
        """All that it wrote."""
        path = self.home / "out"
        return path.read_text() if path.exists() else ""


class World:
    """Everything that can fail."""

    def __init__(self, folder: Path, daemons: Any, providers: Callable[[str], Any]) -> None:
        self.folder = folder
        self.agents: dict[str, Agent] = {}
        self.tasks: list[str] = []
        self.happened: Counter[str] = Counter()
        self.stormy = True
        self._daemons = daemons
        self._providers = providers
        self._store: Any = None
        self._store_over: anyio.Event | None = None
        self._anvil: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._genesis_time = int(time.time())
        self._known_from = 0
        self._busy: set[str] = set()

    @property
    def url(self) -> str:
        """The node itself."""
        return f"ws://127.0.0.1:{self._port}"

    def begin_node(self) -> None:
        """A chain with two blocks a second, that remembers itself when it is killed, up to the last second."""
        again = self._port != 0
        output = self.folder / "anvil.out"
        with output.open("w") as file:
            self._anvil = subprocess.Popen(
                [str(find_anvil()), "--host", "127.0.0.1", "--port", str(self._port), "--block-time", "0.5",
                 "--order", "fifo", "--block-base-fee-per-gas", str(GWEI), "--gas-limit", "1000000000",
                 "--state", str(self.folder / "chain.json"), "--state-interval", "1", "--slots-in-an-epoch", "1",
                 "--timestamp", str(self._genesis_time)],
                stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while "Listening on" not in output.read_text():
            assert self._anvil.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
        self._port = int(output.read_text().split("Listening on ")[1].split()[0].rsplit(":", 1)[1])
        if again:  # its clock begins anew; and of earlier blocks it has no states to go back to
            self.ask("evm_setTime", int(time.time()))
            self._known_from = int(self.ask("eth_blockNumber"), 16)

    def ask(self, method: str, *params: Any) -> Any:
        """The node itself, by HTTP."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - loopback
            answer = json.load(response)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def end_node(self) -> None:
        """A crash; what it remembers is the last state that it had written whole, which it overwrites in place."""
        assert self._anvil is not None
        state = self.folder / "chain.json"
        while True:
            whole = state.read_bytes() if state.exists() else b""
            with contextlib.suppress(ValueError):
                json.loads(whole)
                break
            time.sleep(0.05)
        self._anvil.kill()
        self._anvil.wait()
        state.write_bytes(whole)

    async def keep_store(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """A Kubo node that comes back in its place when it was killed."""
        port = 0
        while True:
            async with self._daemons.started_kubo(self.folder / "kubo", port=port) as kubo:
                self._store, port = kubo, kubo.port
                self._store_over = anyio.Event()
                if task_status is not anyio.TASK_STATUS_IGNORED:
                    task_status.started()
                    task_status = anyio.TASK_STATUS_IGNORED
                await self._store_over.wait()

    def run(
        self, name: str, *words: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A command of that person."""
        home = self.folder / name
        done = subprocess.run(
            [BCFL, *words],
            cwd=self.folder,
            env={**os.environ, "BCFL_HOME": str(home), "BCFL_PASSWORD": "secret", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done

    def prepare(self) -> None:
        """Contracts, keys, ether, tokens, tables."""
        store = f"kubo:{self._store.url}"
        network = ("networks", "add", "local", "--confirmations", "14", "--store", store)
        self.run("owner", *network, "--rpc", self.url)
        self.run("owner", "keys", "new", "owner")
        self.run("owner", "send", "owner", "--network", "local", "--from-node", "--ether", "50")
        told = self.run("owner", "deploy", "--network", "local", "--key", "owner").stdout
        contracts = [
            word
            for option, found in (
                ("--factory", r"factory (0x\w+)"),
                ("--token", r"token +(0x\w+)"),
                ("--from-block", r"--from-block (\d+)"),
            )
            for word in (option, re.search(found, told)[1])  # type: ignore[index]
        ]
        for place, name in enumerate(AGENTS):
            home = self.folder / name
            provider = self._providers(self.url)
            self.agents[name] = Agent(name=name, home=home, provider=provider)
            self.run(name, *network, "--rpc", provider.url, *contracts)
            address = self.run(name, "keys", "new", name).stdout.split()[1]
            self.run(
                "owner",
                "send",
                address,
                "--network",
                "local",
                "--key",
                "owner",
                "--ether",
                "3",
                "--tokens",
                "100",
            )
            (home / "address").write_text(address)
            _table(self.folder / f"{name}.csv", place)

    def address(self, name: str) -> str:
        """Of that agent."""
        return (self.folder / name / "address").read_text()

    def publish(self, kind: str) -> str | None:
        """One more task; None: the node was away."""
        (self.folder / f"{kind}.yaml").write_text(_TASKS[kind])
        who = ["--evaluator", self.address("eve")]
        if kind == "ward":
            who = [
                word
                for name, role in AGENTS.items()
                if role == "member"
                for word in ("--member", self.address(name))
            ]
        done = self.run(
            "owner", "task", "create", f"{kind}.yaml", "--network", "local", "--key", "owner", *who, "--json",
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            return None
        return str(json.loads(done.stdout)["task"])

    def published(self) -> list[str]:
        """Every task that there is: also one that was made though its publisher did not hear of that."""
        listed = self.run("owner", "task", "list", "--all", "--network", "local", "--json").stdout
        return [str(one["task"]) for one in json.loads(listed)]

    def show(self, task: str) -> Any:
        """That task, as the chain has it; None while the node is away, or where a reorganisation undid it."""
        done = self.run("owner", "task", "show", task, "--network", "local", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    async def live(self, agent: Agent) -> None:
        """Start it, and again when it has ended."""
        role = AGENTS[agent.name]
        words = [
            BCFL, "agent", role, "--network", "local", "--key", agent.name, "--data", f"{agent.name}.csv",
            "--set", "target=kind", "--most-stake", "50",
        ]  # fmt: skip
        environment = {
            **os.environ,
            "BCFL_HOME": str(agent.home),
            "BCFL_PASSWORD": "secret",
            "OMP_NUM_THREADS": "1",
        }
        while agent.wanted:
            with (agent.home / "out").open("ab") as output:
                agent.process = subprocess.Popen(
                    words, cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT
                )
            while agent.process.poll() is None:
                await anyio.sleep(0.1)
            agent.ended.append(agent.process.returncode)
            await anyio.sleep(0.5)

    def end(self) -> None:
        """Everything."""
        for agent in self.agents.values():
            agent.wanted = False
            if agent.process is not None and agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait()
        if self._anvil is not None and self._anvil.poll() is None:
            self._anvil.kill()
            self._anvil.wait()

    async def befall(self, fault: Any) -> None:
        """Let it happen, and be over; what the same part suffers from already does not happen to it twice at a time."""
        part = fault.kind.split("_")[-1]
        target = part if part in {"node", "store"} else fault.agent
        if fault.kind in {"reorganise", "fee_spike", "clock_jump", "refuse_everyone"}:
            target = "node"
        while target in self._busy:
            await anyio.sleep(0.1)
        self._busy.add(target)
        try:
            await getattr(self, f"_{fault.kind}")(fault, self.agents[fault.agent])
            self.happened[fault.kind] += 1
        finally:
            self._busy.discard(target)

    async def _kill_agent(self, fault: Any, agent: Agent) -> None:
        if agent.process is not None and agent.process.poll() is None:
            agent.process.kill()
        await anyio.sleep(fault.lasts_s)

    async def _suspend_agent(self, fault: Any, agent: Agent) -> None:
        process = agent.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGSTOP)
        await anyio.sleep(fault.lasts_s)
        process.send_signal(signal.SIGCONT)

    async def _full_disk(self, fault: Any, agent: Agent) -> None:
        """No file of it can grow."""
        process = agent.process
        if process is None or process.poll() is not None:
            return
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, hard))
            agent.under.add("full disk")
            await anyio.sleep(fault.lasts_s)
            if process.poll() is None:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    async def _kill_node(self, fault: Any, _: Agent) -> None:
        await anyio.to_thread.run_sync(self.end_node)
        await anyio.sleep(fault.lasts_s)
        await anyio.to_thread.run_sync(self.begin_node)

    async def _suspend_node(self, fault: Any, _: Agent) -> None:
        assert self._anvil is not None
        self._anvil.send_signal(signal.SIGSTOP)
        await anyio.sleep(fault.lasts_s)
        self._anvil.send_signal(signal.SIGCONT)

    async def _kill_store(self, fault: Any, _: Agent) -> None:
        over, self._store_over = self._store_over, None
        assert over is not None
        self._store.kill()
        await anyio.sleep(fault.lasts_s)
        over.set()
        while self._store_over is None:
            await anyio.sleep(0.1)

    async def _suspend_store(self, fault: Any, _: Agent) -> None:
        self._store.suspend()
        await anyio.sleep(fault.lasts_s)
        self._store.resume()

    async def _cut(self, fault: Any, agent: Agent) -> None:
        agent.provider.closed = HTTPStatus.SERVICE_UNAVAILABLE
        agent.provider.cut()
        await anyio.sleep(fault.lasts_s)
        agent.provider.heal()

    async def _half_open(self, fault: Any, agent: Agent) -> None:
        agent.provider.hang()
        await self._misbehave(fault, agent)

    async def _delay(self, fault: Any, agent: Agent) -> None:
        await self._misbehave(fault, agent, delay_s=fault.amount / 12)

    async def _refuse(self, fault: Any, agent: Agent) -> None:
        await self._misbehave(fault, agent, busy=True)

    async def _deaf(self, fault: Any, agent: Agent) -> None:
        await self._misbehave(fault, agent, rings=False)

    async def _shuffle(self, fault: Any, agent: Agent) -> None:
        await self._misbehave(fault, agent, shuffles=True)

    async def _misbehave(self, fault: Any, agent: Agent, **manners: Any) -> None:
        for name, value in manners.items():
            setattr(agent.provider, name, value)
        await anyio.sleep(fault.lasts_s)
        agent.provider.heal()

    async def _refuse_everyone(self, fault: Any, _: Agent) -> None:
        for one in self.agents.values():
            one.provider.busy = True
            one.provider.closed = HTTPStatus.TOO_MANY_REQUESTS
        await anyio.sleep(fault.lasts_s)
        for one in self.agents.values():
            one.provider.busy, one.provider.closed = False, None

    async def _lose_transactions(self, fault: Any, agent: Agent) -> None:
        agent.provider.loses = 1 + fault.amount // 4

    async def _double_transactions(self, fault: Any, agent: Agent) -> None:
        agent.provider.doubles = 1 + fault.amount // 2

    async def _reorganise(self, fault: Any, _: Agent) -> None:
        while (known := await anyio.to_thread.run_sync(self._known)) < 1:
            await anyio.sleep(0.5)
        await anyio.to_thread.run_sync(self.ask, "anvil_reorg", min(fault.amount, known), [])

    def _known(self) -> int:
        return int(self.ask("eth_blockNumber"), 16) - self._known_from

    async def _fee_spike(self, fault: Any, _: Agent) -> None:
        await anyio.to_thread.run_sync(
            self.ask, "anvil_setNextBlockBaseFeePerGas", hex(10 * fault.amount * GWEI)
        )

    async def _clock_jump(self, fault: Any, _: Agent) -> None:
        await anyio.to_thread.run_sync(self.ask, "evm_increaseTime", fault.amount)


@contextlib.asynccontextmanager
async def opened(folder: Path, daemons: Any, providers: Callable[[str], Any]) -> AsyncIterator[World]:
    """A world in which everything runs, and nobody lives yet."""
    world = World(folder, daemons, providers)
    try:
        world.begin_node()
        async with anyio.create_task_group() as group:
            await group.start(lambda *, task_status: world.keep_store(task_status=task_status))
            await anyio.to_thread.run_sync(world.prepare)
            yield world
            group.cancel_scope.cancel()
    finally:
        world.end()


def _table(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(4, 8))
    classes = rng.permutation(np.arange(80) % 4)
    values = centres[classes] + rng.normal(size=(80, 8))
    lines = [",".join([f"v{number}" for number in range(8)] + ["kind"])]
    lines += [
        ",".join([*(f"{value:.4f}" for value in row), str(label)])
        for row, label in zip(values, classes, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
