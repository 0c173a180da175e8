# SPDX-License-Identifier: Apache-2.0
"""Agents of a scenario in this process: composes them, lets them act, and knows when they are through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from bcfl.agents.adversaries.slow_contents import SlowContents
from bcfl.agents.common.decisions import GaveUp, Telling
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.errors import AgentBroken
from bcfl.agents.relayer.intake import Intake
from bcfl.agents.roots.root_lists import RootLists
from bcfl.agents.runtime.chronicle import Chronicle, TaskFilter
from bcfl.agents.runtime.participation import Participation
from bcfl.agents.runtime.process import AgentProcess, ProcessSettings
from bcfl.agents.runtime.shell import Role
from bcfl.agents.runtime.supervisor import RestartPolicy
from bcfl.chain.clock import DrivenChainClock
from bcfl.chain.deployer import Deployment
from bcfl.chain.dispatch import Gathered
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import TEMPORARY, Journal
from bcfl.chain.node import Node
from bcfl.chain.reconnecting import ReconnectPolicy
from bcfl.contracts.delivery import Delivery
from bcfl.contracts.ids import Address
from bcfl.contracts.owed import owes_nobody, owes_nothing
from bcfl.errors import AgentError
from bcfl.scenarios.planning.population import KEEPER, PUBLISHER, Population, task_config
from bcfl.scenarios.running.agent_factory import AgentParts, circles_of, make_agents, sight_of
from bcfl.scenarios.running.chain_setup import Chain
from bcfl.scenarios.running.past import Past
from bcfl.scenarios.running.resources import RunResources
from bcfl.scenarios.running.stepping import drive
from bcfl.scenarios.running.timing import Stopwatch

__all__ = ("Enough", "Hosted", "compose", "everybody_paid", "journals", "live", "paid")

_LAST_BREATH_S = 2.0
_RETRY_S = 2.0

Enough = Callable[[Chronicle], bool]
"""Whether the agents of a process have nothing left to do."""


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """A process of agents, and what it knows of the run's task."""

    process: AgentProcess
    chronicle: Chronicle


@asynccontextmanager
async def journals(
    resources: RunResources, chain: Chain, names: Collection[str] | None
) -> AsyncIterator[Journal]:
    """The journal of a process that hosts these participants, or everybody (None).

    Each participant's file is locked, for two processes would sign with the same nonces; the first one's is used. On a
    driven devnet it goes with the process: who goes on after a kill does again what it did since the last block, and comes to the same.

    Raises:
        JournalInUse: one of them acts in another process.
    """
    node = chain.node
    paths: list[Path | str] = [TEMPORARY]
    if not chain.driven:
        resources.directory.agents.mkdir(exist_ok=True)
        paths = [resources.directory.journal_file(name) for name in names or [PUBLISHER]]
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(
                Journal.open(path, chain_id=node.chain_id, genesis_hash=node.genesis_hash)
            )
            for path in paths
        ]
        yield opened[0]


