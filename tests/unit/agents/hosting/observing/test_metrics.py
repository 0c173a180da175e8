# SPDX-License-Identifier: Apache-2.0
"""What a living agent tells of itself: every number as Prometheus reads it, and nothing that grows without end."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from types import SimpleNamespace

import anyio.to_thread
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bcfl.agents.hosting.observing.endpoint import agent_endpoint
from bcfl.agents.hosting.observing.metrics import Metered, TaskGauges
from bcfl.contracts.delivery import Batch, BlockRef, Level, Retracted
from bcfl.serving import serving


class Silent:
    def __init__(self):
        self.heard = []

    def delivered(self, delivery):
        self.heard.append("delivered")

    def decided(self, **_):
        self.heard.append("decided")

    def transacted(self, **_):
        self.heard.append("transacted")


def _values(registry):
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def _block(number):
    return BlockRef(number, f"0x{number:064x}", f"0x{number - 1:064x}", 1000 + number)


def test_blocks_actions_and_transactions_are_counted_and_passed_on():
    registry, beyond = CollectorRegistry(), Silent()
    metered = Metered(beyond, registry)
    metered.delivered(Batch(block=_block(7), level=Level.SEEN, events=()))
    metered.delivered(Batch(block=_block(5), level=Level.FINAL, events=()))
    metered.delivered(Retracted(blocks=(_block(7), _block(6))))
    for deadline in range(3):
        name = f"advance:reveal:{deadline}"
        metered.decided(agent="a", role="keeper", name=name, round_number=1, evidence={})
        metered.transacted(
            agent="a", role="keeper", name=name, round_number=1, status="included", gas=50_000, reason=""
        )
    found = _values(registry)
    assert found["bcfl_head_block", "seen"] == 7
    assert found["bcfl_head_block", "final"] == 5
    assert found["bcfl_head_timestamp_seconds",] == 1007
    assert found["bcfl_blocks_retracted_total",] == 2
    assert found["bcfl_actions_total", "advance", "keeper"] == 3  # one series, whatever the deadlines
    assert found["bcfl_transactions_total", "advance", "included", "keeper"] == 3
    assert found["bcfl_gas_used_total", "keeper"] == 150_000
    assert found["process_resident_memory_bytes",] > 0
    assert beyond.heard == ["delivered"] * 3 + ["decided", "transacted"] * 3


def test_every_task_has_its_gauges_as_of_now(story):
    tale = story().enrol(2, stake=5).start()
    account = tale.state.members[1].account
    standing = SimpleNamespace(under_way=3, tasks=lambda: [(tale.state, True)])
    registry = CollectorRegistry()
    registry.register(TaskGauges(standing, account))
    found = _values(registry)
    task = tale.state.address
    assert found["bcfl_transactions_under_way",] == 3
    assert found["bcfl_task_participating", task] == 1
    assert found["bcfl_task_round", task] == tale.state.round
    assert found["bcfl_task_members", task] == 2
    assert found["bcfl_earned_tokens", task] == 0
    standing.tasks = list  # it is over
    assert not [key for key in _values(registry) if task in key]


def _get(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.asyncio
async def test_it_is_ready_once_it_knows_the_past_and_alive_before():
    registry, known = CollectorRegistry(), [None]
    Metered(Silent(), registry)
    async with serving(agent_endpoint(registry, head=lambda: known[0]), port=0) as address:

        async def ask(path):
            return await anyio.to_thread.run_sync(_get, f"{address}{path}")

        assert (await ask("/healthz"))[0] == 200
        assert (await ask("/readyz"))[0] == 503
        known[0] = 12
        status, text = await ask("/readyz")
        assert (status, json.loads(text)) == (200, {"status": "level", "block": 12})
        assert "bcfl_blocks_retracted_total 0.0" in (await ask("/metrics"))[1]
