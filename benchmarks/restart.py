# SPDX-License-Identifier: Apache-2.0
"""A living agent that is started again, with few and with many rounds of a task behind it: when is it ready?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

import anyio
import anyio.to_thread
import numpy as np

from bcfl.chain.devnet import Devnet, mine
from bcfl.chain.node import Node, open_node
from benchmarks.record import Record
from benchmarks.task_on_anvil import TaskOnAnvil

__all__ = ("measure",)

_BCFL = str(Path(sys.executable).with_name("bcfl"))
_MEMBERS = 10
_SETTLES_S = 14
"""Until a bookmark of the newest final block has been written, and a few quiet ones."""
_READY_S = 120


async def measure(*, quick: bool) -> Record:
    """Seconds from the start of the process to ``/readyz``: the first time, when the chain is read, and again."""
    many, passes = (100, 2) if quick else (1_000, 5)
    rows, values = [], {}
    for rounds in (1, many):
        with tempfile.TemporaryDirectory() as folder:
            first, again, journal = await _of_rounds(Path(folder), rounds, passes)
        values[str(rounds)] = {"first": first, "again": again, "journal": journal}
        rows.append((f"{rounds:,}", f"{first:.2f}", f"{median(again):.2f}", f"{journal / 1e6:.1f}"))
    more = median(values[str(many)]["again"]) - median(values["1"]["again"])
    return Record(
        name="restart",
        title=f"a trainer's process with so many finished rounds of {_MEMBERS} members behind it, from its start until it is ready (median of {passes})",
        columns=("rounds", "the first time, s", "again, s", "journal, MB"),
        rows=rows,
        notes=[
            f"the past of {many:,} rounds takes {more:.2f} s; the rest is Python's imports and the key's password"
        ],
        values=values,
    )


async def _of_rounds(folder: Path, rounds: int, passes: int) -> tuple[float, list[float], int]:
    async with Devnet.start() as devnet, open_node(devnet.url) as node:
        task = await TaskOnAnvil.create(
            node, members=_MEMBERS, relayed=False, unique_digests=True, rounds=rounds + 1
        )
        for _ in range(rounds):
            await task.round()
        home = await anyio.to_thread.run_sync(_prepared, folder, devnet.url, task)
        first = await _lived(node, home)
        again = [await _lived(node, home) for _ in range(passes)]
        journal = sum(path.stat().st_size for path in (home / "agents").rglob("journal.sqlite*"))
        return first, again, journal


def _prepared(folder: Path, url: str, task: TaskOnAnvil) -> Path:
    home = folder / "home"
    _do(home, "networks", "add", "local", "--rpc", url, "--confirmations", "0", "--factory", task.factory,
        "--store", f"directory:{folder / 'store'}")  # fmt: skip
    _do(home, "keys", "new", "ann")
    rows = np.random.default_rng(0).normal(size=(40, 4))
    lines = [
        "a,b,c,d,kind",
        *(",".join(map("{:.3f}".format, row)) + f",{n % 2}" for n, row in enumerate(rows)),
    ]
    (home / "ann.csv").write_text("\n".join(lines) + "\n")
    return home


async def _lived(node: Node, home: Path) -> float:
    """Start it, have it live for a while with blocks to read, end it; the seconds until it was ready."""
    async with anyio.create_task_group() as group:
        group.start_soon(_blocks, node)
        seconds = await anyio.to_thread.run_sync(_live, home)
        group.cancel_scope.cancel()
    return seconds


async def _blocks(node: Node) -> None:
    while True:
        await mine(node)
        await anyio.sleep(0.5)


def _live(home: Path) -> float:
    words = ("agent", "trainer", "--network", "local", "--key", "ann", "--data", "ann.csv", "--set", "target=kind",
             "--metrics", "0")  # fmt: skip
    output = home / "out"
    began = time.perf_counter()
    with output.open("w") as file:
        process = subprocess.Popen(
            [_BCFL, *words], cwd=home, env=_environment(home), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        while not _is_ready(output.read_text()):
            if process.poll() is not None or time.perf_counter() - began > _READY_S:
                raise RuntimeError(f"The agent did not become ready: {output.read_text()}")
            time.sleep(0.01)
        ready = time.perf_counter() - began
        time.sleep(_SETTLES_S)
        return ready
    finally:
        process.terminate()
        process.wait()


def _is_ready(told: str) -> bool:
    if "answers at " not in told:
        return False
    address = told.split("answers at ")[1].split("/metrics")[0]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/readyz", timeout=10) as answer:
            return bool(json.load(answer)["block"])
    except urllib.error.URLError:  # 503 until it knows the past
        return False


def _do(home: Path, *words: str) -> None:
    done = subprocess.run(
        [_BCFL, *words], env=_environment(home), capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stderr}")


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "BCFL_HOME": str(home), "BCFL_PASSWORD": "secret"}
