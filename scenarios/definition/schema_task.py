# SPDX-License-Identifier: Apache-2.0
"""What a scenario says of its task: what is trained, how it is scored and paid, and by when."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bcfl.contracts.specification import LEAST_KEPT
from bcfl.scenarios.definition.schema_fields import Keys, Name, NamedEntry, Seconds, Tokens

__all__ = (
    "Audit",
    "EvaluationKeys",
    "Intake",
    "Membership",
    "Reward",
    "Schedule",
    "Selection",
    "Task",
    "Training",
)


class Training(Keys):
    """Local training; a fresh optimiser every round. ``proximal`` is FedProx's μ, ``clip_norm`` a gradient's longest; 0: none."""

    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    shuffle: bool = True
    optimizer: NamedEntry = NamedEntry(name="sgd")
    schedule: NamedEntry = NamedEntry(name="constant")
    proximal: Annotated[float, Field(ge=0, le=1000)] = 0.0
    clip_norm: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0

    def stated(self) -> dict[str, Any]:
        """As a specification says it: of what was not there from the first, only what is not as it was then."""
        usual = Training()
        later = ("optimizer", "schedule", "proximal", "clip_norm")
        same = {key for key in later if getattr(self, key) == getattr(usual, key)}
        return self.model_dump(exclude=same)


class Selection(Keys):
    """Who trains in a round; ``cohort`` is the number of members drawn, for every rule but ``all``."""

    rule: Literal["all", "random", "first_come", "score_order"] = "all"
    cohort: Annotated[int, Field(ge=1, le=2048)] | None = None


class Reward(Keys):
    """What a round pays: ``rate`` tokens per unit of score while the budget lasts, or ``per_round`` tokens.

    ``timeliness``: the largest share by which a score grows for handing in early.
    """

    mode: Literal["rate", "round_budget"] = "rate"
    rate: Tokens = "1"
    per_round: Tokens | None = None
    budget: Tokens = "100"
    vesting_rounds: Annotated[int, Field(ge=0, le=16)] = 0
    timeliness: Annotated[float, Field(ge=0, le=1)] = 0.0


class EvaluationKeys(Keys):
    """What judging the others pays in a consortium: ``pool`` tokens a round, null a fifth of ``per_round``.

    Who is ``tolerance`` or more away from the settled shares, summed over the others, is paid nothing; null: 0.5.
    """

    pool: Tokens | None = None
    tolerance: Tokens | None = None


class Membership(Keys):
    """Who may join; ``capacity`` null is the number of trainers.

    ``bond``: an evaluator's, null one round's share of the budget; in a consortium every member's, null what a round
    pays a member on average.
    """

    minimum: Annotated[int, Field(ge=1, le=65_536)] = 2
    capacity: Annotated[int, Field(ge=1, le=65_536)] | None = None
    stake: Tokens = "0"
    bond: Tokens | None = None


class Intake(Keys):
    """How updates come in: relayed in batches or direct, committed before they are revealed or not.

    ``rooted``: the relayer posts one Merkle root for a batch and keeps its entries in the store: less gas, and weaker trust.
    ``unique_digests``: whether the contract keeps who committed to a digest first; null: in a crowd of at most 256
    members that is not rooted; elsewhere those who judge see to it.
    """

    relayed: bool = False
    rooted: bool = False
    commit_reveal: bool = True
    unique_digests: bool | None = None
    codec: NamedEntry = NamedEntry(name="none")
    max_update_bytes: Annotated[int, Field(ge=64, le=1 << 30)] = 4 * 1024 * 1024


class Retention(Keys):
    """How many of the newest rounds keep their global model and their updates in everybody's store; null: all."""

    models: Annotated[int, Field(ge=LEAST_KEPT)] | None = None
    updates: Annotated[int, Field(ge=LEAST_KEPT)] | None = None


class Schedule(Keys):
    """The longest each phase may last, in seconds of chain time."""

    enrolment_s: Seconds = 600
    training_s: Seconds = 3600
    reveal_s: Seconds = 600
    evaluation_s: Seconds = 3600
    aggregation_s: Seconds = 600
    closing_s: Seconds = 60


Audit = Literal["public"]
"""``public``: the evaluator opens its validation set at the end, so that anyone can audit the scores."""


def _entry_rule(value: object) -> object:
    return {"rule": value} if isinstance(value, str) else value


class Task(Keys):
    """What is trained, how it is scored and paid, and by when.

    ``target_loss``: the publisher ends the task once a model has it. ``reported_samples``: of the validation set, for an
    update's loss that is only reported. ``genesis``: a file or a CID of the model to start from;
    ``aggregator_role``: the member of a consortium who proposes the model; in a crowd somebody who does nothing else.
    """

    kind: Literal["crowdsourcing", "consortium"] = "crowdsourcing"
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    target_loss: Annotated[float, Field(gt=0)] | None = None
    reported_samples: Annotated[int, Field(ge=0)] | None = None
    network: NamedEntry
    genesis: Annotated[str, Field(min_length=1)] | None = None
    training: Training = Training()
    score: NamedEntry = NamedEntry(name="shapley")
    aggregator: NamedEntry = NamedEntry(name="fedavg")
    server_optimizer: NamedEntry = NamedEntry(name="none")
    aggregator_role: Name | None = None
    defence: NamedEntry = NamedEntry(name="none")
    selection: Annotated[Selection, BeforeValidator(_entry_rule)] = Selection()
    reward: Reward = Reward()
    evaluation: EvaluationKeys = EvaluationKeys()
    membership: Membership = Membership()
    intake: Intake = Intake()
    schedule: Schedule = Schedule()
    retention: Retention = Retention()
    audit: Audit = "public"
