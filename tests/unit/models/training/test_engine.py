# SPDX-License-Identifier: Apache-2.0
"""The engine's results depend on the job alone; it stops when asked and names what went wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import numpy as np
import pytest
import torch

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import (
    DeviceUnavailable,
    InvalidRound,
    SamplesConflict,
    SchemaMismatch,
    UnknownSamples,
    WorkerDied,
    WorkFailed,
)
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.scoring.game import ScoringRound
from bcfl.models.scoring.shapley import Shapley
from bcfl.models.training.engine import Engine

_EXECUTORS = ["threads", "processes"]


async def _everything(data, make_job, executor, workers):
    """Bytes and numbers of three concurrent trainings, an evaluation and all coalitions of the three models."""
    results = {}
    async with Engine.start(executor=executor, workers=workers) as engine:
        engine.add_samples("train", data.train)
        engine.add_samples("test", data.test)

        async def train(seed):
            results[seed] = await engine.train(make_job(seed, indices=range(seed * 100, seed * 100 + 110)))

        async with anyio.create_task_group() as group:
            for seed in (2, 0, 1):
                group.start_soon(train, seed)
        models = [results[seed].weights for seed in range(3)]
        start = initial_weights(MnistCnn(), 1)
        evaluation = await engine.evaluate(MnistCnn(), models[0], "test")
        losses = await engine.coalition_losses(MnistCnn(), start, models, [0.5, 0.3, 0.2], range(8), "test")
        means = await engine.coalition_losses(MnistCnn(), start, models, None, range(8), "test")
        groups = np.arange(10) % 3
        gradients = await engine.class_gradients(MnistCnn(), start, "test", groups=groups, parts=2)
        assert gradients.shape == (3, 2, start.schema.size)
    return (
        [model.vector.tobytes() for model in models],
        [(results[seed].loss, results[seed].train_loss, results[seed].steps) for seed in range(3)],
        evaluation,
        losses,
        means,
        gradients.tobytes(),
    )


@pytest.mark.asyncio
async def test_results_are_bit_for_bit_the_same_however_they_are_computed(data, make_job):
    expected = await _everything(data, make_job, "threads", 1)
    assert await _everything(data, make_job, "threads", 1) == expected
    torch.rand(10)
    assert await _everything(data, make_job, "threads", 2) == expected
    assert await _everything(data, make_job, "processes", 1) == expected
    assert await _everything(data, make_job, "processes", 2) == expected


@pytest.mark.asyncio
async def test_the_seed_decides_order_and_dropout(data, make_job):
    async with Engine.start(executor="threads") as engine:
        engine.add_samples("train", data.train)
        one, other = [await engine.train(make_job(seed)) for seed in (1, 2)]
        still, again = [
            await engine.train(make_job(seed, network=MnistCnn(dropout=0), shuffle=False)) for seed in (1, 2)
        ]
    assert not np.array_equal(one.weights.vector, other.weights.vector)
    assert np.array_equal(still.weights.vector, again.weights.vector)


@pytest.mark.parametrize("executor", _EXECUTORS)
@pytest.mark.asyncio
async def test_coalitions_are_the_models_they_stand_for(data, make_job, executor):
    network = Mlp()
    start, *updates = (initial_weights(network, seed) for seed in range(4))
    shares = [0.5, 0.3, 0.2]

    def model(members, weights):
        shift = sum(weights[i] * (updates[i].vector.astype(np.float64) - start.vector) for i in members)
        return type(start)(start.schema, (start.vector + shift).astype(np.float32))

    async with Engine.start(executor=executor, workers=2) as engine:
        engine.add_samples("test", data.test)
        sets = [frozenset(), {1}, {0, 2}, {0, 1, 2}]
        fixed = await engine.coalition_losses(network, start, updates, shares, sets, "test")
        mean = await engine.coalition_losses(network, start, updates, None, sets, "test")
        for members, fixed_loss, mean_loss in zip(sets, fixed, mean, strict=True):
            equal = [1 / max(1, len(members))] * 3
            for loss, weights in ((fixed_loss, shares), (mean_loss, equal)):
                direct = await engine.evaluate(network, model(members, weights) if members else start, "test")
                assert loss == pytest.approx(direct.loss, rel=1e-6)


@pytest.mark.asyncio
async def test_a_scores_engine_is_the_engine(data, make_job):
    async with Engine.start(executor="threads") as engine:
        engine.add_samples("train", data.train)
        engine.add_samples("test", data.test)
        good = await engine.train(make_job(1, epochs=3))
        start = make_job().start
        scoring = ScoringRound(
            network=MnistCnn(),
            start=start,
            updates=(good.weights, start),
            weights=(0.5, 0.5),
            samples_key="test",
        )
        worker, idler = await Shapley().scores(scoring, engine)
    assert worker > 0.1
    assert idler == 0.0


@pytest.mark.parametrize("executor", _EXECUTORS)
@pytest.mark.asyncio
async def test_a_cancelled_job_ends_between_two_batches_and_the_worker_goes_on(data, make_job, executor):
    async with Engine.start(executor=executor) as engine:
        engine.add_samples("train", data.train)
        expected = await engine.train(make_job(1))
        began = time.monotonic()
        with anyio.move_on_after(0.3) as scope:
            await engine.train(make_job(1, epochs=100_000))
        assert scope.cancelled_caught
        assert time.monotonic() - began < 5
        again = await engine.train(make_job(1))
    assert np.array_equal(again.weights.vector, expected.weights.vector)


@pytest.mark.asyncio
async def test_a_job_that_waits_for_a_worker_can_be_cancelled(data, make_job):
    async with Engine.start(executor="threads") as engine, anyio.create_task_group() as group:
        engine.add_samples("train", data.train)
        group.start_soon(engine.train, make_job(1, epochs=100_000))
        await anyio.sleep(0.1)
        with anyio.move_on_after(0.1) as scope:
            await engine.train(make_job(2))
        assert scope.cancelled_caught
        group.cancel_scope.cancel()


@pytest.mark.asyncio
async def test_the_event_loop_goes_on_while_jobs_run(data, make_job):
    async with Engine.start(executor="processes") as engine:
        engine.add_samples("train", data.train)
        ticks = 0
        done = anyio.Event()

        async def tick():
            nonlocal ticks
            while not done.is_set():
                await anyio.sleep(0.01)
                ticks += 1

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            await engine.train(make_job(1, epochs=5))
            done.set()
        busy = engine.busy_seconds
    assert ticks > 10
    assert busy["training"] > 0
    assert busy["scoring"] == busy["evaluation"] == 0


@pytest.mark.asyncio
async def test_a_killed_worker_is_named_and_replaced(data, make_job):
    async with Engine.start(executor="processes") as engine:
        engine.add_samples("train", data.train)
        expected = await engine.train(make_job(1))
        pid = engine._pool._free[0].pid

        async def kill():
            await anyio.sleep(0.3)
            os.kill(pid, signal.SIGKILL)

        async with anyio.create_task_group() as group:
            group.start_soon(kill)
            with pytest.raises(WorkerDied, match=r"status -9 in the middle of its training"):
                await engine.train(make_job(1, epochs=100_000))
        again = await engine.train(make_job(1))
        assert engine._pool._free[0].pid != pid
    assert np.array_equal(again.weights.vector, expected.weights.vector)


@pytest.mark.asyncio
async def test_workers_ignore_the_terminals_interrupt_and_end_with_the_engine(data, make_job):
    async with Engine.start(executor="processes", workers=2) as engine:
        engine.add_samples("train", data.train)
        await engine.train(make_job(1))
        pids = [worker.pid for worker in engine._pool._free]
        folder = Path(engine._pool._free[0]._greeting.folder)
        os.kill(engine._pool._free[-1].pid, signal.SIGINT)
        await engine.train(make_job(1))
        assert folder.is_dir()
    assert [worker.pid for worker in engine._pool._free] == [None, None]
    assert not any(_alive(pid) for pid in pids)
    assert not folder.exists()


_ORPHANING = """
import anyio, sys
from bcfl.models.data.synthetic import Synthetic
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob

