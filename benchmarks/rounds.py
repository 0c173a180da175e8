# SPDX-License-Identifier: Apache-2.0
"""What a round costs at the end of a long task beside its beginning: resident memory, and processor time.

One process runs ``scenarios/quick.yaml`` with three trainers of 60 samples for a thousand rounds. Memory and processor time are
of that process: its node is another one, training happens in threads.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.running.progress import RoundDone, RunEvent
from bcfl.scenarios.running.runner import run
from benchmarks.record import Record

__all__ = ("measure",)

_SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "quick.yaml"
_ROUNDS, _FEW = 1000, 150
_AT = 5
"""The two ends that are compared: at a fifth of all rounds, when everything is warm, and at the last."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """After a round: resident bytes and processor seconds so far."""

    number: int
    resident: int
    seconds: float


async def measure(*, quick: bool = False) -> Record:
    """Run the task and look at the process after every round."""
    rounds = _FEW if quick else _ROUNDS
    options = (
        f"task.rounds={rounds}",
        "data.dataset.samples=180",
        "data.dataset.test_samples=60",
        "task.reward.budget=100000",
    )
    seen: list[_Seen] = []

    def look(event: RunEvent) -> None:
        if isinstance(event, RoundDone):
            seconds = time.process_time()
            resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
            seen.append(_Seen(number=event.summary.round, resident=resident, seconds=seconds))

    with tempfile.TemporaryDirectory() as folder:
        await run(load(_SCENARIO, options), out=Path(folder) / "run", observer=look)
    width = rounds // 10
    early, late = rounds // _AT, rounds
    marks = {number: (_near(seen, number).resident, _pace(seen, number, width)) for number in (early, late)}
    memory, pace = (marks[late][place] / marks[early][place] for place in range(2))
    return Record(
        name="rounds",
        title=f"{rounds} rounds of three trainers",
        columns=("round", "resident MB", "processor ms a round"),
        rows=[
            (str(number), f"{resident / 1e6:.0f}", f"{1000 * seconds:.1f}")
            for number, (resident, seconds) in marks.items()
        ],
        notes=[
            f"round {late} ÷ round {early}: memory {memory:.3f}, processor time {pace:.3f} (median of {width} rounds up to each)"
        ],
        values={
            "memory_ratio": memory,
            "pace_ratio": pace,
            "rounds": [(one.number, one.resident, one.seconds) for one in seen],
        },
    )


def _near(seen: list[_Seen], number: int) -> _Seen:
    return next(one for one in seen if one.number >= number)


def _pace(seen: list[_Seen], number: int, width: int) -> float:
    """Median processor seconds of the ``width`` rounds up to ``number``."""
    upto = [one for one in seen if number - width <= one.number <= number]
    return median(after.seconds - before.seconds for before, after in itertools.pairwise(upto))
