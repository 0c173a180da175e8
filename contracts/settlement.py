# SPDX-License-Identifier: Apache-2.0
"""Rewards as the contracts compute them, to the last unit: for folding events, for audits and as a test oracle.

A crowd's evaluator gives the scores; a consortium settles them from its members' vectors. What both do with scores
and a round's budget is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT

__all__ = (
    "FRACTION_UNIT",
    "Settled",
    "carried",
    "credit",
    "equal_split",
    "evaluation_pays",
    "majority_probe",
    "payout",
    "settle",
    "withheld",
)

FRACTION_UNIT = 10**18
"""A settled fraction of 1 in integers."""


def payout(scores: Sequence[int], *, rate: int, round_budget: int, bonus: int, escrow: int) -> int:
    """What a round pays in all: rate · Σs⁺ or its budget, and of what joined it at most as much again, as far as the escrow goes.

    Else a round in which hardly anything is learnt, where chance decides who is ahead, would share out by its scores what
    somebody had forfeited of a round that paid much.

    Args:
        scores: int64 in 10⁻⁹; negative ones count as zero.
        rate: 10⁻⁹ token per score of 1.0; used when ``round_budget`` is zero.
        round_budget: 10⁻⁹ token.
        bonus: slashed and forfeited amounts that join what the next rounds pay.
        escrow: what is left.
    """
    positive = sum(score for score in scores if score > 0)
    if positive == 0:
        return 0
    due = round_budget or rate * positive // SCORE_UNIT
    return min(due + min(bonus, due), escrow)


def carried(bonus: int, *, paid: int, escrow: int) -> int:
    """What of ``bonus`` waits for later rounds after one that paid ``paid`` of ``escrow``: at most half of it was bonus."""
    return min(bonus - min(bonus, paid // 2), escrow - paid)


def credit(scores: Sequence[int], total: int) -> tuple[int, ...]:
    """⌊total·sᵢ⁺/Σs⁺⌋ each; the remainder goes to the highest score, lowest place."""
    positive = [max(score, 0) for score in scores]
    whole = sum(positive)
    if whole == 0:
        return (0,) * len(positive)
    shares = [total * score // whole for score in positive]
    shares[positive.index(max(positive))] += total - sum(shares)
    return tuple(shares)


def equal_split(total: int, count: int) -> tuple[int, ...]:
    """Equal parts for ``count`` revealers; the remainder goes to the first."""
    if count == 0:
        return ()
    shares = [total // count] * count
    shares[0] += total % count
    return tuple(shares)


def withheld(
    shares: Mapping[TrainerIndex, int], forfeiters: Collection[TrainerIndex]
) -> dict[TrainerIndex, int]:
    """The shares, those of forfeiters zero: what would have been theirs stays in the escrow."""
    return {index: 0 if index in forfeiters else share for index, share in shares.items()}


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What a consortium's vectors come to."""

    fractions: Mapping[TrainerIndex, int]
    """By target: its part of the round, of ``FRACTION_UNIT``; all zero where no judge gave anything."""
    distances: Mapping[TrainerIndex, int]
    """By judge: how far its scaled scores are from the settled ones in all, of ``FRACTION_UNIT``."""

    @property
    def scores(self) -> dict[TrainerIndex, int]:
        """By target: the settled score in 10⁻⁹, as the contract says it."""
        return {index: part // (FRACTION_UNIT // SCORE_UNIT) for index, part in self.fractions.items()}


def settle(
    targets: Sequence[TrainerIndex],
    vectors: Mapping[TrainerIndex, Mapping[TrainerIndex, int]],
    *,
    passes: int = 3,
) -> Settled:
    """The fractions that judges' scores agree on: per target the median of those judging it.

    Nobody judges itself, so the sum that a judge divides among the others depends on its own part. Judge ``i``'s vector
    is scaled to 1 − pᵢ, and ``p`` comes out of the medians again: with true shares 4 : 1 : 1 one pass gives 2.3 : 1 : 1,
    three give 3.6 : 1 : 1. The median tolerates ⌊(m−1)/2⌋ arbitrary ones of m vectors.

    Args:
        targets: whose updates are scored, ascending.
        vectors: by judge, its int64 scores of all targets but itself; negative ones count as zero.
        passes: the contract's number; others only show what they are for.
    """
    shares = {judge: _shares(vector) for judge, vector in vectors.items()}
    fractions = dict.fromkeys(targets, 0)
    for _ in range(passes):
        values = _scaled(shares, fractions)
        medians = {
            target: _median([given[target] for given in values.values() if target in given])
            for target in targets
        }
        whole = sum(medians.values())
        fractions = {
            target: median * FRACTION_UNIT // whole if whole else 0 for target, median in medians.items()
        }
    distances = {
        judge: sum(abs(value - fractions[target]) for target, value in given.items())
        for judge, given in _scaled(shares, fractions).items()
    }
    return Settled(fractions=fractions, distances=distances)


def _shares(vector: Mapping[TrainerIndex, int]) -> dict[TrainerIndex, int]:
    """Parts of ``SCORE_UNIT``, all zero where no score is positive."""
    whole = sum(score for score in vector.values() if score > 0)
    return {target: max(score, 0) * SCORE_UNIT // whole if whole else 0 for target, score in vector.items()}


def _scaled(
    shares: Mapping[TrainerIndex, Mapping[TrainerIndex, int]], fractions: Mapping[TrainerIndex, int]
) -> dict[TrainerIndex, dict[TrainerIndex, int]]:
    """Each judge's shares of what is left for the others; one that is no target leaves all of it."""
    return {
        judge: {
            target: share * (FRACTION_UNIT - fractions.get(judge, 0)) // SCORE_UNIT
            for target, share in given.items()
        }
        for judge, given in shares.items()
    }


def _median(values: Sequence[int]) -> int:
    """The middle value, of two the floor of their mean; of none zero."""
    if not values:
        return 0
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2


def majority_probe(probes: Mapping[TrainerIndex, bytes]) -> bytes | None:
    """The digest that more than half of the judges have, None where there is none."""
    digests = list(probes.values())
    return next((digest for digest in digests if 2 * digests.count(digest) > len(digests)), None)


def evaluation_pays(
    settled: Settled,
    probes: Mapping[TrainerIndex, bytes],
    *,
    pool: int,
    cohort: int,
    tolerance: int,
    escrow: int,
) -> dict[TrainerIndex, int]:
    """What judges are paid: ⌊pool/n⌋ · (1 − distance/τ), nothing beyond τ or beside the majority's probe.

    Args:
        settled: the round's.
        probes: by judge who opened.
        pool: for all evaluators of a round, 10⁻⁹ token; what is not earned of it stays in the escrow.
        cohort: how many members the round has, judges or not.
        tolerance: τ in 10⁻⁹, above zero.
        escrow: what is left after the round's payout; judges are paid in index order as far as it goes.
    """
    reach = tolerance * (FRACTION_UNIT // SCORE_UNIT)
    agreed = majority_probe(probes)
    pays = {}
    for judge in sorted(probes):
        distance = settled.distances[judge]
        due = pool // cohort * (reach - distance) // reach if probes[judge] == agreed else 0
        pays[judge] = min(max(due, 0), escrow)
        escrow -= pays[judge]
    return pays
