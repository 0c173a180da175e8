# SPDX-License-Identifier: Apache-2.0
"""Spans of an agent's work and transactions: what is in them, that a round is one trace, and that they reach a collector."""

from __future__ import annotations

import gzip
import http.server
import sys
import threading
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bcfl.agents.errors import TracingUnavailable
from bcfl.agents.hosting.observing import tracing
from bcfl.agents.hosting.observing.tracing import TracedProgram, TracedRole, TracedTransactions, open_tracer
from bcfl.agents.runtime.actions import Work
from bcfl.agents.runtime.current_task import acting_in
from bcfl.contracts.ids import Address

TASK, OTHER = Address("0x" + "a" * 40), Address("0x" + "b" * 40)


@dataclass(frozen=True, kw_only=True)
class CheckEvaluation(Work[int]):
    """Something to do."""


class Hands:
    """An agent that does one thing, or cannot."""

    role = "trainer"

    def __init__(self, name="ann", error=None):
        self.name = name
        self.error = error

    def decide(self, view, results):
        return [view, results]

    async def perform(self, work):
        if self.error is not None:
            raise self.error
        return 7


class Heard:
    """An observer behind."""

    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        return lambda *given, **more: self.heard.append((name, given, more))


@pytest.fixture
def spans():
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return SimpleNamespace(tracer=provider.get_tracer("t"), done=exporter.get_finished_spans)


@pytest.mark.asyncio
async def test_a_piece_of_work_is_a_span_that_says_whose_and_of_what(spans):
    role = TracedRole(Hands(), TASK, spans.tracer)
    assert (role.name, role.role, role.decide(1, 2)) == ("ann", "trainer", [1, 2])
    assert await role.perform(CheckEvaluation(round=3)) == 7
    (span,) = spans.done()
    assert span.name == "check evaluation"
    assert dict(span.attributes) == {
        "bcfl.agent": "ann",
        "bcfl.role": "trainer",
        "bcfl.round": 3,
        "bcfl.task": TASK,
    }


@pytest.mark.asyncio
async def test_what_it_fails_with_is_in_the_span_and_goes_on(spans):
    with pytest.raises(ValueError, match="no data"):
        await TracedRole(Hands(error=ValueError("no data")), TASK, spans.tracer).perform(
            CheckEvaluation(round=1)
        )
    (span,) = spans.done()
    assert not span.status.is_ok
    assert span.events[0].attributes["exception.message"] == "no data"


@pytest.mark.asyncio
async def test_a_round_is_one_trace_whoevers_agents_act_in_it(spans):
    for role, task, number in (("ann", TASK, 1), ("ben", TASK, 1), ("ann", TASK, 2), ("ann", OTHER, 1)):
        await TracedRole(Hands(role), task, spans.tracer).perform(CheckEvaluation(round=number))
    ann, ben, later, other = (span.context.trace_id for span in spans.done())
    assert ann == ben
    assert len({ann, later, other}) == 3


def test_a_transaction_lasts_from_the_decision_to_its_outcome(spans):
    heard = Heard()
    told = TracedTransactions(heard, spans.tracer)
    who = {"agent": "ann", "role": "trainer", "name": "advance:closing:17", "round_number": 2}
    told.decided(**who, evidence={})
    told.delivered("a block")
    told.transacted(**who, status="reverted", gas=21_000, reason="WrongPhase")
    (span,) = spans.done()
    assert span.name == "transaction advance"
    assert span.end_time > span.start_time
    assert span.attributes["bcfl.transaction.status"] == "reverted"
    assert span.attributes["bcfl.transaction.gas"] == 21_000
    assert [name for name, *_ in heard.heard] == ["decided", "delivered", "transacted"]


@pytest.mark.asyncio
async def test_a_transaction_is_of_its_round_s_trace(spans):
    await TracedRole(Hands(), TASK, spans.tracer).perform(CheckEvaluation(round=2))
    told = TracedTransactions(Heard(), spans.tracer)
    who = {"agent": "ann", "role": "trainer", "name": "commit", "round_number": 2}
    with acting_in(SimpleNamespace(seen=SimpleNamespace(address=TASK))):
        told.decided(**who, evidence={})
        told.transacted(**who, status="included", gas=1, reason="")
    work, sent = spans.done()
    assert sent.context.trace_id == work.context.trace_id
    assert sent.attributes["bcfl.task"] == TASK


