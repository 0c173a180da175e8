# SPDX-License-Identifier: Apache-2.0
"""A whole task whose chain is reorganised, three blocks deep, in every phase: the tokens are those of a quiet one."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from bcfl.chain.devnet import Devnet
from bcfl.chain.node import open_node
from bcfl.scenarios.loading import load
from bcfl.scenarios.progress import PhaseChanged, RunEvent
from bcfl.scenarios.runner import run

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"
DEPTH = 3
PHASES = {"enrolment", "training", "reveal", "evaluation", "closing"}


@pytest.mark.asyncio
@pytest.mark.timeout(120)
async def test_three_blocks_reorganised_in_every_phase_leave_the_tokens_unchanged(tmp_path: Path) -> None:
    schedule = ["task.schedule.closing_s=8"]
    quiet = await run(load(QUICK, schedule), out=tmp_path / "quiet")
    reorganised: set[str] = set()
    wanted, heard = anyio.create_memory_object_stream[str](32)

    def watch(event: RunEvent) -> None:
        if isinstance(event, PhaseChanged) and event.phase in PHASES - reorganised:
            reorganised.add(event.phase)
            wanted.send_nowait(event.phase)

    async with Devnet.start(block_time=0.25) as devnet, open_node(devnet.url) as node, wanted, heard:

        async def reorganise() -> None:
            async for _ in heard:
                await node.transport.request("anvil_reorg", [DEPTH, []])

        async with anyio.create_task_group() as group:
            group.start_soon(reorganise)
            settings = [f"chain.url={devnet.url}", f"chain.confirmations={DEPTH + 2}"]
            disturbed = await run(
                load(QUICK, schedule + settings), out=tmp_path / "disturbed", observer=watch
            )
            group.cancel_scope.cancel()

    assert reorganised == PHASES
    assert disturbed.summary.events.retracted > 0
    assert disturbed.summary.final.cid == quiet.summary.final.cid
    assert disturbed.summary.tokens == quiet.summary.tokens
    for name, participant in quiet.summary.participants.items():
        assert disturbed.summary.participants[name].tokens == participant.tokens, name
