# SPDX-License-Identifier: Apache-2.0
"""The form of each record of ``events.jsonl`` that is not an event of the chain, for whoever reads one that may be damaged.

What agents say of themselves is declared in ``agents.common.decisions``; of a transaction's record the common keys count, what
else it says is evidence for people.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bcfl.agents.common.decisions import DECISIONS, Index, Natural, fault_in

__all__ = ("what_is_wrong",)

_Numbers = dict[str, float | None]


class _Record(BaseModel):
    """What every record has."""

    model_config = ConfigDict(strict=True, extra="allow")

    event: str
    source: str
    block: Natural
    time: Natural


class _OfAgent(_Record):
    """What every record of an agent has."""

    role: str
    round: Natural


class _Participant(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    role: str
    address: str
    behaviour: str


class _Started(_Record):
    participants: dict[str, _Participant]
    notes: list[str] = []


class _Retracted(_Record):
    blocks: list[Natural]


class _Goals(_Record):
    success: dict[str, float]


class _Models(_Record):
    models: dict[Index, _Numbers]


_Cells = list[Annotated[list[Natural], Field(min_length=3, max_length=3)]]


class _Confusions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: list[str]
    overall: _Cells
    trainers: dict[str, _Cells]

    @model_validator(mode="after")
    def _within(self) -> Self:
        for cells in (self.overall, *self.trainers.values()):
            if any(max(true, said) >= len(self.labels) for true, said, _ in cells):
                raise ValueError("a class has no label")
        return self


class _Classes(_Record):
    classes: _Confusions


class _Members(_Record):
    members: dict[str, dict[str, Any]]


class _Transaction(_OfAgent):
    action: str
    status: Literal["included", "reverted", "overtaken", "failed"]
    gas: Natural
    reason: str


_OF_THE_RUNNER: dict[str, type[_Record]] = {
    "run_started": _Started,
    "goals_measured": _Goals,
    "models_measured": _Models,
    "members_measured": _Members,
    "classes_measured": _Classes,
}


def what_is_wrong(record: object) -> str | None:
    """The first thing that a record lacks or has in a wrong form; None for a sound one."""
    forms: tuple[type[BaseModel], ...] = (_Record,)
    if isinstance(record, dict):
        event, source = str(record.get("event")), record.get("source")
        if source == "runner":
            if event not in _OF_THE_RUNNER:
                return f"the runner writes no record named '{event}'"
            forms = (_OF_THE_RUNNER[event],)
        elif source == "chain":
            forms = (_Retracted,) if event == "retracted" else (_Record,)
        elif event in _OF_THE_RUNNER or event == "retracted":
            return f"an agent writes no record named '{event}'"
        else:
            forms = (_Transaction,) if event == "transaction" else (_OfAgent, DECISIONS.get(event, _OfAgent))
    try:
        for form in forms:
            form.model_validate(record)
    except ValidationError as error:
        return fault_in(error) or "it is no record"
    return None
