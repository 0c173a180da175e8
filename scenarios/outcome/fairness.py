# SPDX-License-Identifier: Apache-2.0
"""How the honest fared: counted from a run's rounds, and the ratios and ranks that tell equal pay from luck.

Equal work is to be paid alike and more work more: so the least and the best pay are held against the mean, and the ranks
of pay against those of the data (Spearman's correlation; ties have the mean of their ranks).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from bcfl.models.defences.defence import NOT_SELECTED
from bcfl.scenarios.definition.tokens import CREDIT_UNIT
from bcfl.scenarios.outcome.summary import RoundSummary
from bcfl.scenarios.outcome.summary_fairness import Fairness

__all__ = (
    "best_pay",
    "concordance",
    "equal_pay",
    "fairness_of",
    "least_pay",
    "rank_correlation",
    "smallest_pay",
)


def fairness_of(
    rounds: Iterable[RoundSummary],
    *,
    revealed: Mapping[int, Collection[str]],
    earned: Mapping[str, int],
    samples: Mapping[str, int],
) -> Fairness:
    """How the trainers in ``earned`` fared, who are the honest ones.

    Args:
        rounds: that ended.
        revealed: whose update was revealed, by round.
        earned: credits of each honest trainer that it could keep.
        samples: of each, where known.
    """
    handed_in = [(done, name) for done in rounds for name in revealed[done.round] if name in earned]
    refused = [
        (done, name) for done, name in handed_in if done.rejected.get(name, NOT_SELECTED) != NOT_SELECTED
    ]
    return Fairness(
        updates=len(handed_in),
        refused=len(refused),
        first_updates=sum(done.round == 1 for done, _ in handed_in),
        first_refused=sum(done.round == 1 for done, _ in refused),
        suspended=len({name for done in rounds for name in done.suspended if name in earned}),
        pay={name: str(credits_ * CREDIT_UNIT) for name, credits_ in earned.items()},
        samples={name: samples[name] for name in earned if name in samples},
    )


def least_pay(found: Fairness) -> float | None:
    """The least pay over the mean; None where nobody was paid."""
    ratios = _ratios(found)
    return min(ratios.values()) if ratios else None


def best_pay(found: Fairness) -> float | None:
    """The best pay over the mean; None where nobody was paid."""
    ratios = _ratios(found)
    return max(ratios.values()) if ratios else None


def equal_pay(found: Fairness) -> float | None:
    """The worst best ÷ least pay among trainers with equally many samples; None where no two have."""
    ratios = _ratios(found)
    groups: dict[int, list[float]] = {}
    for name, ratio in ratios.items():
        groups.setdefault(found.samples.get(name, -1), []).append(ratio)
    worst = [
        max(paid) / min(paid) if min(paid) else float("inf")
        for size, paid in groups.items()
        if len(paid) > 1 and size >= 0
    ]
    return max(worst) if worst else None


def smallest_pay(found: Fairness) -> float | None:
    """What those with the fewest samples were paid together, in base units; None where all have equally many."""
    if len(set(found.samples.values())) < 2 or found.samples.keys() != found.pay.keys():
        return None
    least = min(found.samples.values())
    return float(sum(int(found.pay[name]) for name, size in found.samples.items() if size == least))


def rank_correlation(found: Fairness) -> float | None:
    """Spearman's ρ of pay and samples, −1 to 1; None where all have equally many or are paid alike."""
    names = sorted(found.samples)
    pay = _ranks([int(found.pay[name]) for name in names])
    sizes = _ranks([found.samples[name] for name in names])
    if len(names) < 2 or not np.ptp(pay) or not np.ptp(sizes):
        return None
    return float(np.corrcoef(pay, sizes)[0, 1])


def concordance(pay: Mapping[str, int], worth: Mapping[str, float]) -> float | None:
    """Goodman and Kruskal's γ (1954) over the names in ``worth``, −1 to 1: of the pairs that differ in both, how many agree.

    None where no pair does. Unlike Spearman's ρ it can be 1 where some are worth the same.
    """
    signs = [
        (pay[one] > pay[other]) - (pay[one] < pay[other])
        for one in worth
        for other in worth
        if worth[one] > worth[other]
    ]
    told = sum(map(abs, signs))
    return sum(signs) / told if told else None


def _ratios(found: Fairness) -> dict[str, float]:
    total = sum(map(int, found.pay.values()))
    return {name: int(paid) * len(found.pay) / total for name, paid in found.pay.items()} if total else {}


def _ranks(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    # Amounts in base units do not fit into 64 bits, so they are compared as they are.
    return np.array(
        [sum(other < one for other in values) + sum(other == one for other in values) / 2 for one in values]
    )
