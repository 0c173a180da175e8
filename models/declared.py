# SPDX-License-Identifier: Apache-2.0
"""What an entry may say of itself beside its port, and what is taken where it does not: class variables or properties."""

from __future__ import annotations

__all__ = ("compares_once", "follows_scores", "is_private", "is_stateless", "largest_round", "vocabulary")


def is_stateless(defence: object) -> bool:
    """``stateless``: the defence ignores its memory, so no earlier round is judged anew to make it. Else False."""
    return bool(getattr(defence, "stateless", False))


def largest_round(score: object) -> int | None:
    """``largest_round``: how many members of a round the score can be computed for at most. Else any number."""
    limit: int | None = getattr(score, "largest_round", None)
    return limit


def is_private(aggregator: object) -> bool:
    """``private``: the aggregator asks for the evaluator's own samples, so that members who have none in common cannot agree on
    its model. Else False.
    """
    return bool(getattr(aggregator, "private", False))


def compares_once(aggregator: object) -> bool:
    """``compares_once``: all that a private aggregator asks is which of two models, the first or the second, has the lower loss,
    so that whoever repeats it can try both. Else False.
    """
    return bool(getattr(aggregator, "compares_once", False))


def follows_scores(aggregator: object) -> bool:
    """``follows_scores``: the weights depend on the scores that are posted. Else True."""
    return bool(getattr(aggregator, "follows_scores", True))


def vocabulary(network: object) -> int | None:
    """``vocabulary``: the network maps sequences of tokens, int64 from 0 to below it. Else it takes numbers."""
    size: int | None = getattr(network, "vocabulary", None)
    return size
