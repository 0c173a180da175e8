# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus, where there is one, scrapes an agent's endpoint and answers what the page on operating asks it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import anyio.to_thread
import pytest
from prometheus_client import CollectorRegistry

from bcfl.agents.hosting.observing.endpoint import agent_endpoint
from bcfl.agents.hosting.observing.metrics import Metered
from bcfl.contracts.delivery import Batch, BlockRef, Level
from bcfl.serving import serving

DOCS = Path(__file__).parents[2] / "docs" / "operating.md"
PROGRAM = shutil.which("prometheus")


class Nobody:
    """Hears everything and does nothing."""

    def delivered(self, delivery):
        pass

    def decided(self, **_):
        pass

    def transacted(self, **_):
        pass


def asked(port, query):
    """What Prometheus answers: values by the sample's labels."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    given = urllib.parse.urlencode({"query": query})
    with opener.open(f"http://127.0.0.1:{port}/api/v1/query?{given}", timeout=5) as answer:
        told = json.load(answer)
    assert told["status"] == "success"
    return [(one["metric"], float(one["value"][1])) for one in told["data"]["result"]]


def scraped(folder, target, queries):
    """The answers, once Prometheus has scraped the target."""
    # The page's own configuration, with the port that is the agent's here.
    found = re.search(r"```yaml prometheus.yml\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    text = "global: {scrape_interval: 1s}\n" + found.replace("127.0.0.1:9464", target)
    assert target in text
    (folder / "prometheus.yml").write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PROGRAM, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            try:
                if asked(port, "bcfl_head_block"):
                    return {query: asked(port, query) for query in queries}
            except urllib.error.URLError:
                pass
            time.sleep(0.3)
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.skipif(PROGRAM is None, reason="there is no prometheus here")
@pytest.mark.asyncio
async def test_prometheus_reads_an_agent_as_the_page_says(tmp_path):
    registry = CollectorRegistry()
    metered = Metered(Nobody(), registry)
    block = BlockRef(7, f"0x{7:064x}", f"0x{6:064x}", int(time.time()))
    metered.delivered(Batch(block=block, level=Level.SEEN, events=()))
    metered.transacted(
        agent="ann", role="trainer", name="commit", round_number=1, status="failed", gas=0, reason="no ether"
    )
    alerts = re.findall(r"`([^`]*bcfl_[^`]* [<>] \d+)`", DOCS.read_text())
    assert len(alerts) == 3
    queries = ["bcfl_head_block", "bcfl_transactions_total", "up", *alerts]
    async with serving(agent_endpoint(registry, head=lambda: 7), port=0) as address:
        target = address.removeprefix("http://")
        found = await anyio.to_thread.run_sync(scraped, tmp_path, target, queries)
    assert [(metric["level"], value) for metric, value in found["bcfl_head_block"]] == [("seen", 7)]
    ((failed, count),) = found["bcfl_transactions_total"]
    assert (failed["status"], failed["action"], count) == ("failed", "commit", 1)
    assert [value for _, value in found["up"]] == [1]
    assert all(query in found for query in alerts)  # what the page says deserves an alert is understood
