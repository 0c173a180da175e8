# SPDX-License-Identifier: Apache-2.0
"""The form of each record of ``events.jsonl`` that is not an event of the chain, for whoever reads one that may be damaged.

Records of agents that are not listed have the common keys alone: what else they say is evidence for people.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ("what_is_wrong",)

_Natural = Annotated[int, Field(ge=0)]
_Index = Annotated[str, Field(pattern="^(0|[1-9][0-9]*)$")]
_Numbers = dict[str, float | None]
_ByIndex = dict[_Index, float | None]


class _Record(BaseModel):
    """What every record has."""

    model_config = ConfigDict(strict=True, extra="allow")

    event: str
    source: str
    block: _Natural
    time: _Natural


class _Decision(_Record):
    """Of an agent."""

    role: str
    round: _Natural


class _Participant(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    role: str
    address: str
    behaviour: str


class _Started(_Record):
    participants: dict[str, _Participant]


class _Retracted(_Record):
    blocks: list[_Natural]


class _Goals(_Record):
    success: dict[str, float]


class _Models(_Record):
    models: dict[_Index, _Numbers]


class _Members(_Record):
    members: dict[str, dict[str, Any]]


class _Transaction(_Decision):
    action: str
    status: Literal["included", "reverted", "failed"]
    gas: _Natural
    reason: str


class _Trained(_Decision):
    loss: float | None
    samples: _Natural
    steps: _Natural


class _Scored(_Decision):
    start_loss: float | None
    start_accuracy: float | None
    loss: float | None
    accuracy: float | None
    validation_loss: _ByIndex
    rejected: dict[_Index, str]
    evidence: dict[_Index, _Numbers]


class _Judged(_Decision):
    scores: dict[_Index, int]
    loss: float | None
    accuracy: float | None
    rejected: dict[_Index, str]


class _Aggregated(_Decision):
    cid: str
    weights: dict[_Index, int]


_OF_THE_RUNNER: dict[str, type[_Record]] = {
    "run_started": _Started,
    "goals_measured": _Goals,
    "models_measured": _Models,
    "members_measured": _Members,
}
_OF_AGENTS: dict[str, type[_Record]] = {
    "transaction": _Transaction,
    "trained": _Trained,
    "scored": _Scored,
    "judged": _Judged,
    "aggregated": _Aggregated,
}


def what_is_wrong(record: object) -> str | None:
    """The first thing that a record lacks or has in a wrong form; None for a sound one."""
    form: type[_Record] = _Record
    if isinstance(record, dict):
        event, source = str(record.get("event")), record.get("source")
        if source == "runner":
            if event not in _OF_THE_RUNNER:
                return f"the runner writes no record named '{event}'"
            form = _OF_THE_RUNNER[event]
        elif source == "chain":
            form = _Retracted if event == "retracted" else _Record
        elif event in _OF_THE_RUNNER or event == "retracted":
            return f"an agent writes no record named '{event}'"
        else:
            form = _OF_AGENTS.get(event, _Decision)
    try:
        form.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"'{where}': {first['msg'].lower()}" if where else "it is no record"
    return None
