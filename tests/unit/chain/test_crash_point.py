# SPDX-License-Identifier: Apache-2.0
"""A crash for tests happens where it is named, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from bcfl.chain.crash_point import crash_point
from bcfl.chain.outbox import ActionKey

KEY = "from bcfl.chain.outbox import ActionKey; key = ActionKey('ann', '0xtask', 1, 'commit')\n"
PASS = "from bcfl.chain.crash_point import crash_point\n" + KEY


def run(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", PASS + program],
        env={**os.environ, "BCFL_CRASH_AT": "after-sign", **environment},
        capture_output=True,
        text=True,
    )


def test_it_kills_only_where_it_is_named(monkeypatch):
    monkeypatch.setenv("BCFL_CRASH_AT", "after-sign")
    crash_point("after-send", [ActionKey("ann", "0xtask", 1, "commit")])
    died = run("crash_point('after-sign'); print('alive')")
    assert died.returncode == -signal.SIGKILL
    assert died.stdout == ""


def test_once_for_each_action_where_a_directory_remembers(tmp_path):
    program = "crash_point('after-sign', [key]); print('alive')"
    statuses = [run(program, BCFL_CRASH_ONCE=str(tmp_path)).returncode for _ in range(3)]
    assert statuses == [-signal.SIGKILL, 0, 0]
    other = "key = ActionKey('ann', '0xtask', 2, 'commit'); " + program
    assert run(other, BCFL_CRASH_ONCE=str(tmp_path)).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    assert run("crash_point('after-sign'); print('alive')", BCFL_CRASH_ONCE=str(tmp_path)).stdout == "alive\n"
