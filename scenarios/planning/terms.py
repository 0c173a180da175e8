# SPDX-License-Identifier: Apache-2.0
"""A task as it is published among strangers: the ``task`` part of a scenario, with nothing of a population in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bcfl.contracts.config import TaskConfig
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.models.kernel.choice import check_covered
from bcfl.models.training.bench import Kernel
from bcfl.scenarios.definition.loading import read_keys, validated
from bcfl.scenarios.errors import TermsInvalid
from bcfl.scenarios.planning.genesis import genesis_of
from bcfl.scenarios.planning.population import PUBLISHER, RELAYER, Task, task_config, task_of
from bcfl.scenarios.planning.preflight import check_model_size
from bcfl.seeds import Seeds

__all__ = ("Terms", "read_terms")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A task that can be created: what goes into the store, and what its contract is told; ``listed`` are its evaluators or members."""

    title: str
    kind: Kind
    task: Task
    config: TaskConfig
    listed: tuple[Address, ...]

    @property
    def budget(self) -> int:
        """In 10⁻⁹ token."""
        return self.task.budget

    @property
    def contents(self) -> tuple[bytes, bytes]:
        """Specification and genesis model."""
        return self.task.specification, self.task.genesis


async def read_terms(
    path: Path,
    *,
    publisher: Address,
    token: Address,
    listed: Sequence[Address],
    aggregator: Address | None = None,
    rooter: Address | None = None,
    overrides: Iterable[str] = (),
    data_dir: Path | None = None,
    kernel: Kernel = "torch",
) -> Terms:
    """The task of a YAML file: a scenario's ``task`` part, by itself or under ``task:``; everything else is left out.

    Args:
        path: of the file.
        publisher: who creates it.
        token: that it pays in.
        listed: a crowd's evaluators, or a consortium's founding members.
        aggregator: who builds the models; of a consortium one of these members. None: the evaluator, or each member.
        rooter: the relayer that posts roots of commitments, where these are in the store; None: they are on chain.
        overrides: ``task.key=value`` each.
        data_dir: where a genesis model with a relative path is looked for first.
        kernel: what computes it at everybody's.

    Raises:
        ScenarioError: the file, or a key, cannot be, or no update could be handed in.
        GenesisUnfit: the model to start from is not there, or is none of the network.
        KernelUnavailable: the kernel does not have the network or its optimiser.
    """
    data, sources = read_keys(path, overrides, under=("task",))
    people = _with_stand_ins(path, data, listed, aggregator)
    people = _with_rooter(path, people, rooter)
    scenario = validated({**people, "compute": {"kernel": kernel}}, sources, default=f"{path}:")
    check_model_size(scenario)
    if kernel == "lanes":
        check_covered(scenario.task.network.create("network"), scenario.task.training.stated())
    genesis = await genesis_of(scenario, Seeds.live(), data_dir=data_dir)
    task = task_of(scenario, genesis, sample_limit=Specification.sample_limit)
    accounts = {PUBLISHER: publisher}
    if scenario.task.aggregator_role is not None and aggregator is not None:
        accounts[scenario.task.aggregator_role] = aggregator
    if rooter is not None:
        accounts[RELAYER] = rooter
    return Terms(
        title=scenario.name,
        kind=scenario.kind,
        task=task,
        config=task_config(scenario, task, token=token, accounts=accounts),
        listed=tuple(listed),
    )


def _with_stand_ins(
    path: Path, data: dict[str, object], listed: Sequence[Address], aggregator: Address | None
) -> dict[str, object]:
    """The file's task with stand-ins for who will take part: a task is checked as a scenario's is."""
    task = data["task"]
    if not isinstance(task, dict):
        raise TermsInvalid(
            f"{path}: 'task' is the part of a scenario that says what is trained and paid: a mapping of keys."
        )
    consortium = task.get("kind") == "consortium"
    if not listed:
        who = "members with --member" if consortium else "an evaluator with --evaluator"
        raise TermsInvalid(
            f"Nobody is named who judges the updates of {path}: name {who}, by address or by the name of a key."
        )
    membership = task.get("membership")
    capacity = membership.get("capacity") if isinstance(membership, dict) else None
    if consortium:
        people: dict[str, object] = {"trainers": [{"name": "member", "count": len(listed)}]}
    elif isinstance(capacity, int):
        people = {
            "evaluators": [{"name": f"evaluator-{place}"} for place, _ in enumerate(listed, start=1)],
            "trainers": [{"name": "trainer", "count": max(1, capacity)}],
        }
    else:
        raise TermsInvalid(
            f"{path}: 'task.membership.capacity' is missing: say how many trainers may join, for example 20."
        )
    if task.get("aggregator_role") is not None:
        raise TermsInvalid(
            f"{path}: 'task.aggregator_role' names somebody of a population: leave it out, and name who builds the models with --aggregator."
        )
    if aggregator is not None:
        if consortium and aggregator not in listed:
            raise TermsInvalid(
                f"The aggregator {aggregator} is none of the members: name it with --member too, or leave --aggregator out."
            )
        builder = f"member-{listed.index(aggregator) + 1}" if consortium else "aggregator"
        task = {**task, "aggregator_role": builder}
    # each brings data of its own
    named = str(data.get("name") or path.stem)
    return {"name": named, "task": task, "data": {"dataset": "synthetic"}, "population": people}


def _with_rooter(path: Path, data: dict[str, object], rooter: Address | None) -> dict[str, object]:
    """The same, rooted where somebody is named who posts the roots."""
    task = data["task"]
    intake = task.get("intake") if isinstance(task, dict) else None
    keys = intake if isinstance(intake, dict) else {}
    if rooter is None:
        if keys.get("rooted"):
            raise TermsInvalid(
                f"{path}: 'task.intake.rooted' is true, and nobody is named who posts the roots: name the relayer with --rooter, or drop the key."
            )
        return data
    return {**data, "task": {**task, "intake": {**keys, "rooted": True}}} if isinstance(task, dict) else data
