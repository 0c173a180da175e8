# SPDX-License-Identifier: Apache-2.0
"""The lists behind a task's roots, fetched and checked again: whom a rooter marked without a signature shows nowhere else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bcfl.agents.audit.finding import Finding
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.roots.root_lists import Rooted, RootLists
from bcfl.contracts import events as e
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.fold import first_state
from bcfl.contracts.root_lists import without_lists
from bcfl.contracts.state import TaskState
from bcfl.errors import ContractError
from bcfl.storage.content_id import cid_text

__all__ = ("listed",)


async def listed(
    events: Sequence[e.Event], retrieval: Retrieval, *, chain_id: int
) -> tuple[list[e.Event], list[Finding]]:
    """A task's events with what its lists say now, and each list that is missing, wrong, or not what the log says of it.

    Args:
        events: of the task, its creation first; what lists said is among them where its run had them.
        retrieval: from the store.
        chain_id: of the chain.
    """
    findings: list[Finding] = []

    def lacking(state: TaskState, event: Rooted, reason: str) -> None:
        findings.append(
            Finding(
                round=event.round,
                subject=type(event).__name__,
                message=f"the rooter {state.config.rooter} names the list {cid_text(event.listing)}, and {reason}: "
                f"what {len(event.members)} members handed in cannot be told",
                event=event,
            )
        )

    said = without_lists(events)
    created = next(event for event in events if isinstance(event, e.TaskCreated))
    own = [event for event in said if event.origin.address == created.task]
    try:
        told = await RootLists(retrieval, chain_id=chain_id, lacking=lacking).told(first_state(created), own)
    except (ContractError, LookupError):
        return list(events), findings  # said when they are followed, one by one
    logged, found = _by_root(events), _by_root(told)
    lists: list[e.Event] = []
    for event in said:
        lists.append(event)
        if isinstance(event, Rooted):
            before, now = logged[event.origin], found[event.origin]
            if before and now and before != now:
                message = f"the log has other entries than the list {cid_text(event.listing)}"
                findings.append(
                    Finding(round=event.round, subject=type(event).__name__, message=message, event=event)
                )
            lists += now or before
    return lists, findings


def _by_root(events: Sequence[e.Event]) -> dict[EventOrigin, list[e.Event]]:
    """What lists say, by their root's origin."""
    entries: dict[EventOrigin, list[e.Event]] = defaultdict(list)
    chain = {id(event) for event in without_lists(events)}
    for event in events:
        if id(event) not in chain:
            entries[event.origin].append(event)
    return entries
