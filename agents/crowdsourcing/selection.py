# SPDX-License-Identifier: Apache-2.0
"""The evaluator's ranking of the next cohort, for tasks that select by score (``Selection.SCORE_ORDER``)."""

from __future__ import annotations

from collections.abc import Collection

from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import TrainerIndex

__all__ = ("rank",)


def rank(
    state: CrowdState, scores: dict[TrainerIndex, int], sanctioned: Collection[TrainerIndex]
) -> tuple[TrainerIndex, ...]:
    """The next cohort, ascending: the highest latest scores among the eligible, lowest index first on a tie.

    A member without a score yet comes before all others: everybody gets a first chance.

    Args:
        state: the task in its Evaluation phase.
        scores: this round's, 10⁻⁹ units.
        sanctioned: whom the same transaction suspends or ejects.
    """
    latest, members = dict(scores), set(state.active_members)
    for number in sorted(state.rounds, reverse=True):  # the old ones are on disk
        if latest.keys() >= members:
            break
        latest = {**state.rounds[number].scores, **latest}
    eligible = [index for index in state.active_members if _free(state, index) and index not in sanctioned]
    unscored_first = sorted(eligible, key=lambda index: (index in latest, -latest.get(index, 0), index))
    return tuple(sorted(unscored_first[: state.config.cohort_size]))


def _free(state: CrowdState, index: TrainerIndex) -> bool:
    """Not suspended, or paroled when the next round begins."""
    until = state.members[index].suspended_until
    return until is None or until <= state.round + 1
