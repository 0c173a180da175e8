# SPDX-License-Identifier: Apache-2.0
"""What agents say of what they did beside their transactions: the one place where these records of the event log are declared.

Agents write them by ``Telling``, whoever reads a log checks them, and the tables of a run and the audit are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bcfl.agents.runtime.ports import Observer

__all__ = (
    "DECISIONS",
    "Aggregated",
    "Decision",
    "GaveUp",
    "Judged",
    "Judging",
    "Misbehaving",
    "Objecting",
    "Published",
    "Scored",
    "Scoring",
    "TargetReached",
    "Telling",
    "Trained",
    "Training",
    "Unusable",
    "fault_in",
)

Natural = Annotated[int, Field(ge=0)]
Index = Annotated[str, Field(pattern="^(0|[1-9][0-9]*)$")]
"""A member's, as JSON has it."""
Number = float | None
"""None where it is not finite."""


class Decision(BaseModel):
    """One record's own fields; agent, role, round and time stand beside them."""

    model_config = ConfigDict(strict=True, frozen=True)

    name: ClassVar[str]
    """The record's ``event``."""


class Published(Decision):
    """A publisher has stored what the task names."""

    name = "published"

    contents: list[str]
    """Ids of the specification and the genesis model."""


class TargetReached(Decision):
    """A publisher needs no better model than the round's."""

    name = "target_reached"

    loss: float
    target_loss: float


class Training(Decision):
    """Somebody begins to train."""

    name = "training"


class Trained(Decision):
    """Somebody has trained."""

    name = "trained"

    loss: Number
    """Mean on its own data after training."""
    samples: Natural
    steps: Natural
    epsilon: Number = None
    """Of the differential privacy that its samples have left, over all that it handed in; None where it promises none."""


class Misbehaving(Decision):
    """The ground truth: in this round its behaviour acts, not an honest trainer; no other agent sees it."""

    name = "misbehaving"


class Unusable(Decision):
    """The round is sat out, or this attempt at its model failed."""

    name = "unusable"

    reason: str
    attempt: int | None = None


class GaveUp(Decision):
    """It has failed too often and is not started again; to the others it is one who stays away."""

    name = "gave_up"

    reason: str


class Objecting(Decision):
    """A member objects to the round's evaluation."""

    name = "object"

    reason: str
    blames: bool
    """The evaluator is at fault."""


class Scoring(Decision):
    """An evaluator begins to score."""

    name = "scoring"


class Scored(Decision):
    """An evaluator has scored a round and made its model; everything is measured on its validation set."""

    name = "scored"

    start_loss: Number
    start_accuracy: Number
    loss: Number
    accuracy: Number
    validation_loss: Mapping[Index, Number]
    reported_samples: Natural | None = None
    """On so many samples where nothing but the report wanted it; None: on all."""
    rejected: Mapping[Index, str]
    """Why an update was left out."""
    evidence: Mapping[Index, Mapping[str, Number]]
    """What the defence measured, numbers by name."""


class Judging(Decision):
    """A member of a consortium begins to judge."""

    name = "judging"


class Judged(Decision):
    """A member of a consortium has judged the others."""

    name = "judged"

    scores: Mapping[Index, int]
    """Of the others, in 10⁻⁹."""
    probe: str
    """Hexadecimal digest of what the models answer on the round's probe."""
    loss: Number
    """Of the round's start model on the member's own samples, as ``accuracy``."""
    accuracy: Number
    samples: Natural
    rejected: Mapping[Index, str]
    """Why an update is worth nothing."""


class Aggregated(Decision):
    """A consortium's member, or the aggregator that a crowd's publisher named, has computed the round's model."""

    name = "aggregated"

    cid: str
    weights: Mapping[Index, int]
    """Integer weight of each update in it."""


class Audited(Decision):
    """An auditor has repeated a round from what is public."""

    name = "audited"

    task: str
    findings: tuple[str, ...]
    """What does not come out as was posted; empty: nothing."""


DECISIONS: Mapping[str, type[Decision]] = {
    kind.name: kind
    for kind in (
        Aggregated,
        Audited,
        GaveUp,
        Judged,
        Judging,
        Misbehaving,
        Objecting,
        Published,
        Scored,
        Scoring,
        TargetReached,
        Trained,
        Training,
        Unusable,
    )
}
"""By name."""


def fault_in(error: ValidationError) -> str:
    """What of a record is in a wrong form first, and how; empty where the record as a whole is."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"'{where}': {first['msg'].lower()}" if where else ""


@dataclass(frozen=True, kw_only=True)
class Telling:
    """Tells the observer what one agent did in a round, 0: outside rounds."""

    observer: Observer
    agent: str
    role: str

    def __call__(self, round_number: int, decision: Decision) -> None:
        """It did that."""
        self.observer.decided(
            agent=self.agent,
            role=self.role,
            name=decision.name,
            round_number=round_number,
            evidence=decision.model_dump(exclude_unset=True),
        )
