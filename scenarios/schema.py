# SPDX-License-Identifier: Apache-2.0
"""What a scenario says: every key with its type, range and default (``template.yaml`` shows them to a reader).

The models are frozen and refuse keys they do not know. Rules that span several keys, and the named entries, are
checked in ``scenarios.rules``; ``scenarios.loading`` turns every refusal into one sentence.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_serializer,
    model_validator,
)

from bcfl import registry
from bcfl.scenarios.tokens import CREDIT_UNIT, parse_tokens

__all__ = (
    "ENTRY_KINDS",
    "NAME_PATTERN",
    "Audit",
    "BehaviourPlan",
    "Chain",
    "Compute",
    "Data",
    "Evaluator",
    "Intake",
    "Membership",
    "NamedEntry",
    "Population",
    "Reward",
    "Scenario",
    "Schedule",
    "Selection",
    "Storage",
    "Task",
    "Trainers",
    "Training",
    "Validation",
)

ENTRY_KINDS: dict[tuple[str, ...], str] = {
    ("task", "network"): "network",
    ("task", "score"): "score",
    ("task", "aggregator"): "aggregator",
    ("task", "defence"): "defence",
    ("data", "dataset"): "dataset",
    ("data", "partition"): "partition",
}
"""The keys that name an entry of the registry, with the entry's kind."""

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,31}$"
"""What scenarios and participants may be called: the names go into paths, logs and figures."""

_MONTH_S = 31 * 24 * 3600


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError(f'put it in quotes, "{value}": a number with a point loses digits')  # noqa: TRY004 - pydantic
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _decimal(value: str) -> str:
    parse_tokens(value)
    return value


def _web_socket(value: str) -> str:
    if not value.startswith(("ws://", "wss://")):
        raise ValueError(
            "write a WebSocket address, ws://host:port or wss://host:port: events do not come over HTTP"
        )
    return value


def _entry_rule(value: object) -> object:
    return {"rule": value} if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Tokens = Annotated[str, BeforeValidator(_exact), AfterValidator(_decimal)]
Seconds = Annotated[int, Field(ge=1, le=_MONTH_S)]


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True
    )


class NamedEntry(_Model):
    """An entry of the registry: a name, or a mapping with ``name`` and the entry's parameters beside it."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "parameters" not in value:
            name = {"name": value["name"]} if "name" in value else {}
            return {**name, "parameters": {key: item for key, item in value.items() if key != "name"}}
        return value

    @model_serializer
    def _to_yaml(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.parameters} if self.parameters else self.name

    def create(self, kind: str) -> Any:  # noqa: ANN401 - an entry of any kind
        """The entry itself, its parameters checked.

        Raises:
            RegistryError: no such entry, or it cannot take the parameters.
        """
        return registry.create(kind, self.name, self.parameters)


class Training(_Model):
    """Local training by stochastic gradient descent; a fresh optimiser every round."""

    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    shuffle: bool = True


class Selection(_Model):
    """Who trains in a round; ``cohort`` is the number of members drawn, for every rule but ``all``."""

    rule: Literal["all", "random", "first_come", "score_order"] = "all"
    cohort: Annotated[int, Field(ge=1, le=2048)] | None = None


class Reward(_Model):
    """What a round pays: ``rate`` tokens per unit of score while the budget lasts, or ``per_round`` tokens."""

    mode: Literal["rate", "round_budget"] = "rate"
    rate: Tokens = "1"
    per_round: Tokens | None = None
    budget: Tokens = "100"
    vesting_rounds: Annotated[int, Field(ge=0, le=16)] = 0


class Membership(_Model):
    """Who may join; ``capacity`` null is the number of trainers, ``bond`` null one round's share of the budget."""

    minimum: Annotated[int, Field(ge=1, le=65_536)] = 2
    capacity: Annotated[int, Field(ge=1, le=65_536)] | None = None
    stake: Tokens = "0"
    bond: Tokens | None = None


class Intake(_Model):
    """How updates come in: relayed in batches or direct, committed before they are revealed or not."""

    relayed: bool = False
    commit_reveal: bool = True
    unique_digests: bool = True
    max_update_bytes: Annotated[int, Field(ge=64, le=1 << 30)] = 4 * 1024 * 1024


class Schedule(_Model):
    """The longest each phase may last, in seconds of chain time."""

    enrolment_s: Seconds = 600
    training_s: Seconds = 3600
    reveal_s: Seconds = 600
    evaluation_s: Seconds = 3600
    aggregation_s: Seconds = 600
    closing_s: Seconds = 60


Audit = Literal["public"]
"""``public``: the evaluator opens its validation set at the end, so that anyone can audit the scores."""


class Task(_Model):
    """What is trained, how it is scored and paid, and by when."""

    rounds: Annotated[int, Field(ge=1, le=10_000)]
    network: NamedEntry
    training: Training = Training()
    score: NamedEntry = NamedEntry(name="shapley")
    aggregator: NamedEntry = NamedEntry(name="fedavg")
    defence: NamedEntry = NamedEntry(name="none")
    selection: Annotated[Selection, BeforeValidator(_entry_rule)] = Selection()
    reward: Reward = Reward()
    membership: Membership = Membership()
    intake: Intake = Intake()
    schedule: Schedule = Schedule()
    audit: Audit = "public"


