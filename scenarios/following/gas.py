# SPDX-License-Identifier: Apache-2.0
"""Whose transactions a task's gas went to, from the receipts of a block."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bcfl.chain.raw import checksummed, unhex
from bcfl.contracts.abi import event_name
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState

__all__ = ("Spent", "spent_on")

_BROUGHT = frozenset(
    {"RootCommitted", "RootRevealed", "TrainerJoined", "UpdatesCommitted", "UpdatesSubmitted"}
)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """One transaction for a task; ``role``: ``trainer``, ``evaluator``, ``aggregator``, ``member``, ``publisher``, ``relayer`` for others who bring what members signed, or ``keeper`` for anybody else."""

    sender: Address
    role: str
    transaction: str
    gas: int


def spent_on(
    state: TaskState, evaluators: Collection[Address], receipts: Sequence[Mapping[str, Any]]
) -> Iterator[Spent]:
    """What a block's transactions for the task took: those to it, and joins that come through the factory.

    Args:
        state: of the task, after the block or later.
        evaluators: as it was made with.
        receipts: of the whole block.
    """
    judges = "evaluator" if isinstance(state, CrowdState) else "member"
    roles = dict.fromkeys(state.index_of, "trainer" if judges == "evaluator" else judges)
    roles |= dict.fromkeys(evaluators, judges) | {state.publisher: "publisher"}
    if judges == "evaluator":
        roles.setdefault(state.config.aggregator, "aggregator")
    for receipt in receipts:
        told = _told(receipt, state.address)
        direct = str(receipt.get("to") or "").lower() == state.address.lower()
        if direct or (state.config.relayed and "TrainerJoined" in told):
            sender = checksummed(str(receipt["from"]))
            outside = "relayer" if state.config.relayed and told & _BROUGHT else "keeper"
            yield Spent(
                sender=sender,
                role=roles.get(sender, outside),
                transaction=str(receipt["transactionHash"]),
                gas=int(str(receipt["gasUsed"]), 0),
            )


def _told(receipt: Mapping[str, Any], task: Address) -> frozenset[str]:
    """Names of the events that the task told of in that transaction."""
    logs = (log for log in receipt.get("logs", ()) if str(log["address"]).lower() == task.lower())
    return frozenset(event_name(unhex(log["topics"][0])) for log in logs if log["topics"])
