# SPDX-License-Identifier: Apache-2.0
"""The cells of a sweep: one scenario for every point of its grid, and the reference that each is compared with.

Trainer i is ``trainer-01``, ``trainer-02``, … and has the same part of the data in every cell of one seed,
heterogeneity and number of trainers; the adversaries are the last ⌈fraction · n⌉. The reference of a cell is the same
defence, seed and members with the adversaries absent: their data are nobody's, nobody stands in for them.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from bcfl.errors import ScenarioError
from bcfl.scenarios.definition.loading import from_mapping, put
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.errors import SweepInvalid
from bcfl.scenarios.sweeping.file import ABSENT, NONE, Attack, Group, Overrides, Sweep

__all__ = ("Cell", "Labels", "adversaries", "chosen", "expand")

_HONEST = "honest"
_EVALUATORS = [{"name": "alice"}]
# One worker a cell, and nothing on disk but its log: the cells themselves fill the cores.
_OWN = {"storage": {"kind": "memory"}, "compute": {"executor": "threads", "workers": 1}}


@dataclass(frozen=True, kw_only=True, order=True)
class Labels:
    """Where a cell stands on every axis."""

    attack: str
    defence: str
    fraction: float
    heterogeneity: str
    trainers: int
    seed: int

    @property
    def name(self) -> str:
        """``attack/defence/fraction/heterogeneity/trainers/seed``: what ``--cells`` is matched with."""
        return "/".join(
            map(
                str,
                (
                    self.attack,
                    self.defence,
                    self.fraction,
                    self.heterogeneity,
                    self.trainers,
                    self.seed,
                ),
            )
        )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a sweep; ``reference`` is the cell that its accuracy is compared with."""

    labels: Labels
    scenario: Scenario
    reference: Labels | None

    @cached_property
    def key(self) -> str:
        """Hash of all that the scenario says beyond defaults: cells with the same key are the same run, also once scenarios have a new key."""
        return hashlib.sha256(self.scenario.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:24]


def adversaries(fraction: float, trainers: int) -> int:
    """⌈fraction · trainers⌉, not fooled by binary fractions (0.1 · 30 is above 3)."""
    return math.ceil(round(fraction * trainers, 9))


def expand(sweep: Sweep) -> tuple[Cell, ...]:
    """Every cell once, seed by seed, each after its reference: an interrupted sweep has the first seeds whole.

    Raises:
        SweepInvalid: a point of the grid is no scenario that can be run.
    """
    if sweep.scenarios:
        return tuple(
            _as_it_is(sweep, label, defence, seed)
            for seed in sorted(set(sweep.seeds))
            for label in sweep.scenarios
            for defence in sweep.defences
        )
    cells: dict[Labels, Cell] = {}
    for labels in sorted(_points(sweep), key=lambda point: point.seed):
        reference = _reference(sweep, labels)
        for wanted, its_reference in ((reference, None), (labels, reference)):
            if wanted is not None and wanted not in cells:
                scenario = _scenario(sweep, wanted)
                cells[wanted] = Cell(labels=wanted, scenario=scenario, reference=its_reference)
    return tuple(cells.values())


def chosen(
    cells: Sequence[Cell], *, pattern: str | None = None, limit: int | None = None
) -> tuple[Cell, ...]:
    """The cells whose name holds the regular expression, with their references; at most ``limit`` of all.

    Raises:
        SweepInvalid: the pattern is not a regular expression, or no cell has it.
    """
    if pattern is not None:
        try:
            wanted = re.compile(pattern)
        except re.error as error:
            raise SweepInvalid(f"--cells {pattern}: this is not a regular expression ({error}).") from error
        found = [cell for cell in cells if wanted.search(cell.labels.name)]
        if not found:
            raise SweepInvalid(
                f"--cells {pattern}: no cell has a name like that; the first of {len(cells)} is '{cells[0].labels.name}'."
            )
        kept = {cell.labels for cell in found} | {cell.reference for cell in found}
        cells = [cell for cell in cells if cell.labels in kept]
    return tuple(cells[:limit])


def _points(sweep: Sweep) -> Iterator[Labels]:
    seen: set[Labels] = set()
    for block in sweep.blocks:
        for labels in _crossed(sweep, block):
            if labels not in seen:
                seen.add(labels)
                yield labels


