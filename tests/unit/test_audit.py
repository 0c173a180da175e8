# SPDX-License-Identifier: Apache-2.0
"""``.ci/audit``: a known weakness fails, silence of a registry is said and does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit"
SOUND = {"dependencies": [{"name": "anyio", "version": "4.0", "vulns": []}]}
WEAK = {"dependencies": [{"name": "anyio", "version": "4.0", "vulns": [{"id": "PYSEC-1"}]}]}
SKIPPED = {"dependencies": [{"name": "anyio", "skip_reason": "anyio was not found on PyPI"}]}
CALM = {"vulnerabilities": {"ws": {"severity": "high"}}}
CRITICAL = {"vulnerabilities": {"ws": {"severity": "critical"}}}
SILENT = {"message": "405 Method Not Allowed"}


def _tool(folder, name, answer, status):
    path = folder / name
    answered = json.dumps(answer) if answer is not None else ""
    path.write_text(f"#!/bin/sh\necho 'of no matter' >&2\ncat <<'E'\n{answered}\nE\nexit {status}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("python", "node", "status", "said"),
    [
        (SOUND, CALM, 0, "Python packages: nothing known against them"),
        (WEAK, CALM, 1, "Python packages: anyio 4.0: PYSEC-1"),
        (SOUND, CRITICAL, 1, "Node packages: ws: critical"),
        (SKIPPED, CALM, 0, "Python packages: not checked, since nobody answered: anyio was not found"),
        (SOUND, SILENT, 0, "Node packages: not checked, since nobody answered: 405"),
        (None, None, 0, "Node packages: not checked, since nobody answered: of no matter"),
        (None, CRITICAL, 1, "Python packages: not checked"),
    ],
)
def test_what_is_known_fails_and_silence_is_said(tmp_path, python, node, status, said):
    _tool(tmp_path, "pip-audit", python, 1)
    _tool(tmp_path, "npm", node, 1)
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout


def test_where_the_tools_are_not_that_is_said(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.count("not checked") == 2
