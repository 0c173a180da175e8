# SPDX-License-Identifier: Apache-2.0
"""The embedded devnet: finds, starts and stops anvil, and drives its clock.

Interval mining or, with ``block_time=None``, no mining until the driver asks: anvil 1.7 loses transactions
when it mines at each one under a burst. Blocks take transactions first come, first served.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import anyio
import anyio.abc
import structlog

from bcfl.chain.errors import AnvilNotFound, DevnetDied
from bcfl.chain.node import Node
from bcfl.chain.transport import connect
from bcfl.contracts import toolchain
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.errors import ProgramMissing
from bcfl.contracts.ids import Address

__all__ = ("Devnet", "Exited", "find_anvil", "mine", "mine_every", "pending_count", "set_balance")

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0
_LISTENING = re.compile(r"^Listening on \S+:(\d+)$", re.MULTILINE)

_log = structlog.stdlib.get_logger("bcfl.chain.devnet")


class Exited:
    """An event that is set when a process has ended."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process

    def is_set(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    async def wait(self) -> None:
        """Return when it has ended."""
        await self._process.wait()


class Devnet:
    """A running anvil; ``Devnet.start`` makes one and ends it with its block."""

    def __init__(self, *, process: anyio.abc.Process, port: int, output: IO[bytes]) -> None:
        self.port = port
        self._process = process
        self._output = output
        self._stopping = False

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        block_time: float | None = None,
        accounts: int = 10,
        base_fee: int = 0,
        gas_limit: int = 1_000_000_000,
        timestamp: int | None = None,
        chain_id: int = 31337,
        state: Path | None = None,
        save_every: int | None = None,
        port: int | None = None,
        slots_in_an_epoch: int = 1,
        order: str = "fifo",
    ) -> AsyncIterator[Devnet]:
        """Run anvil on loopback for the length of the block; no process is left behind, whatever ends the block.

        Args:
            block_time: seconds between blocks; None: no block until ``mine``.
            accounts: how many accounts anvil funds and signs for.
            base_fee: of the first block, in wei per gas; 0 stays 0.
            gas_limit: of a block.
            timestamp: of the genesis block, in seconds; None: now.
            chain_id: EIP-155 chain id.
            state: file that the chain is loaded from, if there, and saved to on stop.
            save_every: seconds after which it is saved again; None: only on stop.
            port: None: a free one, which anvil finds itself, so that nobody can take it in between.
            slots_in_an_epoch: head minus this is ``safe``, minus twice this is ``finalized``.
            order: how the pool is ordered: ``fifo`` or ``fees``.

        Raises:
            AnvilNotFound: no binary.
            DevnetDied: anvil did not start.
        """
        options = {
            "--accounts": accounts,
            "--block-base-fee-per-gas": base_fee,
            "--gas-limit": gas_limit,
            "--chain-id": chain_id,
            "--slots-in-an-epoch": slots_in_an_epoch,
            "--order": order,
        }
        if timestamp is not None:
            options["--timestamp"] = timestamp
        if state is not None:
            options["--state"] = str(state)
        if save_every is not None:
            options["--state-interval"] = save_every
        arguments = ["--no-mining"] if block_time is None else ["--block-time", f"{block_time:g}"]
        arguments += [str(part) for option in options.items() for part in option]
        devnet = await cls._spawn(find_anvil(), arguments, port or 0)
        try:
            await devnet.answering(chain_id)
            _log.info("devnet_started", url=devnet.url, pid=devnet.pid)
            yield devnet
        finally:
            await devnet.stop()

    @property
    def url(self) -> str:
        """Where the node answers, ``ws://127.0.0.1:PORT``."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of anvil."""
        return self._process.pid

    @property
    def exited(self) -> Exited:
        """Set when anvil has ended, by itself or by ``stop``."""
        return Exited(self._process)

    async def watch(self) -> None:
        """Return when anvil was stopped; run it beside whatever needs the devnet.

        Raises:
            DevnetDied: anvil ended by itself.
        """
        await self._process.wait()
        if not self._stopping:
            raise self.death()

    def death(self) -> DevnetDied:
        """Why anvil ended, with its last words."""
        status = self._process.returncode
        how = f"on signal {-status}" if status is not None and status < 0 else f"with status {status}"
        words = "" if status is not None and status < 0 else self._last_words()  # a signal leaves none
        where = f" at {self.url}" if self.port else ""
        return DevnetDied(f"The devnet (anvil){where} ended {how}{f': {words}' if words else ''}.")

    async def stop(self) -> None:
        """End anvil, which saves its state first; killed when it takes more than 5 s. Safe to repeat."""
        self._stopping = True
        with anyio.CancelScope(shield=True):
            if self._process.returncode is None:
                self._signal("terminate")
                with anyio.move_on_after(_STOP_TIMEOUT_S):
                    await self._process.wait()
                if self._process.returncode is None:
                    self._signal("kill")
                    await self._process.wait()
            self._output.close()

    def _signal(self, name: str) -> None:
        try:
            getattr(self._process, name)()
        except ProcessLookupError:
            _log.debug("devnet_already_gone", pid=self.pid)

    @classmethod
    async def _spawn(cls, binary: Path, arguments: list[str], port: int) -> Devnet:
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        command = [*_dies_with_us(), str(binary), "--host", "127.0.0.1", "--port", str(port), *arguments]
        with anyio.CancelScope(shield=True):  # a cancellation half-way would lose sight of the process
            try:
                process = await anyio.open_process(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C comes to us first, and we end it in order
                )
            except OSError as error:
                output.close()
                raise AnvilNotFound(
                    f"{binary} cannot be run ({error}); set BCFL_ANVIL to a working anvil."
                ) from error
        return cls(process=process, port=port, output=output)

    async def answering(self, chain_id: int) -> None:
        """Wait until this very anvil answers for this chain.

        Raises:
            DevnetDied: it ended, or answers for another chain, or not at all.
        """
        with anyio.move_on_after(_START_TIMEOUT_S):
            while not self.exited.is_set():
                # its own words, not an open port: a foreign server answers on a port that is taken
                listening = _LISTENING.search(self._output_so_far())
                if listening is None:
                    await anyio.sleep(0.01)
                    continue
                self.port = int(listening[1])
                async with connect(self.url) as transport:
                    answer = int(await transport.request("eth_chainId"), 16)
                    if answer != chain_id:
                        raise DevnetDied(
                            f"Chain {answer} answers at {self.url}, where {chain_id} was asked for."
                        )
                    # or it writes a line a call, for weeks
                    await transport.request("anvil_setLoggingEnabled", [False])
                return
        if self.exited.is_set():
            raise self.death()
        raise DevnetDied(f"The devnet (anvil) did not answer within {_START_TIMEOUT_S:g} s.")

    def _output_so_far(self) -> str:
        if self._output.closed:
            return ""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._output_so_far().splitlines() if line.strip()]
        # A refused option or file is said first and followed by advice; a crash ends with its reason.
        errors = [line for line in lines if line.lower().startswith("error")]
        return (errors or lines[-1:] or [""])[0].rstrip(".")


