# SPDX-License-Identifier: Apache-2.0
"""The lists that a rooter puts into the store, and what they must say for its roots to be believed. Pure.

A list is all or nothing: one entry that is wrong, and none of it counts, for an honest rooter checks every entry before it
takes it in. Whether a commitment is signed is for its caller to say, who knows about keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from bcfl.contracts import events as e
from bcfl.contracts.commitments import commitment
from bcfl.contracts.errors import MalformedList
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.merkle import ENTRY_BYTES, tree_of
from bcfl.contracts.messages import CommitMessage, OpeningMessage
from bcfl.contracts.state import TaskState

__all__ = (
    "LARGEST_LIST",
    "committed_by",
    "opened_by",
    "packed_commitments",
    "packed_entries",
    "packed_openings",
    "without_lists",
)

_SIGNED = 101  # index 4, commitment 32, r 32, s 32, v 1
_OPENED = 57  # tag 1, index 4, digest 32, size 4, salt 16
_COHORT = 2048

LARGEST_LIST = _COHORT * _SIGNED
"""Bytes: a cohort has no more members."""


def packed_commitments(messages: Iterable[CommitMessage]) -> bytes:
    """Index (4) ‖ commitment (32) ‖ r (32) ‖ s (32) ‖ v (1) each, by index."""
    ordered = sorted(messages, key=lambda message: message.index)
    return b"".join(one.index.to_bytes(4, "big") + one.commitment + one.signature for one in ordered)


def packed_entries(listing: bytes) -> bytes:
    """Those of a list of commitments without their signatures: index (4) ‖ commitment (32) each."""
    return b"".join(entry[:ENTRY_BYTES] for entry in _split(listing, _SIGNED))


def packed_openings(messages: Iterable[OpeningMessage]) -> bytes:
    """0x01 ‖ index (4) ‖ digest (32) ‖ size (4) ‖ salt (16) each, by index."""
    ordered = sorted(messages, key=lambda message: message.index)
    return b"".join(
        b"\1"
        + one.index.to_bytes(4, "big")
        + one.content.digest
        + one.content.size.to_bytes(4, "big")
        + one.salt
        for one in ordered
    )


def committed_by(
    event: e.RootCommitted, listing: bytes, *, signed: Callable[[CommitMessage], bool]
) -> e.UpdatesCommitted:
    """What the members of a root committed to, as if their entries were on the chain.

    Args:
        event: the root.
        listing: what the store has for it.
        signed: whether a commitment has its member's signature.

    Raises:
        MalformedList: it is not the list of this root, or a member of it never signed.
    """
    entries = _split(listing, _SIGNED)
    messages = {
        index: CommitMessage(round=event.round, index=index, commitment=entry[4:36], signature=entry[36:])
        for index, entry in zip(_ascending([entry[:4] for entry in entries]), entries, strict=True)
    }
    raw = packed_entries(listing)
    if tree_of(raw).root != event.root:
        raise MalformedList("its entries do not come to the root")
    _require_all(event.members, messages)
    for index in event.members:
        if not signed(messages[index]):
            raise MalformedList(f"member {index} has not signed its entry")
    return e.UpdatesCommitted(
        origin=event.origin,
        round=event.round,
        batch=event.batch,
        first_position=event.first_position,
        entries=tuple((index, messages[index].commitment) for index in event.members),
        raw=raw,
    )


def opened_by(
    state: TaskState, event: e.RootRevealed, listing: bytes, *, chain_id: int
) -> tuple[e.UpdateSubmitted, ...]:
    """What the members of a batch opened, as if their openings were on the chain.

    Args:
        state: with the entries of the batch.
        event: the openings' own.
        listing: what the store has for it.
        chain_id: of the chain.

    Raises:
        MalformedList: it is not the list of these members, one does not open its commitment, or the commitments are not known.
    """
    entries = _split(listing, _OPENED)
    contents = {
        index: (ContentId(entry[5:37], int.from_bytes(entry[37:41], "big")), entry[41:])
        for index, entry in zip(_ascending([entry[1:5] for entry in entries]), entries, strict=True)
    }
    _require_all(event.members, contents)
    committed = state.rounds[event.round].commitments
    submitted = []
    for index in event.members:
        (content, salt), entry = contents[index], committed[index]
        if not entry.commitment:
            raise MalformedList("the commitments that it opens are not known")
        due = commitment(
            chain_id=chain_id,
            task=state.address,
            round_number=event.round,
            index=index,
            content=content,
            salt=salt,
        )
        if due != entry.commitment or content.size > state.config.max_update_size:
            raise MalformedList(f"it does not open the commitment of member {index}")
        submitted.append(
            e.UpdateSubmitted(
                origin=event.origin, round=event.round, index=index, content=content, position=entry.position
            )
        )
    return tuple(submitted)


def without_lists(events: Sequence[e.Event]) -> list[e.Event]:
    """The events that the chain itself says: without those that lists say, which follow their root and have its origin."""
    kept: list[e.Event] = []
    for event in events:
        root = kept[-1] if kept else None
        if not (isinstance(root, e.RootCommitted | e.RootRevealed) and event.origin == root.origin):
            kept.append(event)
    return kept


def _split(listing: bytes, size: int) -> list[bytes]:
    if not listing or len(listing) % size:
        raise MalformedList(f"its length is no multiple of {size} bytes")
    return [listing[start : start + size] for start in range(0, len(listing), size)]


def _ascending(packed: Sequence[bytes]) -> list[TrainerIndex]:
    indices = [TrainerIndex(int.from_bytes(one, "big")) for one in packed]
    if any(before >= after for before, after in pairwise(indices)):
        raise MalformedList("its members are not in ascending order")
    return indices


def _require_all(members: Iterable[TrainerIndex], listed: Iterable[TrainerIndex]) -> None:
    missing = sorted({*members} - {*listed})
    if missing:
        raise MalformedList(f"it says nothing of member {missing[0]}")
