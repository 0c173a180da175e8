# SPDX-License-Identifier: Apache-2.0
"""The chain of a scenario: a node with its clock and dispatch, and what must stand on it before agents act."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bcfl.chain.clock import DrivenChainClock, WallChainClock
from bcfl.chain.deployer import Deployment, deploy, distribute, fund, opened_setup
from bcfl.chain.devnet import Devnet
from bcfl.chain.dispatch import Gathered, Immediate
from bcfl.chain.node import Node, open_node
from bcfl.scenarios.funder import open_funder
from bcfl.scenarios.population import DEPLOYER, PUBLISHER, Population, Task
from bcfl.scenarios.run_directory import RunDirectory
from bcfl.scenarios.schema import Scenario

__all__ = ("Chain", "opened_chain", "set_up")

_GENESIS_TIME = 1_700_000_000
_GAS_A_ROUND = 400_000
_GAS_BESIDES = 4_000_000
_GAS_A_TRAINER = 120_000  # tokens for its stake, its score and its withdrawal


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A node and how time passes on it; ``devnet`` is ours to watch."""

    node: Node
    devnet: Devnet | None
    clock: DrivenChainClock | WallChainClock
    dispatch: Gathered | Immediate

    @property
    def driven(self) -> bool:
        """Whether a driver of ours moves its clock."""
        return isinstance(self.dispatch, Gathered)


@asynccontextmanager
async def opened_chain(scenario: Scenario) -> AsyncIterator[Chain]:
    """The node that the scenario names, or a devnet of our own for the length of the block.

    Raises:
        ChainError: it cannot be reached or started.
    """
    settings = scenario.chain
    if settings.url is not None:
        async with open_node(settings.url) as node:
            yield Chain(node=node, devnet=None, clock=WallChainClock(), dispatch=Immediate())
        return
    driven = settings.block_time is None
    timestamp = _GENESIS_TIME if driven else None
    async with (
        Devnet.start(block_time=settings.block_time, timestamp=timestamp) as devnet,
        open_node(devnet.url) as node,
    ):
        yield Chain(
            node=node,
            devnet=devnet,
            clock=DrivenChainClock() if driven else WallChainClock(),
            dispatch=Gathered() if driven else Immediate(),
        )


async def set_up(
    scenario: Scenario, chain: Chain, population: Population, plan: Task, directory: RunDirectory
) -> Deployment:
    """Deploy the contracts, give everybody ether and tokens, and write down where things are.

    Raises:
        ChainError: the node refuses, or nobody pays.
    """
    node = chain.node
    needs = {population.signers[name].address: plan.bond for name in population.evaluators}
    needs |= {population.signers[name].address: plan.stake for name in population.trainers}
    needs = {account: amount for account, amount in needs.items() if amount}
    async with opened_setup(node, driven=chain.driven, confirmations=scenario.chain.confirmations) as setup:
        if chain.devnet is None:
            fees = await node.fee_data()
            price = 2 * (fees.base_fee or 0) + fees.priority_fee
            gas = _GAS_BESIDES + (_GAS_A_ROUND + 4_000 * len(population.trainers)) * scenario.task.rounds
            gas += _GAS_A_TRAINER * len(population.trainers)
            accounts = [population.signers[name].address for name in (DEPLOYER, *population.agents)]
            await fund(setup, accounts, wei=2 * gas * price, funder=await open_funder(scenario.chain.funder))
        deployment = await deploy(
            setup,
            population.signers[DEPLOYER],
            name="bcfl reward",
            symbol="BCFL",
            supply=plan.budget + sum(needs.values()),
            holder=population.signers[PUBLISHER].address,
        )
        await distribute(setup, population.signers[PUBLISHER], deployment.token, needs)
    directory.write_chain(
        {
            "chain_id": node.chain_id,
            "genesis_hash": node.genesis_hash,
            "url": node.url,
            "token": deployment.token,
            "factory": deployment.factory,
            "crowdsourcing": deployment.crowdsourcing,
            "block": deployment.block,
        }
    )
    return deployment
