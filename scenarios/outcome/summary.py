# SPDX-License-Identifier: Apache-2.0
"""What a run came to, as ``summary.json`` holds it (``docs/summary.md`` explains every field).

Tokens are text: whole numbers of base units (10⁻¹⁸ token), which JSON numbers cannot hold. A loss that was not
measured, or is not finite, is null.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from bcfl.scenarios.errors import SummaryUnreadable
from bcfl.scenarios.outcome.summary_classes import Classification
from bcfl.scenarios.outcome.summary_consortium import MemberSummary, Performance, RoundAgreement
from bcfl.scenarios.outcome.summary_fairness import Fairness
from bcfl.scenarios.outcome.summary_fields import FIELDS, BaseUnits, Measured, SignedUnits

__all__ = (
    "SCHEMA_VERSION",
    "Detection",
    "EventCounts",
    "Fairness",
    "Final",
    "GasTotals",
    "Genesis",
    "Liveness",
    "MemberSummary",
    "Participant",
    "Performance",
    "RoundAgreement",
    "RoundSummary",
    "Summary",
    "Suspension",
    "Timings",
    "TokenTotals",
    "read_summary",
    "summary_text",
)

SCHEMA_VERSION: Literal[1] = 1


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = FIELDS


class Genesis(_Model):
    """The model that the task starts from, on the evaluator's validation set."""

    loss: Measured
    accuracy: Measured


class RoundSummary(_Model):
    """One round; every mapping is by participant, ``gas`` by role.

    Attributes:
        round: from 1.
        global_loss: the aggregate's mean loss on the evaluator's validation set after the round; in a consortium on
            the test split, which no member has: the runner measures it at the end.
        global_accuracy: the same model's accuracy, 0 to 1.
        local_loss: a trainer's own model's mean loss on its own data after its training.
        validation_loss: the same model's mean loss on the evaluator's validation set.
        reported_samples: on so many of its samples, where neither score nor defence measured it; null: on all.
        epsilon: of a trainer's differential privacy, over all that it handed in so far; only of those who promise some.
        scores: what the evaluator posted, in units of loss; in a consortium the settled parts of 1.
        tokens: what the round credited, in base units.
        rejected: a reason for every update that is not in the model; ``not_selected`` ones are paid.
        suspended: who was suspended in the round.
        ejected: who was ejected in the round.
        reasons: the contract's reason for each of those.
        overturned: objections to the evaluation were upheld: the model does not count, nor does its loss.
        objections: who objected to the evaluation, and why; ``model_harmful`` alone blames nobody.
        gas: gas used by each role's transactions.
        agreement: a consortium's; null in a crowd.
    """

    round: Annotated[int, Field(ge=1)]
    global_loss: Measured
    global_accuracy: Measured
    local_loss: dict[str, Measured] = {}
    validation_loss: dict[str, Measured] = {}
    reported_samples: int | None = None
    epsilon: dict[str, float] = {}
    scores: dict[str, float] = {}
    tokens: dict[str, BaseUnits] = {}
    rejected: dict[str, str] = {}
    suspended: tuple[str, ...] = ()
    ejected: tuple[str, ...] = ()
    reasons: dict[str, str] = {}
    overturned: bool = False
    objections: dict[str, str] = {}
    gas: dict[str, int] = {}
    agreement: RoundAgreement | None = None


class Final(_Model):
    """The last global model; ``cid`` is its content id as IPFS writes it.

    ``backdoor_success``: the share, 0 to 1, of the samples that a data attack aims at that the model answers as the
    attack wants; of several such attacks the largest. Null where no attack has such a goal.
    """

    loss: Measured
    accuracy: Measured
    cid: str
    backdoor_success: float | None = None


class Suspension(_Model):
    """By the evaluation of ``round`` a trainer had to sit out until ``until_round`` started; ``reason`` as on chain."""

    round: int
    until_round: int
    reason: str


