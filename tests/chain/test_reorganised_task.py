# SPDX-License-Identifier: Apache-2.0
"""A whole task whose chain is reorganised, three blocks deep, in every phase: the tokens are those of a quiet one."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from bcfl.agents.common.retrieval import Retrieval
from bcfl.chain.devnet import Devnet
from bcfl.chain.node import open_node
from bcfl.contracts.phases import Phase
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.definition.tokens import CREDIT_UNIT
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.following.factory import FactoryWatch, Watching
from bcfl.scenarios.running.progress import PhaseChanged, RunEvent
from bcfl.scenarios.running.runner import run
from bcfl.storage.opening import open_store

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
        rich = (await node.accounts())[0]
        gift = {"from": rich, "to": rich, "value": "0x1"}

        async def reorganise() -> None:
            async for _ in heard:
                # A transaction of its own in the first of the new blocks makes all three others than before.
                await node.transport.request("anvil_reorg", [DEPTH, [[gift, 0]]])
                await anyio.sleep(0.3)  # a block, so that two of them are not seen as one

        seen: list[FactoryWatch] = []

        async def look_on() -> None:
            """Somebody who takes no part sees the newest blocks, and what they take back."""
            while not (tmp_path / "disturbed" / "chain.json").is_file():
                await anyio.sleep(0.05)
            factory = RunDirectory.open(tmp_path / "disturbed").chain()["factory"]
            async with open_node(devnet.url) as own, open_store("memory", None) as store:
                what = Watching(factory=factory, confirmations=DEPTH + 2)
                seen.append(FactoryWatch(node=own, retrieval=Retrieval(store, deadline_s=0.1), what=what))
                await seen[0].run()

        async with anyio.create_task_group() as group:
            group.start_soon(reorganise)
            group.start_soon(look_on)
            settings = [f"chain.url={devnet.url}", f"chain.confirmations={DEPTH + 2}"]
            disturbed = await run(
                load(QUICK, schedule + settings), out=tmp_path / "disturbed", observer=watch
            )
            await seen[0].level()
            group.cancel_scope.cancel()

    assert reorganised == PHASES
    log = (tmp_path / "disturbed" / "events.jsonl").read_text().splitlines()
    depths = [len(record["blocks"]) for record in map(json.loads, log) if record["event"] == "retracted"]
    assert [depth for depth in depths if depth >= DEPTH] == depths
    assert len(depths) == len(PHASES)
    assert disturbed.summary.final.cid == quiet.summary.final.cid
    assert disturbed.summary.tokens == quiet.summary.tokens
    for name, participant in quiet.summary.participants.items():
        assert disturbed.summary.participants[name].tokens == participant.tokens, name
    (watched,) = seen[0].tasks.values()
    assert watched.state.phase is Phase.COMPLETED
    accounts = {who.address: int(who.tokens) for who in disturbed.summary.participants.values()}
    assert {member.account: member.withdrawn * CREDIT_UNIT for member in watched.state.members.values()} == {
        member.account: accounts[member.account] for member in watched.state.members.values()
    }
    assert watched.missing == {
        record.report for record in watched.state.rounds.values()
    }  # a store of its own, which has no reports
