# SPDX-License-Identifier: Apache-2.0
"""What a scenario says: every key with its type, range and default (``template.yaml`` shows them to a reader).

The models are frozen and refuse keys they do not know. Rules that span several keys, and the named entries, are
checked in ``scenarios.rules``; ``scenarios.loading`` turns every refusal into one sentence.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bcfl.contracts.phases import Kind
from bcfl.scenarios.definition.schema_fields import NAME_PATTERN, Keys, Name, NamedEntry
from bcfl.scenarios.definition.schema_population import (
    BehaviourPlan,
    Evaluator,
    Population,
    PrivacyKeys,
    Trainers,
    Vote,
)
from bcfl.scenarios.definition.schema_task import (
    Audit,
    EvaluationKeys,
    Intake,
    Membership,
    Reward,
    Schedule,
    Selection,
    Task,
    Training,
)
from bcfl.scenarios.definition.tokens import CREDIT_UNIT, parse_tokens
from bcfl.urls import web_socket_url

__all__ = (
    "ENTRY_KINDS",
    "NAME_PATTERN",
    "Audit",
    "Baseline",
    "BehaviourPlan",
    "Chain",
    "Compute",
    "Data",
    "EvaluationKeys",
    "Evaluator",
    "Intake",
    "Membership",
    "NamedEntry",
    "Population",
    "PrivacyKeys",
    "Reward",
    "Scenario",
    "Schedule",
    "Selection",
    "Storage",
    "Task",
    "Trainers",
    "Training",
    "Validation",
    "Vote",
)

ENTRY_KINDS: dict[tuple[str, ...], str] = {
    ("task", "network"): "network",
    ("task", "training", "optimizer"): "optimizer",
    ("task", "training", "schedule"): "schedule",
    ("task", "score"): "score",
    ("task", "aggregator"): "aggregator",
    ("task", "server_optimizer"): "server_optimizer",
    ("task", "defence"): "defence",
    ("task", "intake", "codec"): "codec",
    ("data", "dataset"): "dataset",
    ("data", "partition"): "partition",
}
"""The keys that name an entry of the registry, with the entry's kind."""

_KINDS = {"crowdsourcing": Kind.CROWDSOURCING, "consortium": Kind.CONSORTIUM}
_HELD_OUT = 0.2
_TOLERANCE = "0.5"
_JUDGING = 5  # judging all others is paid a fifth of what training is
_OWNED = 256
"""Members up to which a crowd's contract keeps whose digest it is."""


class Validation(Keys):
    """The evaluator's data: the test split, or its first ``samples``.

    In a consortium each member judges on a ``share`` of its own part, which it does not train on; null: 0.2.
    """

    samples: Annotated[int, Field(ge=1)] | None = None
    share: Annotated[float, Field(gt=0, lt=1)] | None = None


class Data(Keys):
    """Which data, and how the trainers share them."""

    dataset: NamedEntry
    partition: NamedEntry = NamedEntry(name="equal")
    validation: Validation = Validation()


class Storage(Keys):
    """Where models live; ``url`` is the address of a Kubo node's API."""

    kind: Literal["memory", "directory", "kubo"] = "directory"
    url: Annotated[str, Field(min_length=1)] | None = None


class Chain(Keys):
    """Which node: null ``url`` starts a devnet, driven by a clock of its own when ``block_time`` is null too."""

    url: Annotated[str, AfterValidator(web_socket_url)] | None = None
    confirmations: Annotated[int, Field(ge=0, le=255)] = 0
    block_time: Annotated[float, Field(gt=0, le=3600)] | None = None
    funder: Annotated[str, Field(min_length=1)] | None = None

    @property
    def driven(self) -> bool:
        """Whether the run moves its devnet's time itself."""
        return self.url is None and self.block_time is None


