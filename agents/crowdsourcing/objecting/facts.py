# SPDX-License-Identifier: Apache-2.0
"""What anybody sees of single updates of a round, and whether a report says the same of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcfl.agents.common.entries import aggregator_of, defence_of
from bcfl.agents.common.gathering import INVALID_SAMPLES, INVALID_WORDS, Fetched, claimed_samples
from bcfl.contracts.crowd_state import CrowdRound
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import Specification
from bcfl.errors import ModelError
from bcfl.models.aggregation.aggregator import PlainMean
from bcfl.models.aggregation.fold import INTEGER_LIMIT
from bcfl.models.defences.bounds import Bounded
from bcfl.models.errors import MalformedUpdate
from bcfl.storage.errors import ContentOversize, FetchError

__all__ = ("Fact", "borne_out", "fact_of", "weighed")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One update: why it cannot be used, or the samples that it claims and its canonical digest.

    ``missing``: it could not be had, which is no proof of anything; its trainer may have taken it away since.
    """

    missing: bool = False
    word: str | None = None
    samples: int = 0
    digest: bytes = b""


def fact_of(found: Fetched, specification: Specification) -> Fact:
    """Of what came when the update was fetched."""
    if isinstance(found, MalformedUpdate | ContentOversize):
        return Fact(word=found.reason)
    if isinstance(found, FetchError):
        return Fact(missing=True)
    weights, metadata = found
    claimed = claimed_samples(metadata, specification.sample_limit)
    if claimed is None:
        return Fact(word=INVALID_SAMPLES)
    return Fact(samples=claimed, digest=weights.digest())


def borne_out(
    specification: Specification,
    record: CrowdRound,
    report: EvaluationReport,
    facts: Mapping[TrainerIndex, Fact],
    start: bytes,
) -> bool:
    """Whether the updates are what the report says, as far as everybody can see."""
    had = {index: fact for index, fact in facts.items() if not fact.missing}
    for index, fact in had.items():
        said = report.rejected.get(index)
        if fact.word != said and (fact.word is not None or said in INVALID_WORDS):
            return False
    defence = defence_of(specification)
    if not isinstance(defence, Bounded):
        return True
    sound = {int(index): fact for index, fact in had.items() if fact.word is None}
    foregone = defence.foregone(
        start,
        {index: fact.digest for index, fact in sound.items()},
        {index: record.updates[TrainerIndex(index)].position for index in sound},
    )
    return all(report.rejected.get(TrainerIndex(index)) == word for index, word in foregone.items())


def weighed(
    specification: Specification,
    record: CrowdRound,
    report: EvaluationReport,
    claims: Mapping[TrainerIndex, int],
) -> bool:
    """Whether the weights of a plain mean are those of the claims that were seen, and of all scores.

    Claims that were not seen are taken to be what the report weighs them with, within the task's limit.
    """
    aggregator = aggregator_of(specification)
    limit = specification.sample_limit
    if not isinstance(aggregator, PlainMean) or not aggregator.exact or limit >= INTEGER_LIMIT:
        return True
    members = sorted(report.weights)
    try:
        integers = aggregator.integer_weights(
            samples=[claims.get(index, report.weights[index]) for index in members],
            scores=[record.scores[index] / SCORE_UNIT for index in members],
        )
    except ModelError:
        return False  # a weight below zero
    bounded = not aggregator.by_samples or all(1 <= report.weights[i] <= limit for i in members)
    return bounded and integers == tuple(report.weights[index] for index in members)