class Validation(_Model):
    """The evaluator's data: the test split, or its first ``samples``."""

    samples: Annotated[int, Field(ge=1)] | None = None


class Data(_Model):
    """Which data, and how the trainers share them."""

    dataset: NamedEntry
    partition: NamedEntry = NamedEntry(name="equal")
    validation: Validation = Validation()


class Evaluator(_Model):
    """One evaluator; the first of the list is active, the others stand by. ``group`` names its friends."""

    name: Name
    behaviour: NamedEntry = NamedEntry(name="honest")
    group: Name | None = None


class BehaviourPlan(_Model):
    """When a behaviour acts: from round ``start`` to ``stop``, ``every`` so many, with ``probability``.

    ``warmup`` rounds with an honest update of its own come first. In all other rounds the trainer is honest.
    """

    start: Annotated[int, Field(ge=1)] = 1
    stop: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    warmup: Annotated[int, Field(ge=0)] = 0


class Trainers(_Model):
    """One trainer, or ``count`` of them named ``name-1``, ``name-2``, …; ``share`` is each one's part of the data.

    ``group``: they share their models before these are public with everybody of that group. ``absent``: they keep
    their part of the data and never join, so that the others have what they have beside them.
    """

    name: Name
    count: Annotated[int, Field(ge=1, le=65_536)] = 1
    share: Annotated[float, Field(gt=0, le=1e9)] | None = None
    behaviour: NamedEntry = NamedEntry(name="honest")
    plan: BehaviourPlan = BehaviourPlan()
    group: Name | None = None
    absent: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the trainers that this entry stands for."""
        if self.count == 1:
            return (self.name,)
        return tuple(f"{self.name}-{number}" for number in range(1, self.count + 1))


class Population(_Model):
    """Who takes part."""

    evaluators: Annotated[tuple[Evaluator, ...], Field(strict=False, min_length=1, max_length=16)]
    trainers: Annotated[tuple[Trainers, ...], Field(strict=False, min_length=1)]

    @property
    def present(self) -> tuple[Trainers, ...]:
        """The trainers who take part."""
        return tuple(entry for entry in self.trainers if not entry.absent)


class Storage(_Model):
    """Where models live; ``url`` is the address of a Kubo node's API."""

    kind: Literal["memory", "directory", "kubo"] = "directory"
    url: Annotated[str, Field(min_length=1)] | None = None


class Chain(_Model):
    """Which node: null ``url`` starts a devnet, driven by a clock of its own when ``block_time`` is null too."""

    url: Annotated[str, AfterValidator(_web_socket)] | None = None
    confirmations: Annotated[int, Field(ge=0, le=255)] = 0
    block_time: Annotated[float, Field(gt=0, le=3600)] | None = None
    funder: Annotated[str, Field(min_length=1)] | None = None


class Compute(_Model):
    """Where training runs; null ``workers`` is one a core. No result depends on it."""

    executor: Literal["threads", "processes"] = "processes"
    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    device: Literal["cpu", "cuda", "auto"] = "cpu"


class Scenario(_Model):
    """One experiment, complete: with the same seed it gives the same scores, digests and events."""

    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    task: Task
    data: Data
    population: Population
    storage: Storage = Storage()
    chain: Chain = Chain()
    compute: Compute = Compute()

    @property
    def trainer_names(self) -> tuple[str, ...]:
        """Every trainer who takes part, in the order of the file."""
        return tuple(name for entry in self.population.present for name in entry.names)

    @property
    def data_owners(self) -> tuple[str, ...]:
        """Every trainer who has a part of the data, absent ones too, in the order of the file."""
        return tuple(name for entry in self.population.trainers for name in entry.names)

    @property
    def behaviours(self) -> dict[str, str]:
        """The name of each trainer's and evaluator's behaviour, by participant."""
        trainers = {known: e.behaviour.name for e in self.population.trainers for known in e.names}
        evaluators = {e.name: e.behaviour.name for e in self.population.evaluators}
        return trainers | evaluators

    @property
    def evaluator_names(self) -> tuple[str, ...]:
        """Every evaluator, the active one first."""
        return tuple(evaluator.name for evaluator in self.population.evaluators)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each trainer's share of the data, in the order of ``data_owners``; empty where none is given."""
        return tuple(e.share for e in self.population.trainers if e.share is not None for _ in range(e.count))

    @property
    def partition(self) -> NamedEntry:
        """The partition with the trainers' shares, where they are given, as its ``ratios``."""
        entry = self.data.partition
        if not self.shares:
            return entry
        return NamedEntry(name=entry.name, parameters={**entry.parameters, "ratios": list(self.shares)})

    @property
    def capacity(self) -> int:
        """The most members the task takes."""
        return self.task.membership.capacity or len(self.trainer_names)

    @property
    def cohort(self) -> int:
        """The most trainers in one round."""
        return self.task.selection.cohort or len(self.trainer_names)

    @property
    def bond(self) -> int:
        """An evaluator's bond in base units; by default the budget over the rounds, rounded up to a credit."""
        if self.task.membership.bond is not None:
            return parse_tokens(self.task.membership.bond)
        share = Fraction(parse_tokens(self.task.reward.budget), self.task.rounds * CREDIT_UNIT)
        return -(-share.numerator // share.denominator) * CREDIT_UNIT
