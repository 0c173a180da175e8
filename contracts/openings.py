# SPDX-License-Identifier: Apache-2.0
"""How one commitment is opened, in any kind of task: among the entries of its batch, or by its proof."""

from __future__ import annotations

from bcfl.contracts import calls
from bcfl.contracts.calls import Call, Opening
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.state import TaskState

__all__ = ("open_one",)


def open_one(state: TaskState, index: TrainerIndex, content: ContentId, salt: bytes) -> Call:
    """The call that opens a member's commitment of the round under way, whose batch's entries are known; anybody may send it.

    Raises:
        KeyError: it has not committed, or in a list that cannot be had.
    """
    record = state.current
    entry = record.commitments[index]
    entries = record.batches[entry.batch]
    opening = Opening(place=entry.place, content=content, salt=salt)
    if state.config.rooted:
        return calls.reveal_proven(
            state.address,
            round_number=state.round,
            batch=entry.batch,
            rooted=record.roots.get(entry.batch),
            entries=entries,
            index=index,
            opening=opening,
        )
    return calls.reveal(
        state.address, round_number=state.round, batch=entry.batch, entries=entries, openings=[opening]
    )
