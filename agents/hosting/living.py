# SPDX-License-Identifier: Apache-2.0
"""Opens everything that a living agent needs, and lets it live: node, store, engine, journal and its own folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.token_permits import PermitSource
from bcfl.agents.hosting.choice import Choice
from bcfl.agents.hosting.host import Earlier, Host
from bcfl.agents.hosting.host_events import Answers, GaveUpTask, Hindered, HostEvent, TakesIn
from bcfl.agents.hosting.observing.complaints import Complaints
from bcfl.agents.hosting.observing.diary import Diary
from bcfl.agents.hosting.observing.endpoint import agent_endpoint
from bcfl.agents.hosting.observing.metrics import Metered, TaskGauges
from bcfl.agents.hosting.observing.tracing import TracedProgram, TracedTransactions, open_tracer
from bcfl.agents.hosting.programs import Program, Self
from bcfl.agents.hosting.relaying import RelayerProgram
from bcfl.agents.roots.root_lists import RootLists
from bcfl.agents.runtime.ports import Observer
from bcfl.agents.runtime.process import AgentProcess, ProcessSettings
from bcfl.agents.runtime.shell import Role
from bcfl.agents.runtime.supervisor import RestartPolicy
from bcfl.chain.clock import WallChainClock
from bcfl.chain.dispatch import Immediate
from bcfl.chain.errors import ContractMissing
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import Journal
from bcfl.chain.keys import Signer
from bcfl.chain.node import Node, open_node
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.chain.wallet.networks import Network
from bcfl.contracts.errors import MalformedState
from bcfl.contracts.state_codec import state_from_parts
from bcfl.errors import AgentError, first_cause
from bcfl.models.training.engine import Engine, ExecutorKind
from bcfl.seeds import Seeds
from bcfl.serving import serving
from bcfl.storage.opening import StoreKind, open_store

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ("Home", "Means", "live")

_SECRET_BYTES = 32
_BOOKMARK_S = 5.0
_RETRY_S = 2.0

_log = structlog.stdlib.get_logger("bcfl.agents.hosting")


@dataclass(frozen=True, kw_only=True)
class Home:
    """An agent's own folder: its journal, its secret, its diary and its log; nobody else's."""

    folder: Path

    @property
    def journal(self) -> Path:
        """What it decided and sent, and how far it has read."""
        return self.folder / "journal.sqlite"

    @property
    def diary(self) -> Path:
        """What it did."""
        return self.folder / "diary.jsonl"

    @property
    def log(self) -> Path:
        """Everything, for who looks for a fault."""
        return self.folder / "log.jsonl"

    def secret(self) -> bytes:
        """32 bytes that only it knows, from the operating system; salts come from them."""
        path = self.folder / "secret"
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside = path.with_name(f".secret-{os.getpid()}")
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(_SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
        return path.read_bytes()


@dataclass(frozen=True, kw_only=True)
class Means:
    """What an agent lives on.

    Attributes:
        network: its chain, by ``network_name``.
        store: kind and location of the content store.
        executor: where training runs.
        workers: how many jobs at the same time.
        metrics: the port on loopback where it can be asked how it is, 0: any; None: nowhere.
        traces: where OpenTelemetry traces are sent, None: nowhere.
        fees_a_day: the most that its transactions may cost on a day (UTC), in wei; None: no limit.
    """

    network: Network
    network_name: str
    store: tuple[StoreKind, str | None]
    executor: ExecutorKind = "threads"
    workers: int = 1
    metrics: int | None = None
    traces: str | None = None
    fees_a_day: int | None = None


async def live(
    *,
    home: Home,
    means: Means,
    name: str,
    signer: Signer,
    program: Program,
    choice: Choice,
    keeps: bool,
    tell: Callable[[HostEvent], None],
) -> None:
    """Live until cancelled or, where the choice is one task, until that is over.

    Args:
        home: the agent's folder.
        means: what it lives on.
        name: what it is called in its diary.
        signer: its key.
        program: what it is.
        choice: which tasks it takes part in.
        keeps: whether it moves its tasks on where nobody else does.
        tell: hears of tasks that it joins, passes and leaves.

    Raises:
        BcflError: one clear sentence on what could not be done.
    """
    network = means.network
    factory = network.address(means.network_name, "factory")
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret, registry = home.secret(), CollectorRegistry()
    complaints = Complaints(lambda agent, reason: tell(Hindered(agent=agent, reason=reason)))
    diary: Observer = Metered(Diary(home.diary, complaints), registry)
    try:
        async with (
            _tracing(means.traces, name) as tracer,
            open_node(network.rpc, headers=network.request_headers()) as node,
            open_store(*means.store) as store,
            Journal.open(home.journal, chain_id=node.chain_id, genesis_hash=node.genesis_hash) as journal,
            Engine.start(executor=means.executor, workers=means.workers) as engine,
        ):
            opening = program if isinstance(program, RelayerProgram) else None
            if tracer is not None:
                diary, program = TracedTransactions(diary, tracer), TracedProgram(program, tracer)
            network.check(means.network_name, node)
            for contract in filter(None, (factory, choice.task)):
                if not await node.code(contract):
                    raise ContractMissing(
                        f"The node at {node.url} has no contract at {contract}: correct the address, or the network."
                    )
            earlier = await _earlier(journal, node)
            wanted = repr((factory, program.role, choice))
            # Other tasks than before may lie in the past; and the one that is named, if it is not among those that were followed.
            from_there = earlier is not None and (
                earlier.wanted == wanted if choice.task is None else choice.task in earlier.states
            )
            start = earlier.block if earlier is not None and from_there else network.from_block
            retrieval = Retrieval(store)
            process = AgentProcess(
                node=node,
                journal=journal,
                clock=WallChainClock(),
                dispatch=Immediate(),
                factory=factory,
                observer=diary,
                busy=_Unmeasured(),
                settings=ProcessSettings(
                    confirmations=network.confirmations,
                    start=start,
                    reconnect=ReconnectPolicy(),
                    fees=FeePolicy(
                        tip=(await node.fee_data()).priority_fee,
                        cap=int(network.max_fee_gwei * 10**9),
                        a_day=means.fees_a_day,
                        asks_ahead=True,
                    ),
                    retry_s=_RETRY_S,
                    restarts=RestartPolicy(outlives_node=True),
                    bookmark_s=_BOOKMARK_S,
                    wanted=wanted,
                    kept=earlier.states if earlier is not None and from_there else {},
                    absent=partial(_gave_up, tell, alone=choice.task is not None),
                    lists=RootLists(retrieval, chain_id=node.chain_id),
                ),
            )
            services = AgentServices(
                engine=engine,
                store=store,
                retrieval=retrieval,
                journal=journal,
                permits=PermitSource(signer=signer, node=node),
                observer=diary,
                seeds=Seeds.live(),
                folder=home.folder,
            )
            me = Self(name=name, signer=signer, secret=secret, chain_id=node.chain_id)
            host = Host(
                process=process,
                me=me,
                program=program,
                choice=choice,
                services=services,
                factory=factory,
                tell=tell,
                keeps=keeps,
            )
            registry.register(TaskGauges(host, signer.address))
            async with (
                _endpoint(means.metrics, registry, process, tell),
                _intake(opening, node, tell),
            ):
                await host.run(earlier, from_there=from_there)
    except BaseExceptionGroup as group:
        raise first_cause(group) from group


@asynccontextmanager
async def _endpoint(
    port: int | None, registry: CollectorRegistry, process: AgentProcess, tell: Callable[[HostEvent], None]
) -> AsyncIterator[None]:
    if port is None:
        yield
        return
    async with serving(agent_endpoint(registry, head=lambda: process.head), port=port) as address:
        tell(Answers(address=address))
        yield


@asynccontextmanager
async def _intake(
    program: RelayerProgram | None, node: Node, tell: Callable[[HostEvent], None]
) -> AsyncIterator[None]:
    if program is None:
        yield
        return
    async with program.open(node) as address:
        tell(TakesIn(address=address))
        yield


@asynccontextmanager
async def _tracing(endpoint: str | None, name: str) -> AsyncIterator[Tracer | None]:
    if endpoint is None:
        yield None
        return
    with open_tracer(endpoint, name=name) as tracer:
        yield tracer


async def _earlier(journal: Journal, node: Node) -> Earlier | None:
    """What an earlier life knew, where its block is still of the chain and this version can read it; else the past is read again."""
    bookmark = await journal.bookmark()
    if bookmark is None:
        return None
    found = await node.find_block(bookmark.block.number)
    if found is None or found.ref != bookmark.block:
        _log.warning("bookmark_left_the_chain", block=bookmark.block.number)
        return None
    try:
        states = {
            task: state_from_parts(parts, read=partial(journal.round, task))
            for task, parts in bookmark.tasks.items()
        }
    except MalformedState as error:
        _log.warning("bookmark_unreadable", reason=str(error))
        return None
    return Earlier(block=bookmark.block, states=states, wanted=bookmark.wanted)


def _gave_up(tell: Callable[[HostEvent], None], role: Role, error: AgentError, *, alone: bool) -> bool:
    """One task's fault is its own; where there is but this one, it ends the agent."""
    if alone:
        return False
    tell(GaveUpTask(agent=role.name, reason=str(error)))
    return True


class _Unmeasured:
    """Nobody asks how long the chain was at work."""

    def start(self) -> None:
        """Chain work begins."""

    def stop(self) -> None:
        """It is over."""
