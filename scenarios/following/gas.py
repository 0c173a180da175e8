# SPDX-License-Identifier: Apache-2.0
"""Whose transactions a task's gas went to, from the receipts of a block."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bcfl.chain.raw import checksummed
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState

__all__ = ("Spent", "spent_on")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """One transaction to a task; ``role``: ``trainer``, ``evaluator``, ``aggregator``, ``member``, ``publisher``, or ``keeper`` for anybody else."""

    sender: Address
    role: str
    transaction: str
    gas: int


def spent_on(
    state: TaskState, evaluators: Collection[Address], receipts: Sequence[Mapping[str, Any]]
) -> Iterator[Spent]:
    """What a block's transactions to the task took.

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
        if str(receipt.get("to") or "").lower() == state.address.lower():
            sender = checksummed(str(receipt["from"]))
            yield Spent(
                sender=sender,
                role=roles.get(sender, "keeper"),
                transaction=str(receipt["transactionHash"]),
                gas=int(str(receipt["gasUsed"]), 0),
            )
