# SPDX-License-Identifier: Apache-2.0
"""What a run came to, as ``summary.json`` holds it (``docs/summary.md`` explains every field).

Tokens are text: whole numbers of base units (10⁻¹⁸ token), which JSON numbers cannot hold. A loss that was not
measured, or is not finite, is null.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from bcfl.scenarios.errors import SummaryUnreadable

__all__ = (
    "SCHEMA_VERSION",
    "Detection",
    "EventCounts",
    "Final",
    "GasTotals",
    "Genesis",
    "Participant",
    "RoundSummary",
    "Summary",
    "Timings",
    "TokenTotals",
    "read_summary",
    "write_summary",
)

SCHEMA_VERSION: Literal[1] = 1


def _finite(value: object) -> object:
    # a diverged loss is a result, but JSON has no word for it
    return None if isinstance(value, float) and not math.isfinite(value) else value


Measured = Annotated[float | None, BeforeValidator(_finite)]
BaseUnits = Annotated[str, Field(pattern=r"^\d{1,78}$")]


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class Genesis(_Model):
    """The model that the task starts from, on the evaluator's validation set."""

    loss: Measured
    accuracy: Measured


class RoundSummary(_Model):
    """One round; every mapping is by participant, ``gas`` by role.

    Attributes:
        round: from 1.
        global_loss: the aggregate's mean loss on the evaluator's validation set after the round.
        global_accuracy: the same model's accuracy, 0 to 1.
        local_loss: a trainer's own model's mean loss on its own data after its training.
        validation_loss: the same model's mean loss on the evaluator's validation set.
        scores: what the evaluator posted, in units of loss.
        tokens: what the round credited, in base units.
        rejected: a reason for every update that was not scored.
        suspended: who was suspended in the round.
        ejected: who was ejected in the round.
        gas: gas used by each role's transactions.
    """

    round: Annotated[int, Field(ge=1)]
    global_loss: Measured
    global_accuracy: Measured
    local_loss: dict[str, Measured] = {}
    validation_loss: dict[str, Measured] = {}
    scores: dict[str, float] = {}
    tokens: dict[str, BaseUnits] = {}
    rejected: dict[str, str] = {}
    suspended: tuple[str, ...] = ()
    ejected: tuple[str, ...] = ()
    gas: dict[str, int] = {}


class Final(_Model):
    """The last global model; ``cid`` is its content id as IPFS writes it."""

    loss: Measured
    accuracy: Measured
    cid: str


class Participant(_Model):
    """Who took part; ``tokens`` is what was paid out in all, ``ejected_round`` null for who stayed."""

    role: str
    behaviour: str = "honest"
    address: str
    tokens: BaseUnits = "0"
    ejected_round: int | None = None


class TokenTotals(_Model):
    """Where the budget went: ``paid`` + ``returned`` = ``budget`` once the task has ended."""

    budget: BaseUnits
    paid: BaseUnits
    returned: BaseUnits


class Detection(_Model):
    """How well misbehaviour was found, over trainers; ``reward_share`` is what misbehaving trainers took, 0 to 1."""

    precision: float | None
    recall: float | None
    f1: float | None
    false_ejection_rate: float | None
    rounds_to_eject: dict[str, int | None] = {}
    reward_share: float


class Timings(_Model):
    """Wall seconds in which such work was under way; kinds of work overlap."""

    total_s: float
    training_s: float = 0.0
    scoring_s: float = 0.0
    chain_s: float = 0.0
    storage_s: float = 0.0


class GasTotals(_Model):
    """Gas of the whole task, and the mean of one trainer in one round."""

    total: int
    per_trainer_round: float


class EventCounts(_Model):
    """Chain events that agents were given, and those taken back by reorganisations."""

    delivered: int
    retracted: int


class Summary(_Model):
    """One run. ``detection`` is null where nobody misbehaves."""

    schema_version: Literal[1] = SCHEMA_VERSION
    scenario: str
    seed: int
    status: Literal["completed", "cancelled"] = "completed"
    genesis: Genesis
    rounds: tuple[RoundSummary, ...]
    final: Final
    participants: dict[str, Participant]
    tokens: TokenTotals
    detection: Detection | None = None
    timings: Timings
    gas: GasTotals
    events: EventCounts


def write_summary(summary: Summary, path: Path) -> None:
    """Write a summary as indented JSON."""
    path.write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_summary(path: Path) -> Summary:
    """The summary in a file.

    Raises:
        SummaryUnreadable: no such file, not JSON, another version, or not a summary.
    """
    try:
        data = from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SummaryUnreadable(f"{path} is missing or is not JSON; run the scenario again.") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise SummaryUnreadable(
            f"{path} has schema version {version}, this bcfl reads {SCHEMA_VERSION}; run the scenario again."
        )
    try:
        return Summary.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SummaryUnreadable(
            f"{path} is not a summary at '{where}' ({first['msg']}); run the scenario again."
        ) from error
