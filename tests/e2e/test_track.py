# SPDX-License-Identifier: Apache-2.0
"""Runs are followed into a real MLflow server and into TensorBoard's files: from their directory, and from a chain and a store alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest

from bcfl.chain.devnet import Devnet
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.interrupted import held
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import RunDirectoryUnreadable
from bcfl.scenarios.following.directory import follow_directory
from bcfl.scenarios.following.story import safe_name
from bcfl.scenarios.running.runner import run

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"
# MLflow and what it brings warn of their own matters
pytestmark = pytest.mark.filterwarnings("ignore")


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow server with SQLite, on loopback."""
    home = tmp_path_factory.mktemp("mlflow")
    address = f"http://127.0.0.1:{(port := free_port())}"
    program = Path(sys.executable).with_name("mlflow")
    command = [str(program), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{home}/it.db",
        "--artifacts-destination",
        str(home / "files"),
    ]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )
    try:
        deadline = time.monotonic() + 100
        while True:
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5)  # noqa: S310 - our own server
                break
            except OSError:
                time.sleep(0.3)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


@pytest.fixture
def client(server):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server)


def the_run(client, experiment):
    number = client.get_experiment_by_name(experiment).experiment_id
    (found,) = client.search_runs([number])
    return found


def points(client, found, metric):
    return [
        point.value
        for point in sorted(client.get_metric_history(found.info.run_id, metric), key=lambda p: p.step)
    ]


@pytest.mark.timeout(300)
def test_a_run_is_followed_while_it_goes_on_and_its_model_comes_out_of_the_registry(
    start, bcfl, server, client, tmp_path, monkeypatch
):
    going_on = start("--set", "task.rounds=4")
    while not (going_on.directory / "scenario.yaml").is_file():
        time.sleep(0.05)
    into = [
        "--mlflow",
        server,
        "--experiment",
        "live",
        "--register",
        "quick",
        "--tensorboard",
        str(tmp_path / "tb"),
    ]
    followed = bcfl("track", str(going_on.directory), *into)
    assert followed.returncode == 0, followed.stderr
    assert going_on.end() == 0
    summary = json.loads((going_on.directory / "summary.json").read_text())

    found = the_run(client, "live")
    assert found.info.status == "FINISHED"
    assert found.data.params["task.rounds"] == "4"
    assert found.data.params["task.network.name"] == "mlp"
    assert points(client, found, "global/loss") == pytest.approx(
        [done["global_loss"] for done in summary["rounds"]]
    )
    assert points(client, found, "tokens/bob") == pytest.approx(
        [int(done["tokens"]["bob"]) / 1e18 for done in summary["rounds"]]
    )
    assert found.data.metrics["gas/task"] == summary["gas"]["total"]
    assert found.data.tags["bcfl.cid"] == summary["final"]["cid"]
    names = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert {"summary.json", "scenario.yaml", "events.jsonl", "model.json"} <= names

    (version,) = client.search_model_versions("name='quick'")
    assert version.tags["bcfl.task"] == found.data.tags["bcfl.task"]
    assert version.tags["bcfl.specification"].startswith("baf")
    assert json.loads(version.tags["bcfl.scores"])["bob"] == pytest.approx(
        sum(done["scores"]["bob"] for done in summary["rounds"])
    )

    import mlflow

    mlflow.set_tracking_uri(server)
    model = mlflow.pyfunc.load_model("models:/quick/1")
    test = load(going_on.directory / "scenario.yaml").data.dataset.create("dataset").load(None).test
    told = model.predict(test.inputs).argmax(axis=1)
    assert np.mean(told == test.targets) == pytest.approx(summary["final"]["accuracy"])

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (place,) = (tmp_path / "tb").iterdir()
    scalars = EventAccumulator(str(place))
    scalars.Reload()
    losses = [
        float(
            event.tensor_proto.float_val[0]
            if event.tensor_proto.float_val
            else np.frombuffer(event.tensor_proto.tensor_content, np.float32)[0]
        )
        for event in scalars.Tensors("global/loss")
    ]
    assert losses == pytest.approx([done["global_loss"] for done in summary["rounds"]], rel=1e-5)

    # again: nothing is written twice
    again = bcfl("track", str(going_on.directory), *into)
    assert again.returncode == 0, again.stderr
    assert len(points(client, the_run(client, "live"), "global/loss")) == 4
    assert len(client.search_model_versions("name='quick'")) == 1


