# SPDX-License-Identifier: Apache-2.0
"""Do events stand in the order of a chain? Blocks follow each other, logs of a block too, and none comes twice. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from eth_utils import is_checksum_address

from bcfl.agents.audit.finding import Finding
from bcfl.contracts import events as e
from bcfl.contracts.delivery import BlockRef, EventOrigin
from bcfl.contracts.ids import Address

__all__ = ("order_findings",)

_HASH = re.compile("0x[0-9a-f]{64}")


def order_findings(events: Iterable[e.Event]) -> Iterator[Finding]:
    """Each event that cannot stand where it does, of events that no reorganisation took back.

    Logs are ordered by contract: those of a task that was just created are read after its factory's, though in the
    block they come first.
    """
    blocks: dict[int, BlockRef] = {}
    last: dict[Address, e.Event] = {}
    newest: BlockRef | None = None
    for event in events:
        origin = event.origin
        message = _malformed(origin) or _misplaced(origin.block, blocks, newest)
        before = last.get(origin.address)
        if message is None and before is not None and not _follows(before, event):
            message = (
                f"log {origin.log_index} of block {origin.block.number} stands after log "
                f"{before.origin.log_index} of block {before.origin.block.number}"
            )
        if message is not None:
            yield Finding(subject=type(event).__name__, message=message, event=event)
            continue
        blocks[origin.block.number] = newest = origin.block
        last[origin.address] = event


def _malformed(origin: EventOrigin) -> str | None:
    block = origin.block
    for text in (block.hash, block.parent_hash, origin.transaction):
        if not _HASH.fullmatch(text):
            return f"'{text}' is no hash"
    if not is_checksum_address(origin.address):
        return f"'{origin.address}' is no address"
    return None


def _misplaced(block: BlockRef, blocks: dict[int, BlockRef], newest: BlockRef | None) -> str | None:
    number = block.number
    known = blocks.get(number)
    if known is not None and known != block:
        return f"block {number} has another hash, parent or time than before"
    if newest is None or known is not None:
        return (
            None
            if newest is None or number == newest.number
            else f"block {number} stands after block {newest.number}"
        )
    if number < newest.number:
        return f"block {number} stands after block {newest.number}"
    if block.timestamp < newest.timestamp:
        return f"block {number} is older than block {newest.number}"
    if number == newest.number + 1 and block.parent_hash != newest.hash:
        return f"block {number} does not follow block {newest.number}: it names another parent"
    return None


def _follows(before: e.Event, event: e.Event) -> bool:
    """Whether the event is of a later log; a log that stands for several updates becomes several events."""
    former, origin = before.origin, event.origin
    place, then = (origin.block.number, origin.log_index), (former.block.number, former.log_index)
    if place != then:
        return place > then
    if isinstance(before, e.RootCommitted | e.RootRevealed):  # what its list says comes right after a root
        entries = e.UpdatesCommitted if isinstance(before, e.RootCommitted) else e.UpdateSubmitted
        return isinstance(event, entries) and event.origin == before.origin
    many = e.UpdateSubmitted | e.TrainerReinstated
    if isinstance(before, many) and isinstance(event, many) and type(before) is type(event):
        return former.transaction == origin.transaction and before.index != event.index
    return False
