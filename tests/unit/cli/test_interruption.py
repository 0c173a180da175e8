# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys

import anyio
import pytest

from bcfl.cli.interruption import run_until_stopped
from bcfl.errors import ChainError

SCRIPT = """
import anyio
from bcfl.cli.interruption import run_until_stopped

async def work():
    try:
        print("ready", flush=True)
        await anyio.sleep(60)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.3)
        print("cleaned up", flush=True)

run_until_stopped(work)
"""


@pytest.mark.parametrize(
    ("signals", "status"),
    [([signal.SIGINT], 130), ([signal.SIGTERM], 143), ([signal.SIGINT, signal.SIGINT], 130)],
)
def test_a_signal_lets_the_work_clean_up_then_says_stopped(signals, status):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for number in signals:
                process.send_signal(number)
                anyio.run(anyio.sleep, 0.05)
            out, err = process.communicate(timeout=15)
        finally:
            if process.poll() is None:
                process.kill()
    assert (process.returncode, out, err) == (status, "cleaned up\n", "stopping …\nstopped\n")


def test_a_result_and_an_error_come_through_as_they_are():
    async def five() -> int:
        return 5

    async def broken() -> int:
        raise ChainError("gone")

    assert run_until_stopped(five) == 5
    with pytest.raises(ChainError, match="gone"):
        run_until_stopped(broken)


def test_the_handlers_are_given_back():
    before = signal.getsignal(signal.SIGINT)

    async def nothing() -> None:
        return None

    run_until_stopped(nothing)
    assert signal.getsignal(signal.SIGINT) is before
