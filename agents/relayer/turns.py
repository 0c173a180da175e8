# SPDX-License-Identifier: Apache-2.0
"""Until when somebody waits for a relayer that has taken its message: part of the phase is left for the next one, and for acting itself."""

from __future__ import annotations

from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState

__all__ = ("turn_ends", "window")

_SHARE = 4
_ATTEMPTS = 8
"""In a phase: a message that has not come to the chain is handed in again, to the relayer whose turn it is."""


def window(state: TaskState) -> int:
    """How long the phase under way may last, in seconds."""
    schedule = state.config.schedule
    return {
        Phase.ENROLMENT: schedule.enrolment,
        Phase.TRAINING: schedule.training,
        Phase.REVEAL: schedule.reveal,
        Phase.EVALUATION: schedule.evaluation,
        Phase.AGGREGATION: schedule.aggregation,
    }.get(state.phase, schedule.closing)


def turn_ends(state: TaskState, relayer: int, relayers: int) -> int:
    """When relayer number ``relayer`` of so many has had its time, a timestamp: the last quarter of a phase is nobody's but one's own.

    Each but the first has a quarter too, or less where they are many; the first has all that comes before.
    """
    each = max(1, window(state) // max(_SHARE, relayers + 1))
    return state.deadline - each * (relayers - relayer)


def attempt(state: TaskState, now: int) -> tuple[int, int]:
    """Which attempt of the phase it is, counted from 0, and when the next one begins, a timestamp."""
    each = max(1, window(state) // _ATTEMPTS)
    began = state.deadline - window(state)
    current = max(0, now - began) // each
    return current, began + (current + 1) * each
