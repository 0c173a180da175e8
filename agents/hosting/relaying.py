# SPDX-License-Identifier: Apache-2.0
"""What a relayer is in tasks of strangers: one intake for all of them, at one address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bcfl.agents.common.services import AgentServices
from bcfl.agents.hosting.limits import Needs
from bcfl.agents.hosting.programs import OpenTask, Self, Unpaid
from bcfl.agents.relayer.intake import Intake
from bcfl.agents.relayer.relayer import Relayer
from bcfl.agents.relayer.service import IntakeService
from bcfl.agents.runtime.ports import Node
from bcfl.agents.runtime.shell import Role
from bcfl.contracts.ids import Address
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.serving import LOOPBACK, serving

__all__ = ("RelayerProgram",)


@dataclass(kw_only=True, eq=False)
class RelayerProgram(Unpaid):
    """Brings what members of tasks have signed to the chain, and pays for it.

    Attributes:
        factory: that made the tasks.
        host: where messages are taken, an address of this machine.
        port: there; 0: any that is free.
        node: of the chain, while it is open.
        intakes: by task, of those that it takes messages for (``relayer.service`` shows them to others).
    """

    factory: Address
    host: str = LOOPBACK
    port: int = 0
    node: Node | None = None
    intakes: dict[Address, Intake] = field(default_factory=dict)
    role: str = "relayer"

    @asynccontextmanager
    async def open(self, node: Node) -> AsyncIterator[str]:
        """Take messages for the length of the block; yields where.

        Raises:
            PortTaken: nobody can listen there.
        """
        self.node = node
        service = IntakeService(self.intakes, chain_id=node.chain_id)
        async with serving(service.app, port=self.port, host=self.host) as address:
            yield address

    def needs(self, state: TaskState, specification: Specification) -> Needs:  # noqa: ARG002 - the port's
        """Nothing."""
        return Needs()

    def refuses(self, task: OpenTask, me: Self) -> str | None:
        """Where members send for themselves, and where another one is the rooter."""
        config = task.state.config
        if not config.relayed:
            return "its members send for themselves (task.intake.relayed)"
        if config.rooted and config.rooter != me.signer.address:
            return f"its rooter is {config.rooter}, and nobody else can bring anything there"
        return None

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:
        """A relayer."""
        assert self.node is not None  # noqa: S101 - for mypy: it is open while it lives
        intake = self.intakes[task.state.address] = Intake(node=self.node)
        return [Relayer(name=me.name, intake=intake, factory=self.factory, store=services.store)]

    def over(self, state: TaskState, me: Self) -> bool:  # noqa: ARG002 - the port's
        """Nobody has anything to say any more."""
        if state.ended:
            self.intakes.pop(state.address, None)
        return state.ended
