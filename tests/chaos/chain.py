# SPDX-License-Identifier: Apache-2.0
"""An anvil in a process of its own, read without bcfl's node, pump and chronicle, and the one task on it.

Its blocks come by interval; a test may hold them, so that what happens between two is no question of speed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from bcfl.chain.devnet import find_anvil
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.delivery import BlockRef, EventOrigin
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.phases import Phase
from bcfl.contracts.state import TaskState

__all__ = ("Chain", "Said")

_PAUSE_S = 0.05
_READY_S = 30.0


@dataclass(frozen=True)
class Said:
    """An event of the task and the timestamp of its block."""

    time: int
    event: Any


class Chain:
    """A running anvil: ``state`` of the task and all that its contract ``said``, as of the last look."""

    def __init__(self, tmp_path: Path) -> None:
        self.state: TaskState | None = None
        self.said: list[Said] = []
        self._read = -1
        self._ids = itertools.count()
        output = tmp_path / "anvil.out"
        command = [
            str(find_anvil()), "--host", "127.0.0.1", "--port", "0", "--block-time", "0.5", "--order", "fifo",
            "--block-base-fee-per-gas", "0", "--gas-limit", "1000000000",
        ]  # fmt: skip
        with output.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _READY_S
        while (listening := re.search(r"^Listening on \S+:(\d+)$", output.read_text(), re.MULTILINE)) is None:
            assert self.process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(_PAUSE_S)
        self.port = int(listening[1])
        self.ask("anvil_setLoggingEnabled", False)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def task(self) -> TaskState:
        assert self.state is not None
        return self.state

    @property
    def now(self) -> int:
        """Timestamp of the newest block."""
        return int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
            answer = json.load(response)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def look(self) -> None:
        """Read the blocks that are new."""
        head = int(self.ask("eth_blockNumber"), 16)
        if head <= self._read:
            return
        logs = self.ask("eth_getLogs", {"fromBlock": hex(self._read + 1), "toBlock": hex(head)})
        self._read = head
        blocks: dict[str, BlockRef] = {}
        for log in logs:
            number = log["blockNumber"]
            if number not in blocks:
                raw = self.ask("eth_getBlockByNumber", number, False)
                blocks[number] = BlockRef(
                    int(number, 16), raw["hash"], raw["parentHash"], int(raw["timestamp"], 16)
                )
            self._take(log, blocks[number])

    def _take(self, log: dict[str, Any], block: BlockRef) -> None:
        origin = EventOrigin(
            block=block,
            log_index=int(log["logIndex"], 16),
            transaction=log["transactionHash"],
            address=to_checksum_address(log["address"]),
        )
        topics = tuple(bytes.fromhex(topic[2:]) for topic in log["topics"])
        for event in decode_log(origin=origin, topics=topics, data=bytes.fromhex(log["data"][2:])):
            if self.state is None and isinstance(event, e.TaskCreated):
                self.state = first_state(event)
                for said in self.said:  # its own first event stands before the factory's
                    if said.event.origin.address == event.task:
                        self.state = fold(self.state, [said.event])
            elif self.state is not None and origin.address == self.state.address:
                self.state = fold(self.state, [event])
            self.said.append(Said(block.timestamp, event))

    def waits(self, account: str, selector: bytes) -> bool:
        """Whether a call of that function is in the pool, from that account."""
        pool = self.ask("txpool_content")
        return any(
            transaction["input"].startswith(f"0x{selector.hex()}")
            for part in ("pending", "queued")
            for sender, transactions in pool[part].items()
            for transaction in transactions.values()
            if sender.lower() == account.lower()
        )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """No block comes by itself in here; afterwards one a second."""
        self.ask("evm_setIntervalMining", 0)
        try:
            yield
        finally:
            self.ask("evm_setIntervalMining", 1)

    def mine(self) -> None:
        self.ask("evm_mine")

    def hasten(self, timestamp: int) -> None:
        """Move the node's clock forward to that time."""
        seconds = timestamp - self.now
        if seconds > 0:
            self.ask("evm_increaseTime", seconds)

    def is_in(self, round_number: int, phase: Phase) -> bool:
        """Whether the task was there at the last look."""
        return self.state is not None and (self.state.round, self.state.phase) == (round_number, phase)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
