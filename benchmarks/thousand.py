# SPDX-License-Identifier: Apache-2.0
"""A whole round of ``scenarios/thousand.yaml`` beside its training alone by the kernel, and the memory of all its processes.

The command runs as a user's does, in a process of its own, without a defence and with the default one. Seconds are of the rounds after
the first, in which nobody is known yet; memory is the proportional set size (PSS) of the process and all below it.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import numpy as np

from bcfl.models.data.mnist import Mnist
from bcfl.models.networks.cnn import MnistCnn
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.scenarios.definition.loading import load
from benchmarks.record import Record

__all__ = ("measure",)

_SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "thousand.yaml"
_DEFENCES = ("none", "pipeline")
_IMAGES = 60
_PRESENT = 800
_EVERY_S = 0.2
_PHASES = ("training", "reveal", "evaluation")


@dataclass(frozen=True, kw_only=True)
class _Whole:
    """Median seconds of a round and of its phases, and the most memory, in MiB."""

    round: float
    phases: dict[str, float]
    memory: float


async def measure(*, quick: bool) -> Record:
    """Both defences, one after the other, then the training alone."""
    rounds = 3 if quick else 10
    found = {defence: await anyio.to_thread.run_sync(_run, defence, rounds) for defence in _DEFENCES}
    alone = await _training()
    return Record(
        name="thousand",
        title=f"a round of 1000 trainers of whom a fifth is away, {rounds} rounds",
        columns=(
            "defence",
            "s a round",
            *(f"of which {phase}" for phase in _PHASES),
            "÷ training alone",
            "peak memory",
        ),
        rows=[
            (
                defence,
                f"{whole.round:.1f}",
                *(f"{whole.phases[phase]:.1f}" for phase in _PHASES),
                f"{whole.round / alone:.1f}",
                f"{whole.memory:.0f} MiB",
            )
            for defence, whole in found.items()
        ],
        notes=(f"training alone, {_PRESENT} clients by the kernel 'lanes' on two threads: {alone:.2f} s",),
        values={
            "training": alone,
            **{
                name: {"round": whole.round, "phases": whole.phases, "memory": whole.memory}
                for name, whole in found.items()
            },
        },
    )


def _run(defence: str, rounds: int) -> _Whole:
    """The command, and the most memory while it ran."""
    with tempfile.TemporaryDirectory() as folder:
        changes = (f"task.defence={defence}", f"task.rounds={rounds}", "compute.workers=2")
        command = [
            sys.executable,
            "-c",
            "from bcfl.cli.app import main; main()",
            "run",
            str(_SCENARIO),
            "--json",
        ]
        for change in changes:
            command += ["--set", change]
        told = Path(folder) / "told"
        most = 0.0
        with told.open("wb") as stream:
            process = subprocess.Popen([*command, "--out", f"{folder}/run"], stdout=stream, stderr=stream)
            while process.poll() is None:
                most = max(most, sum(map(_resident, _below(process.pid))))
                time.sleep(_EVERY_S)
        lines = told.read_text(encoding="utf-8").splitlines()
        if process.returncode:
            raise SystemExit("\n".join(lines[-5:]))
        return _timed([json.loads(line) for line in lines if line.startswith("{")], most)


def _timed(told: list[dict[str, Any]], memory: float) -> _Whole:
    changes = [
        (one["round"], one["phase"], datetime.fromisoformat(one["timestamp"]))
        for one in told
        if one["event"] == "phase_changed" and one["round"] > 1
    ]
    spans: dict[str, list[float]] = {}
    whole: dict[int, float] = {}
    for (number, phase, began), (_, _, ended) in itertools.pairwise(changes):
        if phase in _PHASES:
            seconds = (ended - began).total_seconds()
            spans.setdefault(phase, []).append(seconds)
            whole[number] = whole.get(number, 0.0) + seconds
    return _Whole(
        round=median(whole.values()),
        phases={name: median(each) for name, each in spans.items()},
        memory=memory,
    )


def _below(pid: int) -> Iterator[int]:
    """That process and all below it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in children:
        yield from _below(int(child))


def _resident(pid: int) -> float:
    """MiB that are its share of what lies in memory; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def _training() -> float:
    """Seconds for the round's trainers, all given at once; the least of three."""
    network = MnistCnn()
    training = Hyperparameters(**load(_SCENARIO).task.training.model_dump(exclude_unset=True))
    start = initial_weights(network, 1)
    shares = np.arange(_PRESENT * _IMAGES).reshape(_PRESENT, _IMAGES)

    async def one(engine: Engine, place: int) -> None:
        samples = SamplesRef("train", shares[place])
        await engine.train(
            TrainingJob(network=network, hyperparameters=training, start=start, samples=samples, seed=place)
        )

    seconds = []
    async with Engine.start(
        executor="threads", workers=min(2, os.cpu_count() or 1), kernel="lanes"
    ) as engine:
        engine.add_samples("train", Mnist().load().train)
        for _ in range(3):
            began = time.perf_counter()
            async with anyio.create_task_group() as group:
                for place in range(_PRESENT):
                    group.start_soon(one, engine, place)
            seconds.append(time.perf_counter() - began)
    return min(seconds)
