# SPDX-License-Identifier: Apache-2.0
"""What a call may cost beyond a node's estimate: who turns out to come last in a phase pays for what follows.

The estimate is of the state before the call; by the time it is included others may have acted, in the same block too. The
numbers are above what ``contracts/test/Cap.t.sol`` and ``Gas.t.sol`` measure; gas that is not used is not paid.
"""

from __future__ import annotations

from bcfl.contracts.phases import Selection
from bcfl.contracts.state import TaskState

__all__ = ("after_the_last_act", "after_the_round")

_WORD = 256
_PHASE = 20_000
_PHASE_A_WORD = 8_000
_ROUND = 200_000
_ROUND_A_WORD = 35_000
_DRAWN = 700
_ELIGIBLE = 60


def _words(state: TaskState) -> int:
    return len(state.members) // _WORD + 1


def after_the_last_act(state: TaskState) -> int:
    """Gas for the phase that the last commitment or opening begins, and for asking whether objections could prevail."""
    return _PHASE + _PHASE_A_WORD * _words(state)


def after_the_round(state: TaskState) -> int:
    """Gas for ending a round, by an upheld objection too, and beginning the next: suspensions end, a cohort is drawn."""
    gas = _ROUND + _ROUND_A_WORD * _words(state)
    if state.config.selection is not Selection.ALL:
        gas += _DRAWN * state.config.cohort_size + _ELIGIBLE * len(state.members)
    return gas
