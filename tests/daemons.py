# SPDX-License-Identifier: Apache-2.0
"""Real daemons for tests: a Kubo node and a geth development node on loopback, on ports they choose themselves.

A program is looked for in an environment variable (``BCFL_TEST_IPFS``, ``BCFL_TEST_GETH``), on the PATH, then in
``../shared/bin`` beside the repository. Without it a test skips and says why; with ``BCFL_REQUIRE_DAEMONS=1`` it fails.

Tests reach this module through the ``daemons`` fixture::

    async with daemons.running_kubo(tmp_path) as api_url: ...
    async with daemons.running_geth(tmp_path, period=1) as websocket_url: ...
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

__all__ = ("Daemon", "Kubo", "geth_program", "kubo_program", "running_geth", "running_kubo", "started_kubo")

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "bin"
_READY_S = 30.0
_STOP_S = 10.0


def kubo_program() -> Path:
    """The ``ipfs`` program; skips or fails the test without it."""
    return _program("ipfs", "BCFL_TEST_IPFS")


def geth_program() -> Path:
    """The ``geth`` program; skips or fails the test without it."""
    return _program("geth", "BCFL_TEST_GETH")


def _program(name: str, variable: str) -> Path:
    for candidate in (os.environ.get(variable), shutil.which(name), str(_SHARED / name)):
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate).resolve()
    reason = f"No {name} program: set {variable} or put {name} on the PATH."
    if os.environ.get("BCFL_REQUIRE_DAEMONS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True)
class Daemon:
    """A process of ours and where it answers."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def suspend(self) -> None:
        """Stop it from running, connections open (SIGSTOP)."""
        self.process.send_signal(signal.SIGSTOP)
        # Threads stop one by one: only when all have, no answer can come any more.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Kubo(Daemon):
    """A Kubo node with the folder of its repository."""

    program: Path
    repository: Path

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def command(self, *arguments: str) -> bytes:
        """What ``ipfs ARGUMENTS`` prints, asked of this node."""
        api = f"/ip4/127.0.0.1/tcp/{self.port}"
        done = subprocess.run(
            [self.program, "--api", api, *arguments],
            env=_kubo_environment(self.repository),
            capture_output=True,
            check=True,
        )
        return done.stdout


@contextlib.asynccontextmanager
async def running_kubo(tmp_path: Path) -> AsyncIterator[str]:
    """An offline Kubo node; its RPC address as ``http://127.0.0.1:PORT``."""
    async with started_kubo(tmp_path) as kubo:
        yield kubo.url


@contextlib.asynccontextmanager
async def started_kubo(tmp_path: Path, *, port: int = 0, online: bool = False) -> AsyncIterator[Kubo]:
    """The same with its process; started again in the same folder it has the same repository.

    Online it listens for other nodes on loopback (``swarm connect``) and searches for what it does not have.
    """
    tmp_path.mkdir(exist_ok=True)
    program = kubo_program()
    repository = tmp_path / "ipfs"
    environment = _kubo_environment(repository)

    def configure(*arguments: str) -> None:
        subprocess.run([program, *arguments], env=environment, check=True, capture_output=True)

    def prepare() -> None:
        if not repository.exists():
            configure("init", "--profile=test", "-e")
            configure("config", "Addresses.Gateway", "/ip4/127.0.0.1/tcp/0")
            configure("config", "--json", "Addresses.Swarm", '["/ip4/127.0.0.1/tcp/0"]' if online else "[]")
            configure("config", "Routing.Type", "none")
        configure("config", "Addresses.API", f"/ip4/127.0.0.1/tcp/{port}")

    await anyio.to_thread.run_sync(prepare)
    log = tmp_path / "ipfs.log"
    async with _process(
        [str(program), "daemon", *([] if online else ["--offline"])], log, environment
    ) as process:
        found = await _announced(
            process, log, re.compile(rb"RPC API server listening on /ip4/127\.0\.0\.1/tcp/(\d+)")
        )
        url = f"http://127.0.0.1:{int(found)}"
        await _answers(process, log, f"{url}/api/v0/version", b"")
        yield Kubo(process=process, url=url, log=log, program=program, repository=repository)


@contextlib.asynccontextmanager
async def running_geth(tmp_path: Path, period: int | None = None) -> AsyncIterator[str]:
    """A geth development node (chain id 1337); its WebSocket address as ``ws://127.0.0.1:PORT``.

    The same port answers JSON-RPC over HTTP. Its one account is unlocked and funded (``eth_accounts``).

    Args:
        tmp_path: where its data and its log go.
        period: seconds between blocks; ``None`` makes a block whenever there is a transaction.
    """
    log = tmp_path / "geth.log"
    # One server for both protocols, on a port of its own choice: what the log says it took.
    command = (
        f"{geth_program()} --dev --dev.gaslimit 30000000 --ipcdisable --nodiscover --maxpeers 0 --port 0"
    )
    command += " --ws --ws.addr 127.0.0.1 --ws.port 0 --ws.api eth,net,web3,debug"
    command += " --http --http.addr 127.0.0.1 --http.port 0 --http.api eth,net,web3,debug"
    command += " --authrpc.addr 127.0.0.1 --authrpc.port 0"
    arguments = [*command.split(), "--datadir", str(tmp_path / "geth")]
    if period is not None:
        arguments += ["--dev.period", str(period)]
    async with _process(arguments, log, dict(os.environ)) as process:
        found = await _announced(
            process, log, re.compile(rb"HTTP server started\s+endpoint=127\.0\.0\.1:(\d+)\s+auth=false")
        )
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
        await _answers(process, log, f"http://127.0.0.1:{int(found)}", body)
        await anyio.to_thread.run_sync(_until_funded, f"http://127.0.0.1:{int(found)}")
        yield f"ws://127.0.0.1:{int(found)}"


def _until_funded(url: str) -> None:
    """Its pool of transactions hears of the genesis block a moment after the node answers: till then its account is poor."""

    def ask(method: str, *parameters: str) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        request = urllib.request.Request(  # noqa: S310 - a node on loopback that we started
            url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return json.load(answer).get("result")

    (account,) = ask("eth_accounts")
    deadline = time.monotonic() + 20
    while int(ask("eth_getBalance", account, "pending") or "0x0", 16) == 0:
        assert time.monotonic() < deadline, "the node's account was never funded"
        time.sleep(0.05)
    time.sleep(0.3)


def _kubo_environment(repository: Path) -> dict[str, str]:
    return {**os.environ, "IPFS_PATH": str(repository), "IPFS_TELEMETRY": "off"}


@contextlib.asynccontextmanager
async def _process(
    arguments: Sequence[str], log: Path, environment: dict[str, str]
) -> AsyncIterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)  # a suspended process does not hear SIGTERM
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def _announced(process: subprocess.Popen[bytes], log: Path, pattern: re.Pattern[bytes]) -> bytes:
    """The port that the daemon's log names."""
    with anyio.move_on_after(_READY_S):
        while process.poll() is None:
            if match := pattern.search(log.read_bytes()):
                return match[1]
            await anyio.sleep(0.02)
    raise AssertionError(f"The daemon did not start:\n{log.read_text(errors='replace')[-2000:]}")


async def _answers(process: subprocess.Popen[bytes], log: Path, url: str, body: bytes) -> None:
    def ask() -> bool:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - loopback
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=5
            ) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    with anyio.move_on_after(_READY_S):
        while process.poll() is None:
            if await anyio.to_thread.run_sync(ask):
                return
            await anyio.sleep(0.05)
    raise AssertionError(f"The daemon does not answer at {url}:\n{log.read_text(errors='replace')[-2000:]}")