class Compute(Keys):
    """Where and by what training runs; null ``workers`` is one a core. No result depends on it but for ``kernel``."""

    executor: Literal["auto", "threads", "processes"] = "auto"
    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    kernel: Literal["auto", "torch", "lanes"] = "auto"

    @property
    def chosen_kernel(self) -> Literal["torch", "lanes"]:
        """Torch where nothing was chosen, as for a task among strangers."""
        return "torch" if self.kernel == "auto" else self.kernel

    @property
    def chosen_executor(self) -> Literal["threads", "processes"]:
        """Threads for the kernel that leaves Python alone while it works, processes for torch."""
        if self.executor != "auto":
            return self.executor
        return "threads" if self.kernel == "lanes" else "processes"


Baseline = Literal["alone", "pooled"]
"""What a consortium is compared with: each member's own training, and one training on the data of all."""


class Scenario(Keys):
    """One experiment, complete: with the same seed it gives the same scores, digests and events."""

    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    task: Task
    data: Data
    population: Population
    baselines: Annotated[tuple[Baseline, ...], Field(strict=False)] = ()
    storage: Storage = Storage()
    chain: Chain = Chain()
    compute: Compute = Compute()

    def as_written(self) -> Scenario:
        """Of a run that has begun: it writes down what its kernel is, and before there was a choice it was torch."""
        if self.compute.kernel != "auto":
            return self
        compute = self.compute.model_copy(update={"kernel": "torch"})
        return self.model_copy(update={"compute": compute})

    @property
    def kind(self) -> Kind:
        """Who scores: a crowd's evaluator, or the members of a consortium each other."""
        return _KINDS[self.task.kind]

    @property
    def trainer_names(self) -> tuple[str, ...]:
        """Every trainer who takes part, in the order of the file."""
        return tuple(name for entry in self.population.present for name in entry.names)

    @property
    def founder_names(self) -> tuple[str, ...]:
        """A consortium's founding members, in the order of the file."""
        return tuple(name for entry in self.population.present if entry.founder for name in entry.names)

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
    def aggregator_name(self) -> str | None:
        """Who builds a crowd's models, where it is not the evaluator; in a consortium nobody but members."""
        return self.task.aggregator_role if self.kind is Kind.CROWDSOURCING else None

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
        """An evaluator's or a consortium member's bond in base units, rounded up to a credit.

        An evaluator decides about a whole round, so it stands for what a round may pay. A member is one judge of
        many and loses its own reward of the round too: it stands for what a round pays a member on average.
        """
        if self.task.membership.bond is not None:
            return parse_tokens(self.task.membership.bond)
        if self.kind is Kind.CONSORTIUM:
            of_round = parse_tokens(self.task.reward.per_round or "0") + self.evaluation_pool
            share = Fraction(of_round, len(self.trainer_names) * CREDIT_UNIT)
        else:
            share = Fraction(parse_tokens(self.task.reward.budget), self.task.rounds * CREDIT_UNIT)
        return -(-share.numerator // share.denominator) * CREDIT_UNIT

    @property
    def evaluation_pool(self) -> int:
        """What a consortium's round pays for judging, all members together, in base units."""
        if self.task.evaluation.pool is not None:
            return parse_tokens(self.task.evaluation.pool)
        if self.kind is not Kind.CONSORTIUM:
            return 0
        per_round = parse_tokens(self.task.reward.per_round or "0")
        return per_round // (_JUDGING * CREDIT_UNIT) * CREDIT_UNIT

    @property
    def unique_digests(self) -> bool:
        """Whether the contract keeps who committed to a digest first."""
        intake = self.task.intake
        if intake.unique_digests is not None:
            return intake.unique_digests
        few = self.capacity <= _OWNED  # a digest's slot costs its trainer 22,000 gas
        return self.kind is Kind.CROWDSOURCING and not intake.rooted and few

    @property
    def tolerance(self) -> int:
        """How far a judge may be from the settled shares before it is paid nothing, in 10⁻⁹."""
        if self.kind is not Kind.CONSORTIUM:
            return 0
        return parse_tokens(self.task.evaluation.tolerance or _TOLERANCE) // CREDIT_UNIT

    @property
    def held_out(self) -> float:
        """The share of its data that a member of a consortium keeps to judge on."""
        return self.data.validation.share or _HELD_OUT
