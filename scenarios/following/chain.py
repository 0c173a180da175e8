# SPDX-License-Identifier: Apache-2.0
"""Follows a task by its chain's events and the reports in its store: somebody else's, on a node somewhere.

Only what cannot be undone is told. Members are called by their accounts: names are known only to the run that made them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval
from bcfl.chain.node import Node
from bcfl.chain.pump import BlockPump, ReconnectPolicy
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import Batch, Delivery, Level
from bcfl.contracts.errors import MalformedReport, MalformedSpecification
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address
from bcfl.contracts.specification import Specification
from bcfl.errors import StorageError, first_cause
from bcfl.scenarios.following.story import Began, Ended, Tell, Told, flat
from bcfl.scenarios.outcome.results import Results
from bcfl.storage.content_id import cid_text

__all__ = ("Place", "follow_chain")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a task is: made by ``factory`` in ``first_block`` or later; ``task`` None: the first one that it makes from there on."""

    factory: Address
    task: Address | None = None
    first_block: int = 0
    confirmations: int = 0


async def follow_chain(node: Node, retrieval: Retrieval, place: Place, tell: Tell) -> None:
    """Tell the task's story, until it has ended.

    Args:
        node: of the chain; reconnected where it is lost.
        retrieval: from the store in which specification, reports and models are.
        place: which task.
        tell: is told.

    Raises:
        ChainError: the node stays away, or serves another chain.
    """
    pump = BlockPump(
        node=node,
        addresses=[place.factory],
        decoder=decode_log,
        start=place.first_block,
        confirmations=place.confirmations,
        reconnect=ReconnectPolicy(),
    )
    follower = _Follower(node, retrieval, place, pump)

    async def sink(delivery: Delivery) -> None:
        if isinstance(delivery, Batch) and delivery.level is Level.FINAL:
            for told in await follower.take(delivery):
                await tell(told)
                if isinstance(told, Ended):
                    group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            await pump.run(sink)
    except BaseExceptionGroup as errors:
        raise first_cause(errors) from errors


class _Follower:
    """Folds a task's blocks, and finds out of the store what events alone do not say."""

    def __init__(self, node: Node, retrieval: Retrieval, place: Place, pump: BlockPump) -> None:
        self._node = node
        self._retrieval = retrieval
        self._place = place
        self._pump = pump
        self._results = Results()
        self._task: Address | None = None
        self._told = 0
        self._specification: Specification | None = None
        self._scores: dict[str, float] = defaultdict(float)

    async def take(self, batch: Batch) -> list[Told]:
        """One more block; what there is to tell after it."""
        told: list[Told] = []
        for event in batch.events:
            if self._task is None and isinstance(event, e.TaskCreated):
                if self._place.task in {None, event.task}:
                    told.append(await self._begin(event))
            elif event.origin.address == self._task:
                self._results.take_event(event)
                if isinstance(event, e.EvaluationSubmitted):
                    await self._scored(event)
        if self._task is not None and batch.events:
            await self._gas(batch)
            told += await self._news()
        return told

    async def _begin(self, created: e.TaskCreated) -> Began:
        self._task = created.task
        self._results.take(
            {
                "source": "runner",
                "event": "run_started",
                "participants": {
                    "publisher": {"role": "publisher", "address": created.publisher},
                    **{account: {"role": "evaluator", "address": account} for account in created.evaluators},
                },
            }
        )
        self._results.take_event(created)
        self._pump.watch(created.task, from_block=created.origin.block.number)
        config = created.config
        parameters: dict[str, Any] = {
            "task": {"rounds": config.rounds, "capacity": config.capacity, "budget": created.budget / 1e9}
        }
        try:
            self._specification = await self._retrieval.specification(config.specification)
            parameters["task"] |= _stated(self._specification)
        except (StorageError, MalformedSpecification):
            pass  # the events are told without it
        return Began(
            name=self._specification.title if self._specification is not None else created.task,
            key=f"{self._node.genesis_hash}/{created.task}",
            parameters=flat(parameters),
            facts={
                "task": created.task,
                "specification": cid_text(config.specification),
                "chain_id": str(self._node.chain_id),
                "factory": self._place.factory,
            },
        )

    async def _scored(self, event: e.EvaluationSubmitted) -> None:
        """What the evaluator's report says, as its own log would."""
        try:
            data = await self._retrieval.content(event.report, max_bytes=REPORT_BYTES)
            report = EvaluationReport.decode(data)
        except (StorageError, MalformedReport):
            return
        account = self._results.created.evaluators[event.evaluator]
        self._results.take(
            {
                "source": account,
                "event": "scored",
                "role": "evaluator",
                "round": event.round,
                "start_loss": report.start_loss,
                "start_accuracy": report.start_accuracy,
                "loss": report.loss,
                "accuracy": report.accuracy,
                "validation_loss": {str(index): loss for index, loss in report.validation_loss.items()},
                "rejected": {str(index): word for index, word in report.rejected.items()},
                "evidence": {str(index): dict(found) for index, found in report.evidence.items()},
            }
        )

    async def _gas(self, batch: Batch) -> None:
        """What the block's transactions to the task took, by who sent them."""
        state = self._results.state
        evaluators = set(self._results.created.evaluators)
        for receipt in await self._node.receipts(batch.block.number):
            sender = Address(str(receipt["from"]))
            known = {account.lower(): account for account in (*evaluators, *state.index_of, state.publisher)}
            if str(receipt.get("to") or "").lower() != str(self._task).lower():
                continue
            account = known.get(sender.lower())
            role = (
                "keeper"
                if account is None
                else "evaluator"
                if account in evaluators
                else "publisher"
                if account == state.publisher
                else "trainer"
            )
            self._results.take(
                {
                    "source": account or sender,
                    "event": "transaction",
                    "role": role,
                    "round": state.round,
                    "action": str(receipt["transactionHash"]),
                    "gas": int(str(receipt["gasUsed"]), 0),
                }
            )

    async def _news(self) -> list[Told]:
        """Rounds that are over by now, and the end."""
        told: list[Told] = []
        state = self._results.state
        for number in range(self._told + 1, state.round + 1):
            if not state.rounds[number].finalized:
                break
            done = self._results.round(number)
            for name, score in done.scores.items():
                self._scores[name] += score
            told.append(done)
            self._told = number
        if state.ended:
            told.append(await self._end())
        return told

    async def _end(self) -> Ended:
        state = self._results.state
        try:
            model = await self._retrieval.content(state.model, max_bytes=state.config.max_update_size)
        except StorageError:
            model = None
        return Ended(
            status=state.phase.name.lower(),
            facts={"cid": cid_text(state.model)},
            metrics={"gas/task": float(self._results.total_gas)},
            scores=dict(self._scores),
            model=model,
        )


def _stated(specification: Specification) -> Mapping[str, Any]:
    return {
        "network": {"name": specification.network.name, **specification.network.parameters},
        "training": dict(specification.training),
        "score": specification.score.name,
        "aggregator": {"name": specification.aggregator.name, **specification.aggregator.parameters},
        "defence": specification.defence.name,
    }