def _crossed(sweep: Sweep, block: Group) -> Iterator[Labels]:
    axes: tuple[Iterable[object] | None, ...] = (
        block.seeds,
        block.trainers,
        block.heterogeneity,
        block.defences,
        block.fractions,
        block.attacks,
    )
    for seed, trainers, heterogeneity, defence, fraction, attack in itertools.product(
        *(axis or () for axis in axes)
    ):
        nobody = attack == NONE or (fraction == 0 and not _definition(sweep, str(attack)).set)
        yield Labels(
            attack=NONE if nobody else str(attack),
            defence=str(defence),
            fraction=0.0 if nobody else float(str(fraction)),
            heterogeneity=str(heterogeneity),
            trainers=int(str(trainers)),
            seed=int(str(seed)),
        )


def _definition(sweep: Sweep, attack: str) -> Attack:
    return sweep.attacks.get(attack, Attack())


def _reference(sweep: Sweep, labels: Labels) -> Labels | None:
    if labels.attack == NONE:
        return None
    # Where only the evaluator misbehaves the trainers stay: they are the members of a run without attack.
    nobody_absent = _definition(sweep, labels.attack).behaviour.name == _HONEST or labels.fraction == 0
    return Labels(
        attack=NONE if nobody_absent else ABSENT,
        defence=labels.defence,
        fraction=0.0 if nobody_absent else labels.fraction,
        heterogeneity=labels.heterogeneity,
        trainers=labels.trainers,
        seed=labels.seed,
    )


def _as_it_is(sweep: Sweep, label: str, defence: str, seed: int) -> Cell:
    """A whole scenario of the sweep's, whose trainers stay; where some misbehave, it has no reference."""
    data: dict[str, object] = {**copy.deepcopy(sweep.scenarios[label]), **copy.deepcopy(_OWN)}
    data |= {"name": sweep.name, "seed": seed}
    changes = [(f"the defence '{defence}'", sweep.defences[defence])]
    scenario = _checked(data, changes, cell=f"{label}/{defence}/{seed}")
    labels = Labels(
        attack=NONE,
        defence=defence,
        fraction=0.0,
        heterogeneity=label,
        trainers=sum(entry.count for entry in scenario.population.trainers),
        seed=seed,
    )
    return Cell(labels=labels, scenario=scenario, reference=None)


def _scenario(sweep: Sweep, labels: Labels) -> Scenario:
    attack = _definition(sweep, labels.attack)
    data: dict[str, object] = {**copy.deepcopy(sweep.base), **copy.deepcopy(_OWN), "seed": labels.seed}
    data["name"] = sweep.name
    population = data.get("population")
    evaluators = population.get("evaluators") if isinstance(population, dict) else None
    data["population"] = {"evaluators": evaluators or _EVALUATORS, "trainers": _trainers(attack, labels)}
    changes = [
        (f"the heterogeneity '{labels.heterogeneity}'", sweep.heterogeneity[labels.heterogeneity]),
        (f"the defence '{labels.defence}'", sweep.defences[labels.defence]),
        (f"the attack '{labels.attack}'", attack.set),
    ]
    return _checked(data, changes, cell=labels.name)


def _checked(data: dict[str, object], changes: Sequence[tuple[str, Overrides]], *, cell: str) -> Scenario:
    try:
        for source, values in changes:
            for key, value in values.items():
                put(data, key, copy.deepcopy(value), source=source)
        scenario = from_mapping(data)
    except ScenarioError as error:
        raise SweepInvalid(f"The cell {cell} cannot be run: {error}") from error
    if scenario.chain.url is not None:
        raise SweepInvalid(
            "The base scenario names a node, but every cell has a devnet of its own: drop chain.url."
        )
    return scenario


def _trainers(attack: Attack, labels: Labels) -> list[dict[str, object]]:
    width = max(2, len(str(labels.trainers)))
    first_bad = labels.trainers - adversaries(labels.fraction, labels.trainers)
    entries: list[dict[str, object]] = []
    for place in range(labels.trainers):
        entry: dict[str, object] = {"name": f"trainer-{place + 1:0{width}d}"}
        if place >= first_bad and labels.attack == ABSENT:
            entry["absent"] = True
        elif place >= first_bad:
            behaviour = attack.behaviour
            entry["behaviour"] = {"name": behaviour.name, **copy.deepcopy(behaviour.parameters)}
            entry["plan"] = attack.plan.model_dump()
            entry["group"] = attack.group
        entries.append(entry)
    return entries
