# SPDX-License-Identifier: Apache-2.0
"""What becomes of an agent that fails in one of its tasks."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from bcfl.agents.errors import AgentBroken, ModelDisagreement
from bcfl.agents.hosting.host_events import GaveUpTask
from bcfl.agents.hosting.living import _gave_up
from bcfl.scenarios.running.hosting import _absent

ROLE = SimpleNamespace(name="hospital", role="member")


@pytest.mark.parametrize("error", [AgentBroken("It failed 5 times."), ModelDisagreement()])
def test_its_other_tasks_go_on_and_where_there_is_but_this_one_it_ends(error):
    told = []
    assert _gave_up(told.append, ROLE, error, alone=False)
    assert told == [GaveUpTask(agent="hospital", reason=str(error))]
    assert not _gave_up(told.append, ROLE, error, alone=True)
    assert len(told) == 1


def test_a_run_in_which_two_models_are_found_is_over():
    assert not _absent(None, ROLE, ModelDisagreement())


def test_an_agent_is_ready_before_torch_is_loaded():
    """That takes longer than all else that it needs to know its tasks' past."""
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys, anyio, bcfl.cli.agent, bcfl.agents.hosting.living, bcfl.agents.hosting.programs\n"
                "from bcfl.models.training.engine import Engine\n"
                "async def work():\n"
                "    async with Engine.start(executor='threads', workers=2):\n"
                "        print('torch' in sys.modules)\n"
                "anyio.run(work)"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert found.stdout.strip() == "False"
