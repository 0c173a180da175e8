# SPDX-License-Identifier: Apache-2.0
"""What a sweep file says: a base scenario, the values of every axis, and which of them are crossed.

The axes are attack, defence, fraction of adversaries, heterogeneity of the data, number of trainers and seed, as in the
grids of byzfl (El-Mhamdi et al. 2025, arXiv 2505.24802). ``docs/sweeps.md`` shows every key.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bcfl.errors import ScenarioError
from bcfl.registry import nearest
from bcfl.scenarios.definition.checked_yaml import read_checked, read_document
from bcfl.scenarios.definition.loading import put
from bcfl.scenarios.definition.schema import BehaviourPlan
from bcfl.scenarios.definition.schema_fields import Name, NamedEntry
from bcfl.scenarios.errors import SweepInvalid

__all__ = ("ABSENT", "AS_BASE", "NONE", "Attack", "Group", "Overrides", "Sweep", "load_sweep")

NONE = "none"
"""The attack of a cell without adversaries."""
ABSENT = "absent"
"""The attack of a reference: the members who would attack are not there."""

AS_BASE = "as_base"
"""The defence, or the heterogeneity, of a cell whose scenario's own is left as it is."""

_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")
_MOST_SEEDS = 10_000


def _seeds(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, str):
        span = _RANGE.fullmatch(value.strip())
        if span is None or not int(span[1]) <= int(span[2]) < int(span[1]) + _MOST_SEEDS:
            raise ValueError(f"'{value}' is not a range of seeds; write one like 20-24, or a list")
        return tuple(range(int(span[1]), int(span[2]) + 1))
    return value


Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,47}$")]
Overrides = dict[str, Any]
"""Values of the scenario by dotted key, as ``--set`` takes them."""
Fraction = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
Fractions = Annotated[tuple[Fraction, ...], Field(min_length=1)]
Sizes = Annotated[tuple[Annotated[int, Field(ge=1, le=2048)], ...], Field(min_length=1)]
SeedList = Annotated[tuple[Seed, ...], BeforeValidator(_seeds), Field(min_length=1)]
Labels = Annotated[tuple[Label, ...], Field(min_length=1)]


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Attack(_Model):
    """What the adversaries of a cell do; ``set`` changes the scenario around them, for evaluators that misbehave."""

    behaviour: NamedEntry = NamedEntry(name="honest")
    plan: BehaviourPlan = BehaviourPlan()
    group: Name | None = None
    set: Overrides = {}


class Group(_Model):
    """One block of the grid: labels of what is crossed; an axis that is left out is the sweep's own."""

    attacks: Labels | None = None
    defences: Labels | None = None
    fractions: Fractions | None = None
    heterogeneity: Labels | None = None
    trainers: Sizes | None = None
    seeds: SeedList | None = None


class Sweep(_Model):
    """A whole sweep; ``base`` is a scenario's plain data, whose trainers the grid replaces.

    ``scenarios`` are whole ones by label, with trainers of their own: they are crossed with ``defences`` and ``seeds`` alone.
    """

    name: Name
    description: str = ""
    base: dict[str, Any] = {}
    scenarios: dict[Label, dict[str, Any]] = {}
    attacks: dict[Label, Attack] = {}
    defences: Annotated[dict[Label, Overrides], Field(min_length=1)] = {AS_BASE: {}}
    heterogeneity: Annotated[dict[Label, Overrides], Field(min_length=1)] = {AS_BASE: {}}
    fractions: Fractions = (0.3,)
    trainers: Sizes = (10,)
    seeds: SeedList = (0,)
    groups: tuple[Group, ...] = ()

    @model_validator(mode="after")
    def _labels_are_known(self) -> Sweep:
        for reserved in {NONE, ABSENT} & set(self.attacks):
            raise ValueError(
                f"'{reserved}' is the sweep's own name for a cell; give the attack another label"
            )
        known = {
            "attacks": [NONE, *self.attacks],
            "defences": list(self.defences),
            "heterogeneity": list(self.heterogeneity),
        }
        for place, group in enumerate(self.groups):
            for axis, labels in known.items():
                for label in getattr(group, axis) or ():
                    if label not in labels:
                        raise ValueError(
                            f"group {place} names '{label}', which is none of the {axis}{nearest(label, labels)}"
                        )
        return self

    @model_validator(mode="after")
    def _has_trainers_once(self) -> Sweep:
        own = {"attacks", "heterogeneity", "fractions", "trainers", "groups"} & self.model_fields_set
        if self.scenarios and own:
            raise ValueError(
                f"'scenarios' have data and trainers of their own; leave out {' and '.join(sorted(own))}"
            )
        if not (self.scenarios or "base" in self.model_fields_set):
            raise ValueError("'base' is missing: a scenario that every cell is made of, or 'scenarios'")
        return self

    @property
    def blocks(self) -> tuple[Group, ...]:
        """The groups with every axis filled in; where the file has none, the whole grid as one."""
        return tuple(
            Group(
                attacks=group.attacks or (NONE, *self.attacks),
                defences=group.defences or tuple(self.defences),
                fractions=group.fractions or self.fractions,
                heterogeneity=group.heterogeneity or tuple(self.heterogeneity),
                trainers=group.trainers or self.trainers,
                seeds=group.seeds or self.seeds,
            )
            for group in self.groups or (Group(),)
        )


class _Written(Sweep):
    """As the file has it: ``base`` and the ``scenarios`` may be paths of scenarios, relative to the file.

    A scenario may also be changes, by dotted key, of the one that its key ``base`` names, else of the sweep's.
    """

    base: str | dict[str, Any] = {}  # type: ignore[assignment] # wider only until load_sweep has read the file
    scenarios: dict[Label, str | dict[str, Any]] = {}  # type: ignore[assignment]


def load_sweep(path: Path) -> Sweep:
    """Read and check a sweep file.

    Raises:
        SweepInvalid: with the file, the line and the key.
    """
    written = read_checked(_Written, path, what="sweep file", error=SweepInvalid)
    base = _read(written.base, path)
    scenarios = {label: _whole(label, said, base, path) for label, said in written.scenarios.items()}
    values = {name: getattr(written, name) for name in Sweep.model_fields}
    return Sweep.model_construct(**{**values, "base": base, "scenarios": scenarios})


def _read(said: str | dict[str, Any], path: Path) -> dict[str, Any]:
    if isinstance(said, dict):
        return said
    document: Any = read_document(path.parent / said, what="base scenario", error=SweepInvalid)
    return dict(document.data)


def _whole(label: str, said: str | dict[str, Any], base: dict[str, Any], path: Path) -> dict[str, Any]:
    if isinstance(said, str):
        return _read(said, path)
    changes = dict(said)
    own = changes.pop("base", base)
    if not isinstance(own, str | dict):
        raise SweepInvalid(
            f"{path}: 'scenarios.{label}.base' is the path of a scenario or its keys, not {own!r}."
        )
    data = copy.deepcopy(_read(own, path))
    for key, value in changes.items():
        try:
            put(data, key, value, source=f"the scenario '{label}'")
        except ScenarioError as error:
            raise SweepInvalid(f"{path}: {error}") from error
    return data
