# SPDX-License-Identifier: Apache-2.0
"""The chain of a scenario: a node with its clock and dispatch, and what must stand on it before agents act.

``chain.json`` says where it is, for the processes of agents that join a run that another process has set up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bcfl.chain.clock import DrivenChainClock, WallChainClock
from bcfl.chain.deployer import Deployment, deploy, distribute, fund, opened_setup
from bcfl.chain.devnet import Devnet, mine_every
from bcfl.chain.dispatch import Gathered, Immediate
from bcfl.chain.errors import ChainIdentityChanged, ChainTooOld
from bcfl.chain.mined_blocks import BlockKeeper, MinedBlock, mine_again
from bcfl.chain.node import Node, open_node
from bcfl.contracts.phases import Kind
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.directory.provenance import provenance
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import RunDirectoryUnreadable, RunNotResumable
from bcfl.scenarios.planning.population import DEPLOYER, PUBLISHER, Population, Task
from bcfl.scenarios.running.funder import open_funder

__all__ = ("Chain", "joined_chain", "opened_chain", "reopened_chain", "set_up")

_GENESIS_TIME = 1_700_000_000
_SAVE_EVERY_S = 10
_GAS_A_ROUND = 400_000
_GAS_BESIDES = 4_000_000
_GAS_DEPLOYMENT = 16_000_000
_GAS_A_TRAINER = 120_000  # tokens for its stake, its score and its withdrawal
_GAS_A_JUDGE = 60_000  # a member's scores of another, which whoever opens last settles for all


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A node and how time passes on it.

    Attributes:
        devnet: ours to watch; None: somebody else's node.
        free: nobody asks for a fee.
        keeper: keeps the blocks that we mine, so that a run that was killed goes on.
    """

    node: Node
    devnet: Devnet | None
    clock: DrivenChainClock | WallChainClock
    dispatch: Gathered | Immediate
    free: bool
    keeper: BlockKeeper | None = None

    @property
    def driven(self) -> bool:
        """Whether a driver of ours moves its clock."""
        return isinstance(self.dispatch, Gathered)


@asynccontextmanager
async def opened_chain(scenario: Scenario, directory: RunDirectory) -> AsyncIterator[Chain]:
    """The node that the scenario names, or a devnet of our own for the length of the block.

    Raises:
        ChainError: it cannot be reached or started.
    """
    settings = scenario.chain
    if settings.url is not None:
        async with open_node(settings.url) as node:
            _check_rules(node)
            yield Chain(node=node, devnet=None, clock=WallChainClock(), dispatch=Immediate(), free=False)
        return
    if settings.block_time is None:
        async with Devnet.start(timestamp=_GENESIS_TIME) as devnet, open_node(devnet.url) as node:
            lasting = scenario.storage.kind != "memory"  # without its models no run goes on
            keeper = BlockKeeper(node=node, append=directory.append_block) if lasting else None
            yield _driven(node, devnet, keeper)
        return
    async with (
        Devnet.start(
            block_time=settings.block_time, state=directory.devnet_file, save_every=_SAVE_EVERY_S
        ) as devnet,
        open_node(devnet.url) as node,
    ):
        yield _timed(node, devnet)


@asynccontextmanager
async def reopened_chain(
    scenario: Scenario,
    directory: RunDirectory,
    *,
    blocks: Sequence[MinedBlock],
    url: str | None = None,
) -> AsyncIterator[tuple[Chain, Deployment]]:
    """The chain of a run that was killed, and what stands on it: the node that it was on, or its own devnet again.

    Args:
        scenario: of the run.
        directory: of the run, with ``chain.json``.
        blocks: of its driven devnet, where it had one.
        url: the node's address, where it is not the one that the record shows.

    Raises:
        ChainError: the node cannot be reached or started.
        RunNotResumable: the devnet's state is gone.
        RunDirectoryUnreadable: the record is damaged.
    """
    record, settings = directory.chain(), scenario.chain
    if not record.get("own_devnet"):
        async with joined_chain(record, url=url) as joined:
            yield joined
        return
    deployment = _deployment(record)
    if settings.block_time is None:
        async with Devnet.start(timestamp=_GENESIS_TIME) as devnet, open_node(devnet.url) as node:
            await mine_again(node, blocks)
            keeper = BlockKeeper(node=node, append=directory.append_block, newest=blocks[-1].number)
            yield _driven(node, devnet, keeper), deployment
        return
    if not directory.devnet_file.is_file():
        raise RunNotResumable(
            f"{directory.devnet_file} is gone, and with it the run's devnet; run the scenario again."
        )
    port = urlsplit(str(record["url"])).port  # agents of other processes look for it there
    async with (
        Devnet.start(state=directory.devnet_file, save_every=_SAVE_EVERY_S, port=port) as devnet,
        open_node(devnet.url) as node,
    ):
        _check_identity(node, record)
        await mine_every(node, ceil(settings.block_time))
        yield _timed(node, devnet), deployment


def _driven(node: Node, devnet: Devnet, keeper: BlockKeeper | None) -> Chain:
    return Chain(
        node=node, devnet=devnet, clock=DrivenChainClock(), dispatch=Gathered(), free=True, keeper=keeper
    )


