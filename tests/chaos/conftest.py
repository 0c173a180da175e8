# SPDX-License-Identifier: Apache-2.0
"""A consortium whose members fail, and what must hold whatever fails: one operating-system process for each of them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.phases import Phase
from bcfl.storage.content_id import cid_text

SLACK_S = 5
"""A deadline's block, the keeper's call, the block with it, and a machine with other things to do."""


def _module(name: str) -> ModuleType:
    """pytest's importlib mode puts no folder of tests on the import path."""
    full = f"bcfl_chaos_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture
def living() -> ModuleType:
    """The module ``living.py``."""
    return _module("living")


@pytest.fixture
def weather() -> ModuleType:
    """The module ``weather.py``."""
    return _module("weather")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Any]:
    started = _module("chain").Chain(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def consortium(chain: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``consortium(members=4, rounds=3)``: a host that has set up the run; nobody has joined yet."""
    made: list[Any] = []

    def begin(**options: int) -> Any:
        made.append(_module("consortium").Consortium(chain, tmp_path, **options))
        return made[-1]

    yield begin
    for one in made:
        one.end()


@pytest.fixture
def relays(chain: Any) -> Iterator[Callable[[], Any]]:
    """``relays()``: one more relay to the node."""
    made: list[Any] = []

    def make() -> Any:
        made.append(_module("relay").Relay(chain.port))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def timely(chain: Any) -> Callable[..., list[Phase]]:
    """``timely()``: every phase ended by its deadline. Returns those that lasted until then."""

    def check(*, apart_from: Iterable[tuple[int, Phase]] = ()) -> list[Phase]:
        chain.look()
        expired: list[Phase] = []
        opened: tuple[int, Phase, int] | None = None
        for said in chain.said:
            match said.event:
                case e.PhaseStarted(round=number, phase=phase, deadline=deadline):
                    following = (number, phase, deadline)
                case e.RoundStarted(round=number, deadline=deadline):
                    following = (number, Phase.TRAINING, deadline)
                case e.TaskCompleted() | e.TaskCancelled():
                    following = None
                case _:
                    continue
            if opened is not None:
                number, phase, deadline = opened
                late = said.time - deadline
                assert late <= SLACK_S or (number, phase) in apart_from, (
                    f"{phase.name} of round {number}: {late} s late"
                )
                if late >= 0:
                    expired.append(phase)
            opened = following
        assert opened is None, "the task has not ended"
        return expired

    return check


@pytest.fixture
def agreed(chain: Any) -> Callable[..., None]:
    """``agreed(run, names)``: all rounds were played, and these members have computed the final model themselves."""

    def check(run: Any, names: Iterable[str], *, every_round: Iterable[str] = ()) -> None:
        task = chain.task
        assert task.phase is Phase.COMPLETED
        assert sorted(task.rounds) == list(range(1, run.rounds + 1))
        models = {number: cid_text(record.model) for number, record in task.rounds.items()}
        # voted for, not kept
        assert all(record.model in record.model_votes.values() for record in task.rounds.values())
        assert len(set(models.values())) == run.rounds
        for name in names:
            assert run.models(name).get(run.rounds) == models[run.rounds], f"{name}: {run.words(name)}"
            assert run.models(name).items() <= models.items(), name
        for name in every_round:
            assert run.models(name) == models, name

    return check


@pytest.fixture
def losses(chain: Any) -> Callable[[Any], set[tuple[str, str, int]]]:
    """``losses(run)``: who lost its stake or its bond, in which round."""

    def read(run: Any) -> set[tuple[str, str, int]]:
        names = {run.index(name): name for name in run.names}
        found: set[tuple[str, str, int]] = set()
        for said in chain.said:
            match said.event:
                case e.StakeSlashed(round=number, index=index):
                    found.add((names[index], "stake", number))
                case e.BondSlashed(round=number, index=index):
                    found.add((names[index], "bond", number))
        return found

    return read


@pytest.fixture
def paid(chain: Any) -> Callable[[Any], None]:
    """``paid(run)``: soon after its end the task holds nothing more of anybody's."""

    def all_paid() -> bool:
        task = chain.task
        return task.returned is not None and all(
            member.withdrawn == member.earned and not member.stake and not member.bond
            for member in task.members.values()
        )

    def check(run: Any) -> None:
        run.until(all_paid, "everybody is paid", timeout_s=20)

    return check