def find_anvil(environment: Mapping[str, str] | None = None) -> Path:
    """The anvil binary: ``BCFL_ANVIL``, then the one that npm put under ``contracts/``, then ``PATH``.

    Raises:
        AnvilNotFound: none of them is there.
    """
    environment = os.environ if environment is None else environment
    named = environment.get("BCFL_ANVIL")
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise AnvilNotFound(f"BCFL_ANVIL names {named}, which is no program; set it to an anvil binary.")
        return Path(named)
    try:
        return toolchain.program("anvil")
    except ProgramMissing:
        on_path = shutil.which("anvil", path=environment.get("PATH"))
    if on_path is None:
        raise AnvilNotFound
    return Path(on_path)


def _dies_with_us() -> list[str]:
    # where Linux's setpriv is installed, anvil is told to end also when this process is killed outright
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [] if setpriv is None else [setpriv, "--pdeathsig", "TERM"]


async def mine(node: Node, *, timestamp: int | None = None) -> BlockRef:
    """Mine one block of all that waits, up to the gas limit.

    Args:
        node: a drivable node.
        timestamp: of the block, in seconds, at least the parent's; None: the node's clock decides.

    Returns:
        The new block.

    Raises:
        RpcError: the node cannot be driven, or the timestamp lies before the parent's.
    """
    await node.transport.request("evm_mine", [] if timestamp is None else [{"timestamp": timestamp}])
    return (await node.block("latest")).ref


async def mine_every(node: Node, seconds: int) -> None:
    """From now on a block after so many seconds, and the next one a second after the newest, however long ago that was.

    Raises:
        RpcError: the node cannot be driven.
    """
    newest = (await node.block("latest")).ref
    await node.transport.request("evm_setTime", [newest.timestamp + 1])
    await node.transport.request("evm_setIntervalMining", [seconds])


async def set_balance(node: Node, address: Address, wei: int) -> None:
    """Give an account this much ether.

    Raises:
        RpcError: the node cannot be driven.
    """
    await node.transport.request("anvil_setBalance", [address, hex(wei)])


async def pending_count(node: Node) -> int:
    """Transactions in the pool, those that wait for an earlier nonce included.

    Raises:
        RpcError: the node does not show its pool.
    """
    status = await node.transport.request("txpool_status")
    return int(status["pending"], 16) + int(status["queued"], 16)