async def main():
    async with Engine.start(executor="processes", workers=2) as engine:
        engine.add_samples("train", Synthetic(samples=200).load().train)
        job = TrainingJob(network=Mlp(), hyperparameters=Hyperparameters(learning_rate=0.1, epochs=10**6),
                          start=initial_weights(Mlp(), 0), samples=SamplesRef("train"), seed=0)
        async with anyio.create_task_group() as group:
            workers = list(engine._pool._free)
            group.start_soon(engine.train, job)
            await anyio.sleep(1)
            print(workers[0]._greeting.folder, *(worker.pid for worker in workers), flush=True)

anyio.run(main)
"""


def test_no_worker_outlives_a_killed_parent():
    with subprocess.Popen([sys.executable, "-c", _ORPHANING], stdout=subprocess.PIPE, text=True) as parent:
        folder, *pids = parent.stdout.readline().split()
        assert all(_alive(int(pid)) for pid in pids)
        parent.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (any(_alive(int(pid)) for pid in pids) or Path(folder).exists()):
        time.sleep(0.05)
    assert not any(_alive(int(pid)) for pid in pids)
    assert not Path(folder).exists()


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("executor", _EXECUTORS)
@pytest.mark.asyncio
async def test_what_torch_refuses_becomes_one_sentence(data, make_job, executor):
    async with Engine.start(executor=executor) as engine:
        engine.add_samples("train", data.train)
        with pytest.raises(WorkFailed, match="could not finish its training of Mlp: RuntimeError"):
            await engine.train(make_job(network=Mlp(inputs=5)))
        assert (await engine.train(make_job(1))).steps == 13


@pytest.mark.parametrize("executor", _EXECUTORS)
@pytest.mark.asyncio
async def test_weights_of_another_network_are_refused(data, executor):
    async with Engine.start(executor=executor) as engine:
        engine.add_samples("test", data.test)
        with pytest.raises(SchemaMismatch):
            await engine.evaluate(MnistCnn(), initial_weights(Mlp(), 0), "test")
        with pytest.raises(SchemaMismatch):
            await engine.coalition_losses(MnistCnn(), initial_weights(Mlp(), 0), [], [], [0], "test")


@pytest.mark.asyncio
async def test_samples_must_be_known_and_indices_inside_them(data, make_job):
    async with Engine.start(executor="threads") as engine:
        with pytest.raises(UnknownSamples, match=r"'train'.*add_samples"):
            await engine.train(make_job())
        engine.add_samples("train", data.train)
        for indices in ([], [-1], [400]):
            with pytest.raises(UnknownSamples, match="at least one of the 400"):
                await engine.train(make_job(indices=indices))


@pytest.mark.asyncio
async def test_a_key_stands_for_one_set_of_samples(data):
    async with Engine.start(executor="processes") as engine:
        engine.add_samples("a", data.train)
        engine.add_samples("a", data.train)
        engine.add_samples("a", data.train.select(np.arange(len(data.train))))
        with pytest.raises(SamplesConflict, match="'a'"):
            engine.add_samples("a", data.test)


@pytest.mark.asyncio
async def test_coalitions_must_name_members_and_weights_match(data):
    start = initial_weights(Mlp(), 0)
    async with Engine.start(executor="threads") as engine:
        engine.add_samples("test", data.test)
        with pytest.raises(InvalidRound, match="not among the 1"):
            await engine.coalition_losses(Mlp(), start, [start], [1.0], [{1}], "test")
        with pytest.raises(InvalidRound, match="one weight each"):
            await engine.coalition_losses(Mlp(), start, [start], [], [0], "test")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.asyncio
async def test_a_device_that_is_not_there_is_refused_and_auto_does_without(data, make_job):
    async with Engine.start(executor="threads", device="cuda") as engine:
        engine.add_samples("train", data.train)
        with pytest.raises(DeviceUnavailable, match="'cpu' or 'auto'"):
            await engine.train(make_job())
    async with Engine.start(executor="threads", device="auto") as engine:
        engine.add_samples("train", data.train)
        assert (await engine.train(make_job())).steps == 13


@pytest.mark.asyncio
async def test_read_only_samples_are_taken(make_job):
    inputs = np.frombuffer(bytes(range(256)) * 784, dtype=np.uint8).reshape(256, 1, 28, 28)
    samples = Samples(inputs=inputs, targets=np.arange(256, dtype=np.int64) % 10, scale=1 / 255)
    async with Engine.start(executor="threads") as engine:
        engine.add_samples("train", samples)
        assert (await engine.train(make_job())).steps == 8


@pytest.mark.asyncio
async def test_a_network_that_no_other_process_can_import_is_refused(data, make_job):
    class Local(Mlp):
        pass

    async with Engine.start(executor="processes") as engine:
        engine.add_samples("train", data.train)
        with pytest.raises(WorkFailed, match=r"A Local cannot be sent .* importable module"):
            await engine.train(make_job(network=Local()))
        assert (await engine.train(make_job())).steps == 13


@pytest.mark.asyncio
async def test_a_processs_failure_brings_its_traceback_as_a_note(data, make_job):
    async with Engine.start(executor="processes") as engine:
        engine.add_samples("train", data.train)
        with pytest.raises(WorkFailed) as caught:
            await engine.train(make_job(network=Mlp(inputs=5)))
    assert "mat1 and mat2" in "".join(caught.value.__notes__)


@pytest.mark.asyncio
@pytest.mark.parametrize("executor", _EXECUTORS)
async def test_which_class_is_taken_for_which(data, executor):
    network = MnistCnn()
    weights = initial_weights(network, 1)
    chosen = np.arange(5, 120)
    async with Engine.start(executor=executor, workers=1) as engine:
        engine.add_samples("test", data.test)
        cells = await engine.confusion(network, weights, "test", 10, chosen)
        logits = await engine.outputs(network, [weights], data.test.select(chosen))
        evaluation = await engine.evaluate(network, weights, "test", chosen)
        with pytest.raises(UnknownSamples):
            await engine.confusion(network, weights, "train", 10)
    said = logits[0].argmax(axis=1)
    expected = np.zeros((10, 10), dtype=int)
    np.add.at(expected, (data.test.targets[chosen], said), 1)
    found = np.zeros((10, 10), dtype=int)
    for true, answer, count in cells:
        found[true, answer] = count
    assert (found == expected).all()
    assert np.trace(found) / len(chosen) == evaluation.accuracy
