# SPDX-License-Identifier: Apache-2.0
"""The event log beside a node: every log of the factory and the task is fetched again and compared, one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bcfl.agents.audit.finding import Finding
from bcfl.chain.blocks import PREFETCH, WholeBlocks
from bcfl.chain.errors import BlockUnavailable, ChainIdentityChanged, ContractMissing
from bcfl.chain.node import Node, open_node
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch
from bcfl.contracts.event_codec import event_to_json
from bcfl.contracts.root_lists import without_lists
from bcfl.scenarios.audit.differences import differences
from bcfl.scenarios.directory.event_log import FILE, EventLog, Line

__all__ = ("chain_findings",)

_AFTERWARDS = 256
"""Blocks that are read after the newest that the log names."""

_Place = tuple[int, int, int]
"""Block, log in it, and place among the events that one log stands for."""


async def chain_findings(
    url: str, record: Mapping[str, Any], log: EventLog, created: e.TaskCreated
) -> tuple[Finding, ...]:
    """Every line of the chain that this node does not confirm, and every event of the task that the log leaves out.

    Blocks are read from the first to the newest that any line names, and a little further: the lines that spoke of the
    last ones may be what is missing.

    Args:
        url: the node's WebSocket.
        record: of ``chain.json``.
        log: the run's.
        created: the task.

    Raises:
        ChainIdentityChanged: the node serves another chain than ``chain.json`` says.
        ContractMissing: it has no contract where the task was.
        ChainError: the node cannot be reached, or does not have those blocks.
    """
    async with open_node(url) as node:
        identity = (record.get("chain_id"), record.get("genesis_hash"))
        if (node.chain_id, node.genesis_hash) != identity:
            raise ChainIdentityChanged(
                f"Another chain answers at {node.url}: chain id {node.chain_id} with genesis {node.genesis_hash}, "
                f"chain.json says {identity[0]} with {identity[1]}; correct the URL."
            )
        if not await node.code(created.task):
            raise ContractMissing(
                f"The node at {node.url} has no contract at {created.task}, where the run's task was: it has forgotten "
                "the run, or never knew it; give the URL of a node that has its blocks."
            )
        batches = await _blocks(node, log, created)
    return (*_event_differences(log, batches), *_time_differences(log, batches))


async def _blocks(node: Node, log: EventLog, created: e.TaskCreated) -> list[Batch]:
    first = min(line.record["block"] for line in log.lines if line.record["block"])
    newest = max(line.record["block"] for line in log.lines)
    last = max(newest, min(newest + _AFTERWARDS, await node.block_number()))
    addresses = (created.origin.address, created.task)
    blocks = WholeBlocks(node=node, decoder=decode_log)
    batches: list[Batch] = []
    for start in range(first, last + 1, PREFETCH):
        numbers = range(start, min(start + PREFETCH, last + 1))
        for number, batch in zip(numbers, await blocks.read_many(numbers, addresses), strict=True):
            if batch is None:
                raise BlockUnavailable(
                    f"The node at {node.url} does not give block {number}; the run's log goes to block {newest}."
                )
            # a factory goes on without us: what others did after the run is not the log's to say
            own = tuple(x for x in batch.events if number <= newest or x.origin.address == created.task)
            batches.append(dataclasses.replace(batch, events=own))
    return batches


def _event_differences(log: EventLog, batches: Sequence[Batch]) -> Iterator[Finding]:
    told = {event_place: event for batch in batches for event_place, event in _placed(batch.events)}
    lines: dict[_Place, Line] = {}
    for place, line in _placed_lines(_of_the_chain(log.kept)):
        event = told.get(place)
        if event is None:
            yield _found(line, f"the chain says nothing at log {place[1]} of block {place[0]}")
        elif place not in lines:
            lines[place] = line
            for key, said, found in differences(line.record, line.record | event_to_json(event)):
                yield _found(line, f"{key}: it says {said}, the chain {found}")
    for place, event in told.items():
        if place not in lines:
            before = max((one for one in lines if one < place), default=None)
            where = FILE if before is None else f"{FILE}, line {lines[before].number}"
            message = f"after it a line is missing: log {place[1]} of block {place[0]} is on the chain"
            yield Finding(
                round=getattr(event, "round", 0), subject=type(event).__name__, message=message, where=where
            )


def _time_differences(log: EventLog, batches: Sequence[Batch]) -> Iterator[Finding]:
    """Where a decision was written at another time than its block has; nothing where blocks were replaced meanwhile."""
    times = {batch.block.number: batch.block.timestamp for batch in batches}
    if any(line.record["event"] == "retracted" for line in log.lines):
        return
    for line in log.lines:
        block, time = line.record["block"], line.record["time"]
        if line.event is None and times.get(block, time) != time:
            yield _found(line, f"it says block {block} at {time}, the chain has it at {times[block]}")


def _placed(events: Sequence[e.Event]) -> Iterator[tuple[_Place, e.Event]]:
    seen: dict[tuple[int, int], int] = {}
    for event in events:
        log = (event.origin.block.number, event.origin.log_index)
        seen[log] = seen.get(log, -1) + 1
        yield (*log, seen[log]), event


def _of_the_chain(lines: Sequence[Line]) -> list[Line]:
    """Without what the lists behind roots say: that is in the store."""
    said = {id(event) for event in without_lists([line.event for line in lines if line.event is not None])}
    return [line for line in lines if id(line.event) in said]


def _placed_lines(lines: Sequence[Line]) -> Iterator[tuple[_Place, Line]]:
    events = [line.event for line in lines if line.event is not None]
    for (place, _), line in zip(_placed(events), lines, strict=True):
        yield place, line


def _found(line: Line, message: str) -> Finding:
    return Finding(
        round=getattr(line.event, "round", 0),
        subject=line.record["event"],
        message=message,
        where=f"{FILE}, line {line.number}",
    )
