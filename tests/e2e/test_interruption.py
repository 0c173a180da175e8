# SPDX-License-Identifier: Apache-2.0
"""A killed node and Ctrl-C: one clear sentence, a status, and no process left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from bcfl.chain.devnet import find_anvil

LONG = ("--set", "task.rounds=400")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_own_devnet_killed_is_one_sentence_and_a_status_within_5_seconds(start, number):
    run = start(*LONG)
    run.until("round_done")
    os.kill(run.devnet_pid, number)
    killed = time.monotonic()
    assert run.end(timeout_s=30) == 4
    assert time.monotonic() - killed < 5
    last = run.text.strip().splitlines()[-1]
    assert last.startswith("error: The devnet (anvil)")
    assert "Traceback" not in run.text


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_term_stop_cleanly_and_leave_no_process(start, number, status):
    run = start(*LONG, "--set", "compute.executor=processes")
    run.until("round_done")
    devnet = run.devnet_pid
    children = [
        int(pid)
        for pid in Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    ]
    assert devnet in children
    os.kill(run.process.pid, number)
    assert run.end(timeout_s=20) == status
    assert "stopped" in run.text
    time.sleep(0.5)
    assert [pid for pid in children if alive(pid)] == []


def test_an_external_node_that_comes_back_from_its_state_is_waited_for(
    start, tmp_path: Path, outcome, finished
):
    same = ("--set", "task.schedule.closing_s=2", "--set", "task.rounds=4")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(find_anvil()), "--port", str(port), "--block-time", "0.4", "--state", str(tmp_path / "state.json"),
        "--preserve-historical-states",
    ]  # fmt: skip
    node = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.5)
        run = start(*same, "--set", f"chain.url=ws://127.0.0.1:{port}")
        run.until("round=2 phase=training")
        node.terminate()
        node.wait(10)
        time.sleep(1)
        node = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert run.end() == 0, run.text
    finally:
        node.kill()
        node.wait(10)
    assert outcome(run.directory) == outcome(finished(*same))
