# SPDX-License-Identifier: Apache-2.0
"""What a living agent tells of itself to Prometheus: counters of what it did, gauges of where it stands.

Names and units as Prometheus recommends (prometheus.io/docs/practices/naming): seconds, tokens, gas; ``_total`` on counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bcfl.agents.runtime.ports import Observer
from bcfl.contracts.delivery import Batch, Delivery, Level, Retracted
from bcfl.contracts.ids import Address
from bcfl.contracts.state import MemberState, TaskState

__all__ = ("Metered", "Standing", "TaskGauges")


class Standing(Protocol):
    """Where an agent stands (``hosting.host``)."""

    def tasks(self) -> Iterable[tuple[TaskState, bool]]:
        """The tasks that it follows, each as of the newest block, and whether it takes part."""
        ...

    @property
    def under_way(self) -> int:
        """Transactions whose outcome is not known."""
        ...


class Metered:
    """An observer that counts what it hears, and passes it on.

    Args:
        beyond: the observer that hears everything too.
        registry: of the process.
    """

    def __init__(self, beyond: Observer, registry: CollectorRegistry) -> None:
        self._beyond = beyond
        self._blocks = Counter("bcfl_blocks", "Blocks that were delivered.", ["level"], registry=registry)
        self._retracted = Counter(
            "bcfl_blocks_retracted", "Blocks that a reorganisation took back.", registry=registry
        )
        self._head = Gauge(
            "bcfl_head_block", "The newest block that was delivered, by level.", ["level"], registry=registry
        )
        self._time = Gauge(
            "bcfl_head_timestamp_seconds", "Timestamp of the newest block delivered.", registry=registry
        )
        self._actions = Counter(
            "bcfl_actions", "What its agents decided, by name.", ["role", "action"], registry=registry
        )
        self._transactions = Counter(
            "bcfl_transactions", "Transactions that ended.", ["role", "action", "status"], registry=registry
        )
        self._gas = Counter("bcfl_gas_used", "Gas of its transactions.", ["role"], registry=registry)
        ProcessCollector(registry=registry)

    def delivered(self, delivery: Delivery) -> None:
        """Blocks came or went."""
        if isinstance(delivery, Retracted):
            self._retracted.inc(len(delivery.blocks))
        elif isinstance(delivery, Batch):
            level = delivery.level.name.lower()
            self._blocks.labels(level).inc()
            self._head.labels(level).set(delivery.block.number)
            if delivery.level is Level.SEEN:
                self._time.set(delivery.block.timestamp)
        self._beyond.delivered(delivery)

    def decided(
        self, *, agent: str, role: str, name: str, round_number: int, evidence: Mapping[str, Any]
    ) -> None:
        """An agent did or wants something."""
        self._actions.labels(role, _kind(name)).inc()
        self._beyond.decided(agent=agent, role=role, name=name, round_number=round_number, evidence=evidence)

    def transacted(
        self, *, agent: str, role: str, name: str, round_number: int, status: str, gas: int, reason: str
    ) -> None:
        """A transaction ended."""
        self._transactions.labels(role, _kind(name), status).inc()
        self._gas.labels(role).inc(gas)
        self._beyond.transacted(
            agent=agent,
            role=role,
            name=name,
            round_number=round_number,
            status=status,
            gas=gas,
            reason=reason,
        )


class TaskGauges(Collector):
    """Gauges of an agent's tasks, read when somebody asks.

    Args:
        standing: where it stands.
        account: its own.
    """

    def __init__(self, standing: Standing, account: Address) -> None:
        self._standing = standing
        self._account = account

    def collect(self) -> Iterable[Metric]:
        """Every gauge, one sample a task."""
        under_way = GaugeMetricFamily(
            "bcfl_transactions_under_way", "Transactions whose outcome is not known."
        )
        under_way.add_metric([], self._standing.under_way)
        yield under_way
        states = list(self._standing.tasks())
        for name, help_text, value in _GAUGES:
            family = GaugeMetricFamily(name, help_text, labels=["task"])
            for state, takes_part in states:
                family.add_metric([state.address], value(state, takes_part, self._account))
            yield family


def _kind(name: str) -> str:
    """An action's name without what makes it unique, which would be a time series each."""
    return name.split(":")[0]


def _mine(state: TaskState, account: Address) -> MemberState | None:
    """An account joins once."""
    index = state.index_of.get(account)
    return None if index is None else state.members[index]


def _earned(state: TaskState, account: Address) -> int:
    mine = _mine(state, account)
    return 0 if mine is None else mine.earned


def _paid(state: TaskState, account: Address) -> int:
    mine = _mine(state, account)
    return 0 if mine is None else mine.withdrawn


_Value = Callable[[TaskState, bool, Address], float]
_GAUGES: tuple[tuple[str, str, _Value], ...] = (
    ("bcfl_task_participating", "1 where it takes part.", lambda _, takes_part, __: float(takes_part)),
    ("bcfl_task_round", "The round that the task is in.", lambda state, _, __: float(state.round)),
    ("bcfl_task_rounds", "Rounds that the task has.", lambda state, _, __: float(state.config.rounds)),
    ("bcfl_task_phase", "Number of its phase (contracts.phases).", lambda state, _, __: float(state.phase)),
    ("bcfl_task_deadline_seconds", "When its phase ends.", lambda state, _, __: float(state.deadline)),
    ("bcfl_task_members", "Members that are active.", lambda state, _, __: float(len(state.active_members))),
    ("bcfl_task_escrow_tokens", "What it holds for rewards.", lambda state, _, __: state.escrow / 1e9),
    (
        "bcfl_earned_tokens",
        "What this agent earned.",
        lambda state, _, account: _earned(state, account) / 1e9,
    ),
    ("bcfl_paid_tokens", "What it was paid.", lambda state, _, account: _paid(state, account) / 1e9),
)