async def compose(
    resources: RunResources,
    chain: Chain,
    deployment: Deployment,
    journal: Journal,
    names: Collection[str] | None,
    past: Past | None = None,
) -> Hosted:
    """A process with those agents, or with all; ``past`` is what there is from before a kill."""
    plan, node = resources.plan, chain.node
    scenario, population = plan.scenario, plan.population
    own = chain.devnet is not None
    tip = 0 if chain.free else (await node.fee_data()).priority_fee
    store = SlowContents(resources.store)
    retrieval = Retrieval(store)
    process = AgentProcess(
        node=node,
        journal=journal,
        clock=chain.clock,
        dispatch=chain.dispatch,
        factory=deployment.factory,
        observer=resources.recorder,
        busy=resources.chain_time,
        settings=ProcessSettings(
            confirmations=scenario.chain.confirmations,
            start=deployment.block + 1,
            reconnect=None if own else ReconnectPolicy(),
            fees=FeePolicy(tip=tip, asks_ahead=not chain.driven),
            retry_s=None if chain.driven else _RETRY_S,
            restarts=RestartPolicy(outlives_node=not own),
            done={} if past is None else past.done,
            absent=None if names is not None else partial(_absent, resources),
            lists=RootLists(retrieval, chain_id=node.chain_id),
        ),
    )
    task = TaskFilter(factory=deployment.factory, publisher=population.signers[PUBLISHER].address)
    participation = Participation(Chronicle(task), process.activity)
    resources.results.follow(lambda: participation.chronicle.seen)
    intake = _intake(participation.chronicle, process, node, population, names)
    parts = AgentParts(
        population=population,
        seeds=plan.seeds,
        engine=resources.engine,
        store=store,
        retrieval=retrieval,
        journal=journal,
        node=node,
        observer=resources.recorder,
        in_turn=not chain.driven,
        scenario=scenario,
        circles=circles_of(scenario, population),
        sight=sight_of(scenario, population),
        intake=intake,
    )
    config = task_config(scenario, plan.task, token=deployment.token, accounts=population.accounts)
    away = frozenset[str]() if past is None else past.away
    for role, signer in make_agents(
        parts, config=config, plan=plan.task, factory=deployment.factory, names=names
    ):
        if role.name not in away:
            participation.add(role, signer)
    process.attend(participation)
    return Hosted(process=process, chronicle=participation.chronicle)


def _intake(
    chronicle: Chronicle,
    process: AgentProcess,
    node: Node,
    population: Population,
    names: Collection[str] | None,
) -> Intake | None:
    """The relayer's, where this process hosts it; trainers of another process act for themselves."""
    if population.relayer is None or (names is not None and population.relayer not in names):
        return None
    intake = Intake(node=node)
    # Before anybody looks at a block: a message about it must not come too early.
    process.listen(lambda _: intake.observe(chronicle.seen, chronicle.now))
    return intake


def _absent(resources: RunResources, role: Role, error: AgentError) -> bool:
    """One participant's fault is its own; without a publisher or a keeper nothing would ever happen, and two models are a finding."""
    if role.role in {PUBLISHER, KEEPER} or not isinstance(error, AgentBroken):
        return False
    told = Telling(observer=resources.recorder, agent=role.name, role=role.role)
    told(resources.results.round_now, GaveUp(reason=str(error)))
    return True


async def live(
    hosted: Hosted,
    chain: Chain,
    chain_time: Stopwatch,
    enough: Enough,
    *,
    after: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Let everybody act until that is enough; the node stays until ``after`` has returned too."""
    over = anyio.Event()

    def look(_delivery: Delivery) -> None:
        if enough(hosted.chronicle):
            over.set()

    hosted.process.listen(look)
    async with anyio.create_task_group() as group:
        group.start_soon(_with_last_breath, hosted.process.run, chain)
        if chain.devnet is not None:
            group.start_soon(chain.devnet.watch)
        if isinstance(chain.dispatch, Gathered) and isinstance(chain.clock, DrivenChainClock):
            driver = partial(
                drive,
                process=hosted.process,
                chronicle=hosted.chronicle,
                node=chain.node,
                dispatch=chain.dispatch,
                clock=chain.clock,
                busy=chain_time,
                over=over,
                keeper=chain.keeper,
            )
            group.start_soon(_with_last_breath, driver, chain)
        await over.wait()
        if after is not None:
            await after()
        group.cancel_scope.cancel()


async def _with_last_breath(work: Callable[[], Awaitable[None]], chain: Chain) -> None:
    """Do the work; what looks like a lost connection may be the end of our own node, which takes a moment to show."""
    try:
        await work()
    except Exception:
        if chain.devnet is not None:
            with anyio.move_on_after(_LAST_BREATH_S):
                await chain.devnet.watch()
        raise


def everybody_paid(chronicle: Chronicle) -> bool:
    """Whether the task has ended for good and nobody is owed anything."""
    return chronicle.final is not None and owes_nobody(chronicle.final)


def paid(accounts: Iterable[Address]) -> Enough:
    """Whether the task has ended for good and owes these accounts nothing."""
    asked = frozenset(accounts)

    def enough(chronicle: Chronicle) -> bool:
        state = chronicle.final
        return state is not None and all(owes_nothing(state, account) for account in asked)

    return enough
