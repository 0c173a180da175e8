# SPDX-License-Identifier: Apache-2.0
"""``deploy/``: the Procfile from nothing to a task that is over, the unit, and that every name in the other files is one that there is."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from bcfl.agents.hosting.observing.metrics import _GAUGES, Metered

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent


def _free_port():
    """Below the ports that systems give to who asks for any: no test beside this one can be given it meanwhile."""
    while True:
        port = random.randrange(15_000, 30_000)  # noqa: S311 - a port
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@pytest.mark.anvil
@pytest.mark.timeout(300)
def test_the_procfile_from_nothing_to_a_task_that_is_over_and_everybody_paid(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BCFL_NETWORK")},
        "BCFL_HOME": str(home),
        "BCFL_PASSWORD": "secret",
        "CHAIN_PORT": str(_free_port()),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
    }
    output = tmp_path / "honcho.out"
    with output.open("w") as file:
        honcho = subprocess.Popen(
            [str(BIN / "honcho"), "--no-colour", "start"],
            cwd=DEPLOY,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while output.read_text().count("tokens were paid") < 5:
            assert honcho.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.5)
        shown = subprocess.run(
            [str(BIN / "bcfl"), "task", "list", "--all", "--network", "demo", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        honcho.send_signal(signal.SIGTERM)
        honcho.wait(30)
    (task,) = json.loads(shown.stdout)
    assert (task["phase"], task["round"]) == ("completed", 3), task
    assert len(re.findall(r"answers at http://127\.0\.0\.1", output.read_text())) == 5
    paid = re.findall(r"(\w+)\.1 +\| \S+ is over: ([\d.]+) tokens", output.read_text())
    assert {name for name, tokens in paid if float(tokens) > 0} == {"ann", "ben", "cem"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_sound(tmp_path):
    unit = tmp_path / "bcfl-agent@trainer-ann.service"
    shutil.copy(DEPLOY / "systemd" / "bcfl-agent@.service", unit)
    done = subprocess.run(
        [shutil.which("systemd-analyze"), "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "bcfl-agent" not in done.stderr, done.stderr
    shell = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", unit.read_text(), re.MULTILINE)[1]
    script = shell.replace("$$", "$").replace("%%", "%").replace("%i", "trainer-ann").replace("exec", "echo")
    said = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"OPTIONS": "--network trial", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["bcfl", "agent", "trainer", "--key", "ann", "--network", "trial"]


def test_every_agent_of_the_compose_file_is_scraped_and_every_metric_of_the_dashboard_is_told():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    ports = {
        service["command"][service["command"].index("--metrics") + 1]
        for service in compose["services"].values()
        if "--metrics" in service.get("command", ())
    }
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"]
    assert scraped == [{"targets": [f"127.0.0.1:{port}" for port in sorted(ports)]}]
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        program = service.get("command", ["bcfl"])[0]
        assert program == "bcfl" or (DEPLOY / program).exists()
    registry = CollectorRegistry()
    Metered(None, registry)
    told = {name for name, _, _ in _GAUGES} | {"bcfl_transactions_under_way"}
    told |= {
        f"{family.name}_total" if family.type == "counter" else family.name for family in registry.collect()
    }
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "bcfl.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:bcfl|process)_\w+", target["expr"])
    }
    assert asked
    assert asked <= told
