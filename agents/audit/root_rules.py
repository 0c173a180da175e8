# SPDX-License-Identifier: Apache-2.0
"""What a rooted task could not have said in a given state: of roots, their members, and what their lists say. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.contracts import events as e
from bcfl.contracts.state import RoundRecord, TaskState

__all__ = ("from_list", "list_rules", "root_rules")


def root_rules(
    state: TaskState, record: RoundRecord, event: e.RootCommitted | e.RootRevealed
) -> Iterator[str]:
    """Why the contract cannot have said it."""
    if not state.config.rooted:
        yield "the task has no rooter"
    if not event.members:
        yield "it is of nobody"
    if isinstance(event, e.RootCommitted):
        if event.batch != record.next_batch:
            yield f"batch {event.batch} does not follow the batches before it"
        if event.first_position != len(record.commitments):
            yield f"position {event.first_position} does not follow those before it"
        cannot = [i for i in event.members if i in record.commitments or i not in record.cohort]
        yield from (f"member {index} cannot commit" for index in cannot)
        return
    rooted = record.roots.get(event.batch)
    if rooted is None:
        yield f"batch {event.batch} is no root"
        return
    cannot = [index for index in event.members if index in record.updates or index not in rooted.members]
    yield from (f"member {index} cannot open by batch {event.batch}" for index in cannot)


def from_list(record: RoundRecord, event: e.UpdatesCommitted | e.UpdateSubmitted) -> bool:
    """Whether a list says it, of a root that the chain has said."""
    if isinstance(event, e.UpdatesCommitted):
        return event.batch in record.roots and event.batch not in record.batches
    update = record.updates.get(event.index)
    return update is not None and not update.known


def list_rules(record: RoundRecord, event: e.UpdatesCommitted | e.UpdateSubmitted) -> Iterator[str]:
    """Why the root's list cannot have said it."""
    if isinstance(event, e.UpdateSubmitted):
        if event.position != record.updates[event.index].position:
            yield f"member {event.index} cannot open an update at position {event.position}"
    elif tuple(index for index, _ in event.entries) != record.roots[event.batch].members:
        yield f"its members are not those of the root of batch {event.batch}"
