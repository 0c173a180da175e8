# SPDX-License-Identifier: Apache-2.0
"""What a summary says of a consortium: how its members agreed in a round, and what each gave and got."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from bcfl.scenarios.outcome.summary_fields import FIELDS, BaseUnits, Measured

__all__ = ("MemberSummary", "Performance", "RoundAgreement")


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = FIELDS


class RoundAgreement(_Model):
    """How a consortium came to a round's scores and model; every mapping is by member.

    Attributes:
        settled: the members' scores settled; else too few judged, and the round's pay was split equally.
        evaluation_tokens: what judges were credited, in base units; not in ``RoundSummary.tokens``.
        judged_loss: the mean loss of the model that the round began with, on each judge's own samples.
        judged_accuracy: the same model's accuracy there.
        not_judged: who was to judge and committed to no scores.
        not_opened: who committed to scores and did not open them.
        votes: the content id of the next model as each member computed it.
        not_voted: who was to vote and did not.
        model: what was agreed on; null where it was not, and the model was kept.
        weights: the integer weight of each update in it.
    """

    settled: bool
    evaluation_tokens: dict[str, BaseUnits] = {}
    judged_loss: dict[str, Measured] = {}
    judged_accuracy: dict[str, Measured] = {}
    not_judged: tuple[str, ...] = ()
    not_opened: tuple[str, ...] = ()
    votes: dict[str, str] = {}
    not_voted: tuple[str, ...] = ()
    model: str | None = None
    weights: dict[str, int] = {}


class Performance(_Model):
    """A model on ``samples`` samples; ``auroc`` is null where all of them are of one class."""

    accuracy: Measured
    auroc: Measured
    loss: Measured
    samples: int


class MemberSummary(_Model):
    """One member of a consortium: what it gave, what it got.

    Attributes:
        training_tokens: credited for its updates, in base units.
        judging_tokens: credited for judging the others.
        contribution: its part of all settled scores, 0 to 1; null where nothing was settled.
        samples: what it trained on.
        held_out: what it judged the others on.
        judge: ``honest``, or what the scenario calls its misbehaviour as a judge.
        flipped: the share of its labels that the scenario replaced.
        own_test: the measures below are on the test samples of its own owners (its own patients); else on all.
        alone: the model of its own training.
        pooled: one model of everybody's data in one place.
        federated: the final model.
        alone_on_all: its own model on all test samples.
    """

    training_tokens: BaseUnits = "0"
    judging_tokens: BaseUnits = "0"
    contribution: float | None = None
    samples: int
    held_out: int
    judge: str = "honest"
    flipped: float = 0.0
    own_test: bool = False
    alone: Performance | None = None
    pooled: Performance | None = None
    federated: Performance | None = None
    alone_on_all: Performance | None = None