class Participant(_Model):
    """Who took part; ``tokens`` is what was paid out in all, ``ejected_round`` null for who stayed.

    ``removed_round`` and ``removed_reason`` (``silent``, ``objections``, ``stood down``) are an evaluator's. ``gave_up`` says why it took no
    part any more, where it failed too often.
    """

    role: str
    behaviour: str = "honest"
    address: str
    tokens: BaseUnits = "0"
    ejected_round: int | None = None
    ejected_reason: str | None = None
    suspensions: tuple[Suspension, ...] = ()
    removed_round: int | None = None
    removed_reason: str | None = None
    gave_up: str | None = None


class TokenTotals(_Model):
    """Where everything went: ``budget`` + ``forfeited`` = ``paid`` + ``returned`` + ``unclaimed`` once the task has ended.

    Attributes:
        budget: what the publisher put in escrow.
        paid: to members, for their work and as their parts of what others lost.
        returned: to the publisher.
        forfeited: stakes and bonds that their owners lost.
        unclaimed: of what was lost, what came to no payout; it is nobody's.
    """

    budget: BaseUnits
    paid: BaseUnits
    returned: BaseUnits
    forfeited: BaseUnits = "0"
    unclaimed: BaseUnits = "0"


class Liveness(_Model):
    """Whether the task went on whatever its members did.

    Attributes:
        rounds_planned: as the task says.
        rounds_finalised: rounds that ended with a model.
        rounds_void: of those, the rounds that kept the model as it was, overturned ones among them.
        overdue_s: seconds of chain time that passed after deadlines before somebody moved the task on.
    """

    rounds_planned: int
    rounds_finalised: int
    rounds_void: int = 0
    overdue_s: int = 0


class Detection(_Model):
    """How well misbehaviour was found, over the trainers who joined (``scenarios.detection`` says what counts).

    Attributes:
        precision: ejected adversaries among all ejected.
        recall: ejected adversaries among all adversaries.
        f1: the harmonic mean of both.
        false_ejection_rate: ejected honest trainers among all honest ones.
        adversaries: how many misbehaved in at least one round.
        honest: how many did not.
        ejected_adversaries: how many of the former were ejected.
        ejected_honest: how many of the latter.
        first_misbehaviour: the first such round of each adversary.
        rounds_to_eject: from that round to the one of the ejection, both counted; null: never.
        reward_share: what adversaries were credited and could keep, of all that was, 0 to 1.
        relative_pay: an adversary's mean pay over an honest trainer's; 1 is fair.
        honest_return: what an honest trainer has in the end over what it began with, on average, in base units.
        return_on_misbehaviour: the same of each adversary less ``honest_return``; above 0: it paid to misbehave.
        liveness: whether the rounds went on.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    false_ejection_rate: float | None
    adversaries: int = 0
    honest: int = 0
    ejected_adversaries: int = 0
    ejected_honest: int = 0
    first_misbehaviour: dict[str, int] = {}
    rounds_to_eject: dict[str, int | None] = {}
    reward_share: float
    relative_pay: float | None = None
    honest_return: SignedUnits | None = None
    return_on_misbehaviour: dict[str, SignedUnits | None] = {}
    liveness: Liveness | None = None


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
    """One run. ``members`` are a consortium's; ``detection`` and ``fairness`` are null in files of versions that did not
    measure them.

    ``conclusion`` says why it ended as it did, where that needs explaining; else it is empty. Only the replay of a log that
    ends before the task does is ``interrupted``.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    scenario: str
    seed: int
    status: Literal["completed", "cancelled", "interrupted"] = "completed"
    conclusion: str = ""
    genesis: Genesis
    rounds: tuple[RoundSummary, ...]
    final: Final
    participants: dict[str, Participant]
    members: dict[str, MemberSummary] = {}
    classification: Classification | None = None
    tokens: TokenTotals
    detection: Detection | None = None
    fairness: Fairness | None = None
    timings: Timings
    gas: GasTotals
    events: EventCounts


def summary_text(summary: Summary) -> str:
    """A summary as indented JSON, as ``summary.json`` holds it."""
    return summary.model_dump_json(indent=2) + "\n"


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
