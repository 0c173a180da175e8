# SPDX-License-Identifier: Apache-2.0
"""From a defence's faults to the contract's sanctions, and which of these it would carry out.

It skips what exceeds its limits, and the next cohort depends on that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Reason
from bcfl.contracts.state import TaskState
from bcfl.models.defences.defence import Fault

__all__ = ("FAULTS", "REASONS", "applicable")

REASONS = {
    Fault.INVALID: Reason.INVALID_UPDATE,
    Fault.UNAVAILABLE: Reason.UNAVAILABLE,
    Fault.NO_NEW_WORK: Reason.NO_NEW_WORK,
    Fault.COPIED: Reason.COPIED,
    Fault.HARMFUL: Reason.HARMFUL,
    Fault.ABSENT: Reason.NOT_REVEALED,
}
"""What the contract calls each fault."""
FAULTS: Mapping[int, Fault] = {int(reason): fault for fault, reason in REASONS.items()}
"""By the contract's code."""

Intended = tuple[TrainerIndex, int, int]
"""Index, rounds (0 ejects) and reason code."""


def applicable(state: TaskState, intended: Sequence[Intended]) -> tuple[Intended, ...]:
    """Those of the intended sanctions that ``Membership._sanction`` carries out, ejections first as there.

    Ejection: of the suspended alone, a quarter of the active members at most. Neither may leave fewer members than the
    task's minimum, for suspensions not counting those who are suspended already.
    """
    active = set(state.active_members)
    out = {index for index in active if state.is_suspended(index)}
    quota = len(active) // 4
    taken: list[Intended] = []
    for sanction in (s for s in intended if s[1] == 0):
        index = sanction[0]
        if index in out and quota and len(active) > state.config.min_trainers:
            quota -= 1
            active.discard(index)
            out.discard(index)
            taken.append(sanction)
    for sanction in (s for s in intended if s[1] != 0):
        index = sanction[0]
        if index in active and index not in out and len(active) - len(out) > state.config.min_trainers:
            out.add(index)
            taken.append(sanction)
    return tuple(taken)