@pytest.mark.asyncio
async def test_rounds_are_told_as_the_log_grows_and_the_end_when_it_is_there(honest):
    lines = (honest / "events.jsonl").read_text().splitlines(keepends=True)
    second = next(
        n for n, line in enumerate(lines) if '"event": "RoundStarted"' in line and '"round": 2' in line
    )
    digests = (honest / "digests.json").read_text()
    (honest / "digests.json").unlink()
    (honest / "events.jsonl").write_text("".join(lines[: second + 1]) + lines[second + 1][:20])
    told = []

    async def tell(what):
        told.append(what)

    async def until(count):
        with anyio.fail_after(20):
            while len(told) < count:
                await anyio.sleep(0.05)

    with held(honest):
        async with anyio.create_task_group() as group:
            group.start_soon(follow_directory, honest, tell)
            await until(2)
            await anyio.sleep(1)
            assert [type(one).__name__ for one in told] == ["Began", "RoundSummary"]
            (honest / "events.jsonl").write_text("".join(lines))
            (honest / "digests.json").write_text(digests)
    assert [type(one).__name__ for one in told] == ["Began", "RoundSummary", "RoundSummary", "Ended"]
    assert [one.model_dump() for one in told[1:3]] == [
        one.model_dump() for one in RunDirectory.open(honest).rounds()
    ]


@pytest.mark.asyncio
async def test_a_run_that_nobody_carries_out_is_not_waited_for(honest):
    (honest / "digests.json").unlink()
    with pytest.raises(RunDirectoryUnreadable, match="has stopped before its end, and nobody carries it out"):
        await follow_directory(honest, lambda _: anyio.sleep(0))


@pytest.mark.anvil
@pytest.mark.timeout(300)
@pytest.mark.asyncio
async def test_anybodys_task_is_followed_by_its_chain_and_its_store(bcfl, server, client, tmp_path):
    async with Devnet.start(block_time=0.25) as devnet:
        settings = [f"chain.url={devnet.url}", "task.rounds=2", "task.schedule.closing_s=2"]
        result = await run(load(QUICK, settings), out=tmp_path / "run")
        chain = json.loads((tmp_path / "run" / "chain.json").read_text())
        arguments = [
            "track",
            "--url",
            devnet.url,
            "--factory",
            chain["factory"],
            "--from-block",
            str(chain["block"]),
        ]
        arguments += [
            "--store",
            str(tmp_path / "run" / "blobs"),
            "--mlflow",
            server,
            "--experiment",
            "remote",
            "--register",
            "somebodys",
        ]
        followed = await anyio.to_thread.run_sync(lambda: bcfl(*arguments))
        # lower case is an address too; a task that the factory never made is not waited for
        arguments[4] = chain["factory"].lower()
        lost = await anyio.to_thread.run_sync(lambda: bcfl(*arguments, "--task", chain["token"]))
        nowhere = await anyio.to_thread.run_sync(lambda: bcfl(*arguments, "--task", "0x" + "ab" * 20))
    assert (lost.returncode, nowhere.returncode) == (4, 4)
    assert "made no task" in lost.stderr
    assert "has no contract at" in nowhere.stderr
    assert followed.returncode == 0, followed.stderr
    found, summary = the_run(client, "remote"), result.summary
    assert found.info.status == "FINISHED"
    assert found.data.tags["bcfl.cid"] == summary.final.cid
    assert found.data.params["task.training.batch_size"] == "20"
    assert points(client, found, "global/loss") == pytest.approx(
        [done.global_loss for done in summary.rounds]
    )
    bob = summary.participants["bob"].address
    assert points(client, found, f"tokens/{bob}") == pytest.approx(
        [int(done.tokens["bob"]) / 1e18 for done in summary.rounds]
    )
    assert points(client, found, f"validation_loss/{bob}") == pytest.approx(
        [done.validation_loss["bob"] for done in summary.rounds]
    )
    assert found.data.metrics["gas/trainer"] > 100_000
    (version,) = client.search_model_versions("name='somebodys'")
    assert version.tags["bcfl.cid"] == summary.final.cid


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("mnist", "mnist"),
        ("../../etc/x", "etc-x"),
        ("/home/u", "home-u"),
        ("Zürich 1\x1b[2J", "Zürich-1--2J"),
        ("..", "task"),
    ],
)
def test_a_strangers_title_is_no_path_and_no_escape_sequence(name, safe):
    assert safe_name(name, "task") == safe


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["RUN"], 2, "Say where to: --mlflow URI, --tensorboard DIR, or both"),
        (["--mlflow", "x"], 2, "Give a run's directory, or a node with --url"),
        (["--url", "ws://127.0.0.1:1", "--mlflow", "sqlite:///:memory:"], 2, "--factory ADDRESS"),
        (
            ["--url", "ws://127.0.0.1:1", "--factory", "0xzz", "--tensorboard", "tb"],
            2,
            "--factory 0xzz is no address",
        ),
        (["RUN", "--mlflow", "foo://x"], 1, "MLflow at foo"),
        (["nowhere", "--tensorboard", "tb"], 2, "There is no directory nowhere"),
        (
            ["RUN", "--mlflow", "http://127.0.0.1:1"],
            1,
            "MLflow at http://127.0.0.1:1 does not take what it is told",
        ),
    ],
)
def test_mistakes(honest, bcfl, arguments, status, sentence):
    done = bcfl("track", *(str(honest) if one == "RUN" else one for one in arguments))
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
