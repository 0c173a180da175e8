# SPDX-License-Identifier: Apache-2.0
"""``bcfl audit --url``: the event log beside a real node that still has the run's blocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bcfl.chain.devnet import Devnet
from bcfl.chain.errors import BlockUnavailable, ChainIdentityChanged, ContractMissing, NodeUnreachable
from bcfl.chain.node import open_node
from bcfl.scenarios.audit.audit import audit
from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.digests import write_digests
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.running.runner import run

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.yaml"

pytestmark = [pytest.mark.anvil, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def devnet():
    async with Devnet.start(block_time=0.25) as devnet:
        yield devnet


@pytest_asyncio.fixture
async def directory(devnet: Devnet, tmp_path: Path) -> Path:
    """A run on a node that is not its own, and goes on."""
    settings = [f"chain.url={devnet.url}", "task.rounds=1", "task.schedule.closing_s=2"]
    return (await run(load(QUICK, settings), out=tmp_path / "run")).directory


def rewritten(directory: Path, change: Callable[[list[dict[str, Any]]], int]) -> str:
    """Alter the log so that nothing in the directory speaks against it; the line where a chain does."""
    path = directory / "events.jsonl"
    told = [json.loads(line) for line in path.read_text().splitlines()]
    number = change(told)
    path.write_text("".join(json.dumps(one, sort_keys=True, ensure_ascii=False) + "\n" for one in told))
    write_digests(RunDirectory(directory))
    return f"events.jsonl, line {number}"


def place_of(told: list[dict[str, Any]], event: str) -> int:
    return next(place for place, one in enumerate(told) if one["event"] == event)


def another_transaction(told: list[dict[str, Any]]) -> int:
    place = place_of(told, "TaskCompleted")
    told[place]["origin"]["transaction"] = "0x" + "ab" * 32
    return place + 1


def another_time(told: list[dict[str, Any]]) -> int:
    """Of every line of the block in which the trainers commit: no line contradicts another."""
    block = told[place_of(told, "create_task")]["block"]
    lines = [place for place, one in enumerate(told) if one["block"] == block and one["source"] != "chain"]
    for place in lines:
        told[place]["time"] += 1
    return lines[0] + 1


def left_out(told: list[dict[str, Any]]) -> int:
    place = place_of(told, "BondReturned")
    del told[place]
    return max(number for number, one in enumerate(told[:place], start=1) if one["source"] == "chain")


def made_up(told: list[dict[str, Any]]) -> int:
    place = place_of(told, "BondReturned")
    line = json.loads(json.dumps(told[place]))
    line["origin"]["log_index"] += 7
    told.insert(place + 1, line)
    return place + 2


def not_there_yet(told: list[dict[str, Any]]) -> int:
    told.append({**told[place_of(told, "refund")], "block": told[-1]["block"] + 10**6, "time": 2 * 10**9})
    return len(told)


async def test_a_node_confirms_an_untouched_log_and_names_what_was_altered(devnet, directory):
    assert (await audit(directory, url=devnet.url)).findings == ()
    path = directory / "events.jsonl"
    untouched = path.read_text()
    for change, offline in (
        (another_transaction, True),
        (another_time, True),
        (left_out, False),
        (made_up, False),
    ):
        where = rewritten(directory, change)
        assert ((await audit(directory)).findings == ()) is offline, change
        found = (await audit(directory, url=devnet.url)).findings
        assert where in {finding.where for finding in found}, (where, [str(finding) for finding in found])
        path.write_text(untouched)


async def test_a_node_of_another_chain_or_without_the_task_is_one_sentence(directory):
    async with Devnet.start(chain_id=4242) as other:
        with pytest.raises(ChainIdentityChanged, match=r"chain id 4242 .* correct the URL"):
            await audit(directory, url=other.url)
        url = other.url
    with pytest.raises(NodeUnreachable):
        await audit(directory, url=url)


async def test_a_node_that_has_forgotten_the_run_is_one_sentence(devnet, directory):
    chain = json.loads((directory / "chain.json").read_text())
    async with Devnet.start() as fresh:
        async with open_node(fresh.url) as node:
            (directory / "chain.json").write_text(json.dumps(chain | {"genesis_hash": node.genesis_hash}))
        write_digests(RunDirectory(directory))
        with pytest.raises(ContractMissing, match="has no contract at 0x"):
            await audit(directory, url=fresh.url)
    (directory / "chain.json").write_text(json.dumps(chain))
    rewritten(directory, not_there_yet)
    with pytest.raises(BlockUnavailable, match="does not give block"):
        await audit(directory, url=devnet.url)
