# SPDX-License-Identifier: Apache-2.0
"""Creates a task by hand: contents into the store, a permit for the budget, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bcfl.agents.common.token_permits import PermitSource
from bcfl.agents.runtime.ports import ContentStore
from bcfl.chain.deployer import Setup
from bcfl.chain.errors import DeploymentFailed
from bcfl.chain.keys import Signer
from bcfl.chain.raw import parse_log
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.abi import decode_log
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.delivery import BlockRef, EventOrigin
from bcfl.contracts.ids import Address, BlockHash
from bcfl.contracts.phases import Kind

__all__ = ("PublishedTask", "publish")


class PublishedTask(Protocol):
    """What is to be created."""

    @property
    def kind(self) -> Kind:
        """Of the task."""
        ...

    @property
    def config(self) -> TaskConfig:
        """What its contract is told."""
        ...

    @property
    def listed(self) -> Sequence[Address]:
        """Its evaluators, or its founding members."""
        ...

    @property
    def budget(self) -> int:
        """In 10⁻⁹ token."""
        ...

    @property
    def contents(self) -> Sequence[bytes]:
        """Specification and genesis model."""
        ...


async def publish(
    wanted: PublishedTask, *, factory: Address, setup: Setup, store: ContentStore, signer: Signer
) -> Address:
    """Create the task; returns where it is.

    Raises:
        StorageError: the store does not take its contents.
        CallRefused: the factory does not make it, or the publisher has not the tokens.
    """
    for data in wanted.contents:
        await store.pin(await store.put(data))
    source = PermitSource(signer=signer, node=setup.node)
    permit = await source.permit(wanted.config.token, spender=factory, amount=wanted.budget)
    call = calls.create_task(
        factory,
        kind=wanted.kind,
        config=wanted.config,
        evaluators=wanted.listed,
        budget=wanted.budget,
        permit=permit,
    )
    receipt = await setup.done(signer, call.to, call.data)
    block = BlockRef(int(receipt["blockNumber"], 16), BlockHash(receipt["blockHash"]), BlockHash(""), 0)
    for raw in map(parse_log, receipt["logs"]):
        origin = EventOrigin(
            block=block, log_index=raw.log_index, transaction=raw.transaction, address=raw.address
        )
        for event in decode_log(origin=origin, topics=raw.topics, data=raw.data):
            if isinstance(event, e.TaskCreated):
                return event.task
    raise DeploymentFailed(f"The factory {factory} made no task: is it one of this version's?")
