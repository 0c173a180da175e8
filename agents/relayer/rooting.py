# SPDX-License-Identifier: Apache-2.0
"""What a relayer brings in a task whose rooter it is: lists go into the store, and their roots to the chain. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bcfl.agents.relayer.intake import Opened
from bcfl.agents.runtime.actions import Results, Work
from bcfl.contracts import calls
from bcfl.contracts.calls import Call
from bcfl.contracts.ids import ContentId
from bcfl.contracts.merkle import tree_of
from bcfl.contracts.messages import CommitMessage, OpeningMessage
from bcfl.contracts.openings import open_one
from bcfl.contracts.root_lists import packed_commitments, packed_entries, packed_openings
from bcfl.contracts.state import TaskState
from bcfl.storage.content_id import content_id

__all__ = ("Brought", "KeepList", "committing", "opening")


@dataclass(frozen=True, kw_only=True)
class KeepList(Work[ContentId]):
    """Put a list into the store, before its root is posted."""

    content: ContentId
    listing: bytes = field(compare=False, repr=False)


Brought = KeepList | tuple[Call, int]
"""What has to be done first, or a call and how many messages it brings."""


def committing(state: TaskState, batch: Sequence[CommitMessage], results: Results) -> Iterator[Brought]:
    """The root of a batch, once its list is in the store."""
    keep = _list(state, packed_commitments(batch))
    yield keep
    if keep in results:
        root = tree_of(packed_entries(keep.listing)).root
        members = [message.index for message in batch]
        call = calls.commit_root(
            state.address, round_number=state.round, root=root, listing=keep.content, members=members
        )
        yield call, len(batch)


def opening(state: TaskState, batch: Sequence[Opened], results: Results) -> Iterator[Brought]:
    """The openings of each root, once their list is in the store; who has committed by itself is opened by itself."""
    record = state.current
    openings: dict[int, list[OpeningMessage]] = defaultdict(list)
    for held in batch:
        message = held.message
        entry = held.entry(record.commitments)
        if entry is None:
            continue  # of a batch that has gone out, and was undone since
        if entry.batch in record.roots:
            openings[entry.batch].append(message)
        elif message.index not in record.updates:
            yield open_one(state, message.index, message.content, message.salt), 1
    for number, messages in sorted(openings.items()):
        keep = _list(state, packed_openings(messages))
        yield keep
        if keep in results:
            call = calls.reveal_root(
                state.address,
                round_number=state.round,
                batch=number,
                rooted=record.roots[number],
                listing=keep.content,
                members=[message.index for message in messages],
            )
            yield call, len(messages)


def _list(state: TaskState, listing: bytes) -> KeepList:
    return KeepList(round=state.round, content=content_id(listing), listing=listing)
