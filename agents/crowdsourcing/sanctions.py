# SPDX-License-Identifier: Apache-2.0
"""From a defence's faults to the contract's sanctions, and which of these it would carry out.

It skips what exceeds its limits, and the next cohort depends on that. All together must fit the transaction that also
credits and begins the next round; who does not get its sanction now is judged again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Reason
from bcfl.models.defences.defence import Fault, Verdict

__all__ = ("FAULTS", "REASONS", "applicable", "intended")

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

_GAS = 2_000_000
"""For sanctions, beside the dearest evaluation that ``contracts/test/Cap.t.sol`` measures."""
_ONE_GAS = 8_000
_WORD_GAS = 45_000
"""Of the first among 256 members."""

Intended = tuple[TrainerIndex, int, int]
"""Index, rounds (0 ejects) and reason code."""


def intended(verdict: Verdict) -> tuple[tuple[TrainerIndex, int, Reason], ...]:
    """What a defence would have done: index, rounds (0 ejects) and why, ejections first."""
    ejected = [(TrainerIndex(index), 0, REASONS[fault]) for index, fault in sorted(verdict.eject.items())]
    suspended = [
        (TrainerIndex(index), rounds, REASONS[fault])
        for index, (rounds, fault) in sorted(verdict.suspend.items())
    ]
    return (*ejected, *suspended)


def applicable(state: CrowdState, wanted: Sequence[Intended]) -> tuple[Intended, ...]:
    """Those of the intended sanctions that ``Sanctions._sanction`` carries out, ejections first as there.

    Ejection: of the suspended alone, a quarter of the active members at most. Neither may leave fewer members than the
    task's minimum, for suspensions not counting those who are suspended already. As many as a transaction holds.
    """
    active = set(state.active_members)
    out = {index for index in active if state.members[index].suspended}
    quota = len(active) // 4
    taken: list[Intended] = []
    for sanction in (s for s in wanted if s[1] == 0):
        index = sanction[0]
        if index in out and quota and len(active) > state.config.min_trainers:
            quota -= 1
            active.discard(index)
            out.discard(index)
            taken.append(sanction)
    for sanction in (s for s in wanted if s[1] != 0):
        index = sanction[0]
        if index in active and index not in out and len(active) - len(out) > state.config.min_trainers:
            out.add(index)
            taken.append(sanction)
    return _affordable(taken)


def _affordable(taken: Sequence[Intended]) -> tuple[Intended, ...]:
    words: set[int] = set()
    for count, (index, _, _) in enumerate(taken, start=1):
        words.add(index >> 8)
        if count * _ONE_GAS + len(words) * _WORD_GAS > _GAS:
            return tuple(taken[: count - 1])
    return tuple(taken)
