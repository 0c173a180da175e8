# SPDX-License-Identifier: Apache-2.0
"""Rewards as the contract computes them, to the last unit: for folding events, for audits and as a test oracle."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ("credit", "equal_split", "payout")


def payout(scores: Sequence[int], *, rate: int, round_budget: int, bonus: int, escrow: int) -> int:
    """What a round pays in all: rate · Σs⁺ or its budget, and what joined it, as far as the escrow goes.

    Args:
        scores: int64 in 10⁻⁹; negative ones count as zero.
        rate: 10⁻⁹ token per score of 1.0; used when ``round_budget`` is zero.
        round_budget: 10⁻⁹ token.
        bonus: slashed and forfeited amounts that join what the next round pays.
        escrow: what is left.
    """
    positive = sum(score for score in scores if score > 0)
    if positive == 0:
        return 0
    due = round_budget or rate * positive // 10**9
    return min(due + bonus, escrow)


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