def _timed(node: Node, devnet: Devnet) -> Chain:
    return Chain(node=node, devnet=devnet, clock=WallChainClock(), dispatch=Immediate(), free=True)


def _check_rules(node: Node) -> None:
    """Before anything is sent: a chain without a base fee is older than London, and the contracts need Cancun."""
    if node.capabilities.base_fee is None:
        raise ChainTooOld(
            f"The chain at {node.url} has no base fee, so it is older than London, and the contracts need the rules of Cancun: start the "
            f"node with a newer hard fork (anvil --hardfork cancun)."
        )


@asynccontextmanager
async def joined_chain(
    record: dict[str, Any], *, url: str | None = None
) -> AsyncIterator[tuple[Chain, Deployment]]:
    """The chain that another process has set up, and what stands on it.

    Args:
        record: of ``chain.json``.
        url: the node's address, where it is not the one that the record shows.

    Raises:
        ChainError: the node cannot be reached, or serves another chain.
        RunDirectoryUnreadable: the record is damaged.
    """
    deployment = _deployment(record)
    async with open_node(url or str(record["url"])) as node:
        _check_identity(node, record)
        free = bool(record["own_devnet"])
        yield (
            Chain(node=node, devnet=None, clock=WallChainClock(), dispatch=Immediate(), free=free),
            deployment,
        )


def _deployment(record: dict[str, Any]) -> Deployment:
    missing = {"own_devnet", "chain_id", "genesis_hash", "url", *Deployment.__annotations__} - record.keys()
    if missing:
        raise RunDirectoryUnreadable(
            f"chain.json does not say {min(missing)!r}; give the directory of a run of this version of bcfl."
        )
    return Deployment(**{key: record[key] for key in Deployment.__annotations__})


def _check_identity(node: Node, record: dict[str, Any]) -> None:
    chain_id, genesis_hash = record["chain_id"], record["genesis_hash"]
    if (node.chain_id, node.genesis_hash) != (chain_id, genesis_hash):
        raise ChainIdentityChanged(
            f"Another chain answers at {node.url}: chain id {node.chain_id} with genesis {node.genesis_hash}, the "
            f"run's is {chain_id} with {genesis_hash}; correct the URL."
        )


async def set_up(
    scenario: Scenario,
    chain: Chain,
    population: Population,
    plan: Task,
    directory: RunDirectory,
    *,
    hosted: Collection[str] | None = None,
) -> Deployment:
    """Deploy the contracts, give everybody ether and tokens, and write down where things are.

    Args:
        scenario: of the run.
        chain: to set up.
        population: whom it is for.
        plan: of the task.
        directory: takes ``chain.json``.
        hosted: the participants of this process; None: all.

    Raises:
        ChainError: the node refuses, or nobody pays.
    """
    node = chain.node
    needs = {population.signers[name].address: plan.stake for name in population.trainers}
    for name in population.evaluators or population.trainers:  # who judges is bound
        account = population.signers[name].address
        needs[account] = needs.get(account, 0) + plan.bond
    needs = {account: amount for account, amount in needs.items() if amount}
    async with opened_setup(node, driven=chain.driven, confirmations=scenario.chain.confirmations) as setup:
        if chain.devnet is None:
            fees = await node.fee_data()
            price = 2 * (fees.base_fee or 0) + fees.priority_fee
            a_trainer = 4_000 if population.kind is Kind.CROWDSOURCING else _GAS_A_JUDGE
            gas = _GAS_BESIDES + (_GAS_A_ROUND + a_trainer * len(population.trainers)) * scenario.task.rounds
            gas += _GAS_A_TRAINER * len(population.trainers)
            funder = await open_funder(scenario.chain.funder)
            accounts = [population.signers[name].address for name in population.agents]
            await fund(setup, accounts, wei=2 * gas * price, funder=funder)
            deployer = [population.signers[DEPLOYER].address]
            await fund(setup, deployer, wei=2 * _GAS_DEPLOYMENT * price, funder=funder)
        deployment = await deploy(
            setup,
            population.signers[DEPLOYER],
            name="bcfl reward",
            symbol="BCFL",
            supply=plan.budget + sum(needs.values()),
            holder=population.signers[PUBLISHER].address,
        )
        await distribute(setup, population.signers[PUBLISHER], deployment.token, needs)
    if chain.keeper is not None:
        await chain.keeper.keep(await node.block_number())
    directory.write_chain(
        {
            "chain_id": node.chain_id,
            "genesis_hash": node.genesis_hash,
            "url": node.url,
            "own_devnet": chain.devnet is not None,
            "started_in": str(Path.cwd()),
            **provenance(),
            "hosted": None if hosted is None else sorted(hosted),
            "token": deployment.token,
            "factory": deployment.factory,
            "credits": deployment.credits,
            "crowdsourcing": deployment.crowdsourcing,
            "rooted": deployment.rooted,
            "consortium": deployment.consortium,
            "block": deployment.block,
        }
    )
    return deployment
