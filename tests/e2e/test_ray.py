# SPDX-License-Identifier: Apache-2.0
"""Training and cells on a Ray cluster of two nodes: what comes out is what one machine makes, also where workers are lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest
import yaml

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import ClusterUnavailable, WorkFailed
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.cluster import Cluster
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.scenarios.planning.code import code_digest

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "import sys; from bcfl.cli.app import main; sys.exit(main())"]


@contextmanager
def _node(*arguments):
    """A node of a cluster, with everything that it starts, ended by its pid."""
    command = [
        sys.executable,
        "-c",
        "import sys; from ray.scripts.scripts import main; sys.exit(main())",
        "start",
    ]
    settings = (
        "--block",
        "--node-ip-address=127.0.0.1",
        "--num-cpus=1",
        "--disable-usage-stats",
        "--object-store-memory=200000000",
    )
    node = subprocess.Popen(
        [*command, *settings, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield node.pid
    finally:
        node.terminate()
        try:
            node.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()


def _free(number):
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a cluster of two nodes, and the processes that hold them."""
    head, client = _free(2)
    address = f"127.0.0.1:{head}"
    place = f"/tmp/ray-{head}"  # noqa: S108 - a socket's path must be short
    with _node(
        "--head",
        f"--port={head}",
        f"--ray-client-server-port={client}",
        "--include-dashboard=false",
        f"--temp-dir={place}",
    ) as first:
        _await_nodes(address, 1)
        with _node(f"--address={address}") as second:
            _await_nodes(address, 2)
            yield address, (first, second)


def _await_nodes(address, number):
    asked = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); print(len(ray.nodes()))"
    health = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
    until = time.monotonic() + 120
    while time.monotonic() < until:
        alive = subprocess.run(
            [sys.executable, "-c", health, "health-check", "--address", address],
            capture_output=True,
            check=False,
        )
        if alive.returncode == 0:
            told = subprocess.run(
                [sys.executable, "-c", asked, address],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            if told.stdout.strip() == str(number):
                return
        time.sleep(0.5)
    pytest.fail(f"the cluster did not come to {number} nodes")


def _workers(nodes, kind):
    """Processes of that kind which descend from the cluster's nodes."""
    parents, found = {}, []
    for entry in Path("/proc").iterdir():
        try:
            pid = int(entry.name)
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if (entry / "cmdline").read_bytes().startswith(f"ray::{kind}".encode()):
                found.append(pid)
        except (ValueError, OSError):
            continue

    def ours(pid):
        while pid > 1:
            if pid in nodes:
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid in found if ours(pid)]


def _kill_one(nodes, kind, said=str, goes_on=lambda: True, *, within=60):
    until = time.monotonic() + within
    while time.monotonic() < until and goes_on():
        found = _workers(nodes, f"{kind}.perform")
        if found:
            os.kill(found[0], signal.SIGKILL)
            return
        time.sleep(0.05)
    pytest.fail(f"nobody was at work {said()}")


def _bcfl(*arguments):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_run_on_a_cluster_comes_to_what_this_machine_comes_to(cluster, tmp_path):
    address, _ = cluster
    here, there = tmp_path / "here", tmp_path / "there"
    for place, how in ((here, ()), (there, ("--ray", address))):
        done = _bcfl("run", "scenarios/quick.yaml", "--out", place, *how)
        assert done.returncode == 0, done.stderr
    ours, theirs = (json.loads((place / "digests.json").read_text())["files"] for place in (here, there))
    assert ours["final.safetensors"] == theirs["final.safetensors"]
    paid = [json.loads((place / "summary.json").read_text())["participants"] for place in (here, there)]
    assert paid[0] == paid[1]


