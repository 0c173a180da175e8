# SPDX-License-Identifier: Apache-2.0
"""A consortium of processes: a host with publisher and keeper, and one process for each member."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bcfl.contracts import calls
from bcfl.contracts.ids import ZERO_ADDRESS, Address, TrainerIndex
from bcfl.contracts.phases import Phase

__all__ = ("ACTIONS", "NAMES", "Consortium")

NAMES = ("anna", "ben", "cleo", "dora", "emil")
BCFL = Path(sys.executable).with_name("bcfl")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
SCENARIO = """\
name: chaos
seed: 3
task:
  kind: consortium
  rounds: {rounds}
  network: {{name: mlp, hidden: 8}}
  training: {{batch_size: 20}}
  score: {{name: shapley, value: probability}}
  reward: {{mode: round_budget, per_round: "10", budget: "{budget}"}}
  membership: {{stake: "5", bond: "7"}}
  schedule: {{enrolment_s: 300, training_s: 90, reveal_s: 90, evaluation_s: 90, aggregation_s: 90, closing_s: 2}}
data:
  dataset: {{name: synthetic, samples: 500, test_samples: 100}}
population:
  trainers: [{members}]
compute: {{executor: threads, workers: 1}}
"""
_PAUSE_S = 0.05
_BLOCK_S = 0.25
_LAST_S = 2


class Consortium:
    """Starts processes, sends them signals and reads what they wrote.

    Args:
        chain: of the task.
        tmp_path: where everything goes.
        members: how many.
        rounds: of the task.
    """

    def __init__(self, chain: Any, tmp_path: Path, *, members: int, rounds: int) -> None:
        self.names = NAMES[:members]
        self.chain = chain
        self.rounds = rounds
        self.run = tmp_path / "run"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._tmp_path = tmp_path
        self._urls: dict[str, str] = {}
        self._away: set[str] = set()
        self.silent: set[str] = set()
        """Who will do nothing in the phase under way, whatever its deadline."""
        self._hastened: set[int] = set()
        scenario = tmp_path / "chaos.yaml"
        scenario.write_text(
            SCENARIO.format(
                rounds=rounds,
                budget=12 * rounds,
                members=", ".join(f"{{name: {name}}}" for name in self.names),
            )
        )
        only = ("--only", "publisher,keeper", "--set", f"chain.url={chain.url}")
        self._start("host", "run", str(scenario), *only, "--out", str(self.run))

    # ------------------------------------------------------------ processes

    def start(self, *names: str, url: str | None = None) -> None:
        """Start members, or start them again."""
        self.until((self.run / "chain.json").is_file, "the run is set up")
        for name in names:
            if url is not None:
                self._urls[name] = url
            at = ("--url", self._urls[name]) if name in self._urls else ()
            self._start(name, "agent", str(self.run), name, *at)

    def start_together(self, *names: str) -> None:
        """Start participants in one process, which is called like the first of them."""
        self._start(names[0], "agent", str(self.run), *names)

    def _start(self, name: str, *command: str) -> None:
        self._away.discard(name)
        with (self._tmp_path / f"{name}.out").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [str(BCFL), *command], stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT
            )

    def kill(self, *names: str) -> None:
        """As a power cut (SIGKILL)."""
        for name in names:
            self._away.add(name)
            self.processes[name].kill()
        for name in names:
            assert self.processes[name].wait(20) == -signal.SIGKILL, self.words(name)

    def stop(self, *names: str) -> None:
        """Say nothing any more, with all connections open (SIGSTOP)."""
        for name in names:
            self._away.add(name)
            self.processes[name].send_signal(signal.SIGSTOP)
            # threads stop one by one: only when all have, nothing can come any more
            os.waitid(os.P_PID, self.processes[name].pid, os.WSTOPPED | os.WNOWAIT)

    def wake(self, *names: str) -> None:
        for name in names:
            self.processes[name].send_signal(signal.SIGCONT)
            self._away.discard(name)

    def ended(self, *names: str) -> dict[str, int]:
        """The exit statuses, when they have ended."""
        waiting = [self.processes[name] for name in names]
        self.until(
            lambda: all(process.poll() is not None for process in waiting), f"{names} end", ended=names
        )
        return {name: self.processes[name].returncode for name in names}

    def end(self) -> None:
        """Leave nothing behind; each process by its own id."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    # ------------------------------------------------------------ what they wrote

    def words(self, *names: str) -> str:
        """What processes said, for a message."""
        parts = []
        for name in names or self.processes:
            log = self.run / ("log.jsonl" if name == "host" else f"agents/{name}.jsonl")
            lines = log.read_text().splitlines()[-10:] if log.is_file() else []
            told = (self._tmp_path / f"{name}.out").read_text().splitlines()[-12:]
            parts.append("\n  ".join([f"{name}:", *told, *lines]))
        return "\n".join(parts)

    def records(self, name: str) -> list[dict[str, Any]]:
        """A member's own event log."""
        path = self.run / "agents" / f"{name}.events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def warned(self, name: str, event: str) -> int:
        """How often a member's program log tells of that."""
        path = self.run / "agents" / f"{name}.jsonl"
        return sum(json.loads(line)["event"] == event for line in path.read_text().splitlines())

    def models(self, name: str) -> dict[int, str]:
        """By round the content id of the model that the member has computed itself; the last one where it did twice."""
        return {
            record["round"]: record["cid"] for record in self.records(name) if record["event"] == "aggregated"
        }

    # ------------------------------------------------------------ the chain's word

    def account(self, name: str) -> Address:
        """From the run's first record."""
        first = json.loads((self.run / "events.jsonl").read_text().split("\n", 1)[0])
        return Address(first["participants"][name]["address"])

    def index(self, name: str) -> TrainerIndex:
        return self.chain.task.index_of[self.account(name)]

    def until(
        self,
        condition: Callable[[], bool],
        words: str,
        *,
        timeout_s: float = 180,
        ended: Iterable[str] = (),
        mining: bool = False,
    ) -> None:
        """Look at the chain until that is so; nobody ends meanwhile but who is away, or may, or has the task behind it.

        Args:
            condition: what to wait for.
            words: the same, for whoever reads a failure.
            timeout_s: patience.
            ended: who may end.
            mining: make the blocks, one after the other and none more; they are held.
        """
        patience = time.monotonic() + timeout_s
        while True:
            self.chain.look()
            if condition():
                return
            over = self.chain.state is not None and self.chain.state.ended
            for name, process in self.processes.items():
                if name not in self._away and name not in ended and not over:
                    assert process.poll() is None, f"{name} ended before {words}:\n{self.words()}"
            assert time.monotonic() < patience, f"never: {words}; {self._where()}\n{self.words()}"
            self._hasten()
            if mining:
                self.chain.mine()
            time.sleep(_BLOCK_S if mining else _PAUSE_S)

    def _hasten(self) -> None:
        """Do not sit out what nobody can use any more: the last seconds before a deadline are real."""
        state = self.chain.state
        if (
            state is None
            or not state.round
            or state.phase >= Phase.CLOSING
            or state.deadline in self._hastened
        ):
            return
        silent = {self.index(name) for name in self.silent}
        missing = self._missing()
        if missing and missing <= silent:
            self._hastened.add(state.deadline)
            self.chain.hasten(state.deadline - _LAST_S)

    def _missing(self) -> set[TrainerIndex]:
        """For whom the phase waits."""
        state = self.chain.task
        record = state.current
        match state.phase:
            case Phase.TRAINING:
                return set(record.cohort).difference(record.commitments)
            case Phase.REVEAL:
                return set(record.commitments).difference(record.updates)
            case Phase.EVALUATION:
                return set(record.cohort).difference(record.score_commitments)
            case Phase.SCORE_REVEAL:
                return set(record.score_commitments).difference(record.vectors)
            case _:
                return set()  # a majority is enough

    def any_time(self, seconds: float) -> None:
        """Let so much of the wall's time pass: a moment that nothing on the chain tells."""
        ready = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= ready, "some time has passed")

    def reached(self, round_number: int, phase: Phase, *, mining: bool = False) -> None:
        """Wait until the task is there, or further; with ``mining``, and blocks held, until it is just there."""
        wanted = (round_number, phase)
        self.until(
            lambda: (
                self.chain.state is not None and (self.chain.state.round, self.chain.state.phase) >= wanted
            ),
            f"round {round_number}, {phase.name}",
            mining=mining,
        )

    def completed(self) -> None:
        """Wait until the task has ended."""
        self.until(lambda: self.chain.state is not None and self.chain.state.ended, "the task ends")

    def about_to(self, action: str, round_number: int, *names: str) -> None:
        """With blocks held: go on to the action's phase and stop there, once these members' calls are in the pool."""
        phase, selector = ACTIONS[action]
        self.reached(round_number, phase, mining=True)
        assert self.chain.is_in(round_number, phase), self._where()
        accounts = [self.account(name) for name in names]
        self.until(
            lambda: all(self.chain.waits(account, selector) for account in accounts),
            f"'{action}' of {names} in round {round_number}",
        )

    def _where(self) -> str:
        state = self.chain.state
        return (
            "no task"
            if state is None
            else f"round {state.round}, {state.phase.name}, deadline {state.deadline}"
        )


def _selector(call: calls.Call) -> bytes:
    return call.data[:4]


_DIGEST = bytes(32)
ACTIONS = {
    "commit": (
        Phase.TRAINING,
        _selector(calls.commit(ZERO_ADDRESS, round_number=1, index=0, commitment=_DIGEST)),
    ),
    "commit_scores": (
        Phase.EVALUATION,
        _selector(calls.commit_scores(ZERO_ADDRESS, round_number=1, index=0, commitment=_DIGEST)),
    ),
    "reveal_scores": (
        Phase.SCORE_REVEAL,
        _selector(
            calls.reveal_scores(
                ZERO_ADDRESS, round_number=1, index=0, probe=_DIGEST, scores=(), salt=bytes(16)
            )
        ),
    ),
}
"""The phase that an action belongs to, and the first bytes of its call."""