def test_one_of_an_earlier_life_has_an_end_alone(spans):
    told = TracedTransactions(Heard(), spans.tracer)
    told.transacted(
        agent="ann", role="trainer", name="reveal", round_number=2, status="included", gas=1, reason=""
    )
    (span,) = spans.done()
    assert span.end_time == span.start_time


def test_a_program_s_agents_are_traced_and_it_is_else_what_it_was(spans):
    program = SimpleNamespace(
        role="trainer",
        deposit=lambda state: ("deposit", state),
        needs=lambda state, specification: ("needs", state, specification),
        refuses=lambda task, me: ("refuses", task, me),
        agents=lambda task, me, services: [Hands(), Hands("ben")],
        over=lambda state, me: ("over", state, me),
    )
    traced = TracedProgram(program, spans.tracer)
    assert traced.role == "trainer"
    assert traced.deposit(1) == ("deposit", 1)
    assert traced.needs(1, 2) == ("needs", 1, 2)
    assert traced.refuses(1, 2) == ("refuses", 1, 2)
    assert traced.over(1, 2) == ("over", 1, 2)
    task = SimpleNamespace(state=SimpleNamespace(address=TASK))
    assert [role.name for role in traced.agents(task, 1, 2)] == ["ann", "ben"]
    assert all(isinstance(role, TracedRole) for role in traced.agents(task, 1, 2))


@pytest.mark.asyncio
async def test_spans_reach_a_collector_before_the_agent_is_gone():
    got = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_given):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with open_tracer(f"http://127.0.0.1:{server.server_address[1]}/v1/traces", name="ann") as tracer:
                await TracedRole(Hands(), TASK, tracer).perform(CheckEvaluation(round=1))
        finally:
            server.shutdown()
            thread.join()
    ((path, body),) = got
    request = ExportTraceServiceRequest.FromString(_unpacked(body))
    (resource,) = request.resource_spans
    attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert path == "/v1/traces"
    assert (attributes["service.name"], attributes["service.instance.id"]) == ("bcfl", "ann")
    assert resource.scope_spans[0].spans[0].name == "check evaluation"


def test_a_collector_that_is_away_is_said_once(monkeypatch):
    said, results = [], [SpanExportResult.FAILURE] * 2 + [SpanExportResult.SUCCESS, SpanExportResult.FAILURE]
    monkeypatch.setattr(tracing, "_log", SimpleNamespace(warning=lambda *given, **more: said.append(more)))
    exporter = SimpleNamespace(export=lambda spans: results.pop(0))
    sender = tracing._Sender(exporter, "http://user:key@127.0.0.1:4318/v1/traces?key=1")
    for told in (1, 1, 1, 2):
        sender.export([])
        assert len(said) == told
    assert said[0] == {"collector": "http://127.0.0.1:4318/…"}


def _unpacked(body):

    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def test_where_the_packages_are_not_that_is_said_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with (
        pytest.raises(TracingUnavailable, match=r"pip install 'bcfl\[tracing\]'"),
        open_tracer("http://x", name="a"),
    ):
        pass


def test_the_same_action_of_two_tasks_has_two_beginnings_and_other_decisions_none(spans):
    told = TracedTransactions(Heard(), spans.tracer)
    who = {"agent": "ann", "role": "trainer", "name": "commit", "round_number": 3}
    tasks = [SimpleNamespace(seen=SimpleNamespace(address=task)) for task in (TASK, OTHER)]
    for task in tasks:
        with acting_in(task):
            told.decided(**who, evidence={})
            told.decided(**{**who, "name": "trained"}, evidence={})
    for task in tasks:
        with acting_in(task):
            told.transacted(**who, status="included", gas=1, reason="")
    first, second = spans.done()
    assert first.start_time < second.start_time < first.end_time < second.end_time
    assert told._began == {}