def test_cells_of_a_lost_worker_are_run_again(cluster, tmp_path):
    address, nodes = cluster
    sweep = {
        "name": "two",
        "base": {
            "name": "cell",
            "task": {"rounds": 3, "network": "mnist_cnn_small", "reward": {"budget": "30"}},
            "data": {
                "dataset": "mnist",
                "partition": {"name": "equal", "samples_per_client": 200},
                "validation": {"samples": 200},
            },
            "population": {"trainers": [{"name": "one", "count": 3}]},
        },
        "seeds": "1-3",
    }
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump(sweep))
    outs = tmp_path / "there", tmp_path / "here"
    said = tmp_path / "said"
    command = [*PROGRAM, "sweep", str(file), "--out", str(outs[0]), "--ray", address]
    with said.open("w") as told, subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=told) as under_way:
        _kill_one(nodes, "RemoteCells", said.read_text, lambda: under_way.poll() is None)
        assert under_way.wait(200) == 0, said.read_text()
    assert _bcfl("sweep", file, "--out", outs[1]).returncode == 0
    cells = [sorted((out / "cells").iterdir()) for out in outs]
    assert len(cells[0]) == 3
    for there, here in zip(*cells, strict=True):
        results = [json.loads(one.read_text()) for one in (there, here)]
        assert results[0]["code"] == results[1]["code"]
        for what in ("rounds", "final", "participants"):
            assert results[0]["summary"][what] == results[1]["summary"][what]


def _job(epochs):
    network = Mlp(inputs=8, classes=3, hidden=16)
    return TrainingJob(
        network=network,
        start=initial_weights(network, 1),
        samples=SamplesRef("all", None),
        hyperparameters=Hyperparameters(learning_rate=0.1, batch_size=10, epochs=epochs),
        seed=3,
    )


def _samples():
    draw = np.random.default_rng(5)
    return Samples(inputs=draw.normal(size=(1000, 8)).astype(np.float32), targets=draw.integers(0, 3, 1000))


@pytest.mark.asyncio
async def test_a_job_whose_worker_is_lost_is_done_by_the_next(cluster):
    address, nodes = cluster
    job = _job(epochs=60)
    async with Engine.start(executor="threads") as engine:
        engine.add_samples("all", _samples())
        alone = await engine.train(job)
    async with (
        Cluster.connected(address, program=code_digest) as there,
        Engine.start(executor=there, workers=1) as engine,
    ):
        engine.add_samples("all", _samples())
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, lambda: _kill_one(nodes, "RemoteBench"))
            again = await engine.train(job)
        assert np.array_equal(again.weights.vector, alone.weights.vector)


@pytest.mark.asyncio
async def test_a_job_that_is_given_up_ends_soon_and_its_worker_goes_on(cluster):
    address, _ = cluster
    async with (
        Cluster.connected(address, program=code_digest) as there,
        Engine.start(executor=there, workers=1) as engine,
    ):
        assert there.cores == 2
        engine.add_samples("all", _samples())
        await engine.train(_job(epochs=1))
        began = time.monotonic()
        with anyio.move_on_after(1):
            await engine.train(_job(epochs=100_000))
        assert 0.9 < time.monotonic() - began < 4
        await engine.train(_job(epochs=1))
        unfit = Mlp(inputs=9, classes=3, hidden=16)
        with pytest.raises(WorkFailed, match="could not"):
            await engine.evaluate(unfit, initial_weights(unfit, 1), "all")


@pytest.mark.asyncio
async def test_a_node_with_another_program_computes_nothing(cluster):
    address, _ = cluster
    async with (
        Cluster.connected(address, program=lambda: str(os.getpid())) as there,
        Engine.start(executor=there, workers=1) as engine,
    ):
        engine.add_samples("all", _samples())
        with pytest.raises(ClusterUnavailable, match="another version of bcfl"):
            await engine.train(_job(epochs=1))


def test_an_address_at_which_no_cluster_answers_is_said_before_anything_is_made(tmp_path):
    (port,) = _free(1)
    for address, sentence in (
        (f"127.0.0.1:{port}", f"No Ray cluster answers at 127.0.0.1:{port}"),
        ("somewhere", "'somewhere' is no address of a Ray cluster"),
    ):
        done = _bcfl("run", "scenarios/quick.yaml", "--out", tmp_path / "run", "--ray", address)
        assert done.returncode == 6
        assert sentence in done.stderr
        assert not (tmp_path / "run").exists()
