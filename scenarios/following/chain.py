# SPDX-License-Identifier: Apache-2.0
"""Follows a task by its chain's events and the reports in its store: somebody else's, on a node somewhere.

Only what cannot be undone is told. Members are called by their accounts: names are known only to the run that made them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import anyio

from bcfl.agents.common.decisions import Scored
from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval
from bcfl.chain.errors import ContractMissing
from bcfl.chain.node import Node
from bcfl.chain.pump import BlockPump
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.delivery import Batch, Delivery, Level
from bcfl.contracts.errors import MalformedReport, MalformedSpecification
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind, Phase
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.errors import StorageError, first_cause
from bcfl.scenarios.following.gas import spent_on
from bcfl.scenarios.following.story import Began, Ended, Tell, Told, flat, safe_name
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
        ContractMissing: there is no such factory, or it made no such task from that block on.
        ChainError: the node stays away, or serves another chain.
    """
    for address in (place.factory, place.task):
        if address is not None and not await node.code(address):
            raise ContractMissing(
                f"The node at {node.url} has no contract at {address}: correct the address, or the URL."
            )
    head = await node.block_number()
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
            if place.task is not None and not follower.found and delivery.block.number >= head:
                raise ContractMissing(
                    f"The factory {place.factory} made no task {place.task} from block {place.first_block} on: correct --factory or --task, "
                    f"or lower --from-block."
                )

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
        self._final: dict[str, float] = {}
        self._taken: set[tuple[str, int]] = set()
        """Logs that were folded: a block may be delivered again."""
        self._untold: list[Told] = []

    async def take(self, batch: Batch) -> list[Told]:
        """One more block; what there is to tell after it. A block that comes again, since the node failed half-way, is taken once."""
        events = [event for event in batch.events if _place_of(event) not in self._taken]
        if self._task is None:
            created = next((event for event in events if self._wanted(event)), None)
            if created is None:
                return []
            self._untold.append(await self._begin(created))
        own = [event for event in events if event.origin.address == self._task]
        if own:
            receipts = await self._node.receipts(batch.block.number)
            reports = [
                (event, report)
                for event in own
                if isinstance(event, e.EvaluationSubmitted)
                and (report := await self._report(event)) is not None
            ]
            for event in own:
                self._taken.add(_place_of(event))
                self._results.take_event(event)
            for event, report in reports:
                self._results.take(self._scored(event, report))
            self._gas(receipts)
            self._untold += await self._news()
        told, self._untold = self._untold, []
        return told

    @property
    def found(self) -> bool:
        """Whether the task has been made."""
        return self._task is not None

    def _wanted(self, event: e.Event) -> TypeGuard[e.TaskCreated]:
        return isinstance(event, e.TaskCreated) and self._place.task in {None, event.task}

    async def _begin(self, created: e.TaskCreated) -> Began:
        role = "evaluator" if created.kind is Kind.CROWDSOURCING else "member"
        self._results.take(
            {
                "source": "runner",
                "event": "run_started",
                "participants": {
                    "publisher": {"role": "publisher", "address": created.publisher},
                    **{account: {"role": role, "address": account} for account in created.evaluators},
                },
            }
        )
        self._taken.add(_place_of(created))
        self._results.take_event(created)
        self._task = created.task
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
        title = self._specification.title if self._specification is not None else created.task
        return Began(
            # a stranger's title may be that of one's own model
            name=f"{safe_name(title, 'task')}-{created.task[:10]}",
            key=f"{self._node.genesis_hash}/{created.task}",
            parameters=flat(parameters),
            facts={
                "task": created.task,
                "specification": cid_text(config.specification),
                "chain_id": str(self._node.chain_id),
                "factory": self._place.factory,
            },
        )

    async def _report(self, event: e.EvaluationSubmitted) -> EvaluationReport | None:
        try:
            data = await self._retrieval.content(event.report, max_bytes=REPORT_BYTES)
            return EvaluationReport.decode(data)
        except (StorageError, MalformedReport):
            return None

    def _scored(self, event: e.EvaluationSubmitted, report: EvaluationReport) -> dict[str, Any]:
        """What the evaluator's report says, as its own log would; of whom the chain has no update it says nothing."""
        known = self._results.state.rounds[event.round].updates
        return {
            "source": self._results.created.evaluators[event.evaluator],
            "event": Scored.name,
            "role": "evaluator",
            "round": event.round,
            "start_loss": report.start_loss,
            "start_accuracy": report.start_accuracy,
            "loss": report.loss,
            "accuracy": report.accuracy,
            "validation_loss": {str(i): loss for i, loss in report.validation_loss.items() if i in known},
            "rejected": {str(i): word for i, word in report.rejected.items() if i in known},
            "evidence": {str(i): dict(found) for i, found in report.evidence.items() if i in known},
        }

    def _gas(self, receipts: Sequence[Mapping[str, Any]]) -> None:
        """What the block's transactions to the task took, by who sent them."""
        state = self._results.state
        for spent in spent_on(state, self._results.created.evaluators, receipts):
            self._results.take(
                {
                    "source": spent.sender,
                    "event": "transaction",
                    "role": spent.role,
                    "round": state.round,
                    "action": spent.transaction,
                    "gas": spent.gas,
                }
            )

    async def _news(self) -> list[Told]:
        """Rounds that are over by now and can no longer be overturned, and the end."""
        told: list[Told] = []
        state = self._results.state
        for number in range(self._told + 1, state.round + 1):
            if not state.rounds[number].finalized or not self._settled(state, number):
                break
            done = self._results.round(number)
            for name, score in done.scores.items():
                self._scores[name] += score
            if not done.overturned and done.global_loss is not None:
                self._final = {"final/loss": done.global_loss}
                if done.global_accuracy is not None:
                    self._final["final/accuracy"] = done.global_accuracy
            told.append(done)
            self._told = number
        if state.ended:
            told.append(await self._end())
        return told

    @staticmethod
    def _settled(state: TaskState, number: int) -> bool:
        """Whether members have no say any more in what a round's evaluation was."""
        if state.ended or not isinstance(state, CrowdState):
            return True
        return state.round > number + 1 or (state.round > number and state.phase is not Phase.TRAINING)

    async def _end(self) -> Ended:
        state = self._results.state
        try:
            model = await self._retrieval.content(state.model, max_bytes=state.config.max_update_size)
        except StorageError:
            model = None
        return Ended(
            status=state.phase.name.lower(),
            facts={"cid": cid_text(state.model)},
            metrics={
                **self._final,
                "gas/task": float(self._results.total_gas),
                "tokens/paid": sum(member.withdrawn for member in state.members.values()) / 1e9,
            },
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
        "server_optimizer": {
            "name": specification.server_optimizer.name,
            **specification.server_optimizer.parameters,
        },
        "timeliness": specification.timeliness,
        "reported_samples": specification.reported_samples,
        "retention": {"models": specification.kept_models, "updates": specification.kept_updates},
    }


def _place_of(event: e.Event) -> tuple[str, int]:
    """One log may stand for several events; they come together."""
    return event.origin.block.hash, event.origin.log_index
