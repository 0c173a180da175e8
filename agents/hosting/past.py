# SPDX-License-Identifier: Apache-2.0
"""Tasks of a factory as they stand now, read once: for who looks, not for who takes part."""

from __future__ import annotations

from bcfl.chain.distant import DistantBlocks
from bcfl.chain.errors import BlockUnavailable
from bcfl.chain.node import Node
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState

__all__ = ("read_tasks",)

_TRIES = 5


async def read_tasks(
    node: Node, factory: Address, *, from_block: int, only: Address | None = None
) -> dict[Address, TaskState]:
    """Every task that the factory made, or one of them, after the newest block, in the order of their creation.

    Raises:
        BlockUnavailable: the node does not give its blocks.
    """
    head = await node.block_number()
    made = [
        event
        for event in await _events(node, [factory], from_block, head)
        if isinstance(event, e.TaskCreated) and only in {None, event.task}
    ]
    states = {event.task: first_state(event) for event in made}
    if states:
        first = min(event.origin.block.number for event in made)
        said: dict[Address, list[e.Event]] = {task: [] for task in states}
        for event in await _events(node, list(states), first, head):
            said[event.origin.address].append(event)
        states = {task: fold(state, said[task]) for task, state in states.items()}
    return states


async def _events(node: Node, addresses: list[Address], first: int, last: int) -> list[e.Event]:
    distant = DistantBlocks(node=node, decoder=decode_log)
    events: list[e.Event] = []
    tries = 0
    while first <= last:
        read = await distant.read(first, last, addresses)
        if read is None:
            tries += 1
            if tries == _TRIES:
                raise BlockUnavailable(
                    f"The node at {node.url} does not give the logs of block {first}."
                ) from distant.refusal
            continue
        end, batches = read
        events += [event for batch in batches for event in batch.events]
        first, tries = end + 1, 0
    return events
