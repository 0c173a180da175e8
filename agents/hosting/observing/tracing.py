# SPDX-License-Identifier: Apache-2.0
"""What an agent does as OpenTelemetry spans: a piece of work or a transaction each, sent by OTLP over HTTP.

All spans of one round of one task, whoever's agent they are, are of one trace: its id follows from task and round, so that
agents that know nothing of each other are seen side by side.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import structlog

from bcfl.agents.common.decisions import DECISIONS
from bcfl.agents.common.services import AgentServices
from bcfl.agents.errors import TracingUnavailable
from bcfl.agents.hosting.limits import Needs
from bcfl.agents.hosting.programs import OpenTask, Program, Self
from bcfl.agents.runtime.actions import Action, Results, View, Work
from bcfl.agents.runtime.current_task import current_task
from bcfl.agents.runtime.ports import Observer
from bcfl.agents.runtime.shell import Role
from bcfl.contracts.delivery import Delivery
from bcfl.contracts.ids import Address
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.log import public_url

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Tracer

__all__ = ("TracedProgram", "TracedRole", "TracedTransactions", "open_tracer")

_log = structlog.stdlib.get_logger("bcfl.agents.hosting")

_TIMEOUT_S = 3.0
_REMEMBERED = 1024
"""Transactions under way; the oldest is forgotten."""


@contextmanager
def open_tracer(endpoint: str, *, name: str) -> Iterator[Tracer]:
    """Sends spans to a collector; those that are left are sent on leaving.

    Args:
        endpoint: its address for traces, such as ``http://127.0.0.1:4318/v1/traces``.
        name: of the agent, as ``service.instance.id``.

    Raises:
        TracingUnavailable: the packages for it are not here.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise TracingUnavailable(
            "Traces are sent by packages that are not here: pip install 'bcfl[tracing]', or leave --traces out."
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": "bcfl", "service.instance.id": name}),
        shutdown_on_exit=False,
    )
    # A collector that is away for a day would be on the terminal every few seconds; it is said once instead.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    exporter = _Sender(OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S), endpoint)
    provider.add_span_processor(BatchSpanProcessor(cast("SpanExporter", exporter)))
    try:
        yield provider.get_tracer("bcfl")
    finally:
        provider.shutdown()


class _Sender:
    """Sends spans, and says when that begins to fail; what cannot be sent is lost."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        result = self._exporter.export(spans)
        failed = result.name != "SUCCESS"
        if failed and not self._fails:
            _log.warning("traces_not_sent", collector=public_url(self._endpoint))
        self._fails = failed
        return result

    def shutdown(self) -> None:
        """No more come."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held here."""
        return self._exporter.force_flush(timeout_millis)


class TracedRole:
    """An agent of a task, with a span for each piece of its work.

    Args:
        role: the agent.
        task: its task.
        tracer: takes the spans.
    """

    def __init__(self, role: Role, task: Address, tracer: Tracer) -> None:
        self._role = role
        self._task = task
        self._tracer = tracer

    @property
    def name(self) -> str:
        """The agent's."""
        return self._role.name

    @property
    def role(self) -> str:
        """The agent's."""
        return self._role.role

    def decide(self, view: View, results: Results) -> Sequence[Action]:
        """What the agent wants."""
        return self._role.decide(view, results)

    async def perform(self, work: Work[Any]) -> Any:  # noqa: ANN401 - each role's own results
        """Have it done; what it fails with is in the span."""
        attributes = _attributes(self.name, self.role, work.round) | {"bcfl.task": self._task}
        context = _round_context(self._task, work.round)
        with self._tracer.start_as_current_span(_spoken(work), context=context, attributes=attributes):
            return await self._role.perform(work)


class TracedProgram:
    """What somebody is in a task, with agents whose work is traced.

    Args:
        program: without.
        tracer: takes the spans.
    """

    def __init__(self, program: Program, tracer: Tracer) -> None:
        self._program = program
        self._tracer = tracer

    @property
    def role(self) -> str:
        """The program's."""
        return self._program.role

    def deposit(self, state: TaskState) -> int:
        """The program's."""
        return self._program.deposit(state)

    def needs(self, state: TaskState, specification: Specification) -> Needs:
        """The program's."""
        return self._program.needs(state, specification)

    def refuses(self, task: OpenTask, me: Self) -> str | None:
        """The program's."""
        return self._program.refuses(task, me)

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:
        """The program's, each with spans."""
        roles = self._program.agents(task, me, services)
        return [TracedRole(role, task.state.address, self._tracer) for role in roles]

    def over(self, state: TaskState, me: Self) -> bool:
        """The program's."""
        return self._program.over(state, me)


class TracedTransactions:
    """An observer with a span for each transaction, from the decision to its outcome; it passes on what it hears.

    Args:
        beyond: the observer that hears everything too.
        tracer: takes the spans.
    """

    def __init__(self, beyond: Observer, tracer: Tracer) -> None:
        self._beyond = beyond
        self._tracer = tracer
        self._began: dict[tuple[Address | None, str, str, int], int] = {}

    def delivered(self, delivery: Delivery) -> None:
        """Blocks came or went."""
        self._beyond.delivered(delivery)

    def decided(
        self, *, agent: str, role: str, name: str, round_number: int, evidence: Mapping[str, Any]
    ) -> None:
        """An agent did or wants something."""
        if name not in DECISIONS:  # what an agent did otherwise has no outcome
            self._began[current_task(), agent, name, round_number] = time.time_ns()
        while len(self._began) > _REMEMBERED:
            del self._began[next(iter(self._began))]
        self._beyond.decided(agent=agent, role=role, name=name, round_number=round_number, evidence=evidence)

    def transacted(
        self, *, agent: str, role: str, name: str, round_number: int, status: str, gas: int, reason: str
    ) -> None:
        """A transaction ended."""
        ended = time.time_ns()
        task = current_task()
        attributes = _attributes(agent, role, round_number) | {
            "bcfl.transaction.status": status,
            "bcfl.transaction.gas": gas,
            "bcfl.transaction.reason": reason,
            **({} if task is None else {"bcfl.task": task}),
        }
        span = self._tracer.start_span(
            f"transaction {name.partition(':')[0]}",
            context=None if task is None else _round_context(task, round_number),
            start_time=self._began.pop((task, agent, name, round_number), ended),
            attributes=attributes,
        )
        span.end(ended)
        self._beyond.transacted(
            agent=agent,
            role=role,
            name=name,
            round_number=round_number,
            status=status,
            gas=gas,
            reason=reason,
        )


def _attributes(agent: str, role: str, round_number: int) -> dict[str, str | int]:
    return {"bcfl.agent": agent, "bcfl.role": role, "bcfl.round": round_number}


def _spoken(work: Work[Any]) -> str:
    """``CheckEvaluation`` as ``check evaluation``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(work).__name__).lower()


def _round_context(task: Address, number: int) -> Context:
    """A parent that every agent derives alike, so that their spans of a round are of one trace."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    digest = hashlib.sha256(f"{task}/{number}".encode()).digest()
    parent = SpanContext(
        trace_id=int.from_bytes(digest[:16], "big"),
        span_id=int.from_bytes(digest[16:24], "big"),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(parent))
