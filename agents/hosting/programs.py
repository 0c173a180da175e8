# SPDX-License-Identifier: Apache-2.0
"""What somebody can be in a task of strangers, and the agents that this takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bcfl.agents.common.entries import network_of
from bcfl.agents.common.joining import TrainerIdentity
from bcfl.agents.common.keeper import Keeper
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.update_maker import OwnData
from bcfl.agents.consortium.member import HeldOut, Member
from bcfl.agents.crowdsourcing.aggregator import Aggregator
from bcfl.agents.crowdsourcing.evaluation import RoundEvaluator
from bcfl.agents.crowdsourcing.evaluator import Evaluator, EvaluatorIdentity
from bcfl.agents.crowdsourcing.memory_folder import MemoryFolder
from bcfl.agents.crowdsourcing.trainer import Trainer
from bcfl.agents.hosting.limits import Needs, needs_of_judge, needs_of_trainer
from bcfl.agents.hosting.own_samples import check_task
from bcfl.agents.relayer.handing_in import HandingIn, Relay
from bcfl.agents.runtime.shell import Role
from bcfl.chain.keys import Signer
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.owed import owes_nobody, owes_nothing
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.models.data.dataset import Samples
from bcfl.models.data.hold_out import hold_out
from bcfl.models.training.job import SamplesRef
from bcfl.models.training.privacy import Privacy
from bcfl.seeds import Seeds

__all__ = (
    "AggregatorProgram",
    "EvaluatorProgram",
    "KeeperProgram",
    "MemberProgram",
    "OpenTask",
    "Program",
    "Self",
    "TrainerProgram",
    "Unpaid",
    "kind_of",
)

_OWN = "own"
_HELD_OUT = "held-out"


@dataclass(frozen=True, kw_only=True, eq=False)
class Self:
    """Who an agent is: its name, its key, 32 bytes that only it knows, and the chain that it is on."""

    name: str
    signer: Signer
    secret: bytes
    chain_id: int

    @property
    def identity(self) -> TrainerIdentity:
        """As a trainer."""
        return TrainerIdentity(name=self.name, address=self.signer.address, chain_id=self.chain_id)


@dataclass(frozen=True, kw_only=True)
class OpenTask:
    """A task that somebody may take part in."""

    state: TaskState
    specification: Specification


class Program(Protocol):
    """What somebody is in a task."""

    @property
    def role(self) -> str:
        """trainer, evaluator, …"""
        ...

    def deposit(self, state: TaskState) -> int:
        """What it has to put at stake there, in 10⁻⁹ token."""
        ...

    def needs(self, state: TaskState, specification: Specification) -> Needs:
        """What the task asks of its machine."""
        ...

    def refuses(self, task: OpenTask, me: Self) -> str | None:
        """Why it cannot take part in that task; None: it can.

        Raises:
            ModelError: its data do not fit the task.
        """
        ...

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:
        """The agents that this takes."""
        ...

    def over(self, state: TaskState, me: Self) -> bool:
        """Whether it has nothing more to do or to get in a task whose final state this is."""
        ...


def kind_of(state: TaskState) -> Kind:
    """The kind of a task."""
    return Kind.CONSORTIUM if isinstance(state, ConsortiumState) else Kind.CROWDSOURCING


class _Paid:
    """Who works for tokens stays until it has them."""

    def over(self, state: TaskState, me: Self) -> bool:
        """It has ended, and owes it nothing."""
        return owes_nothing(state, me.signer.address)


class Unpaid:
    """Who does not."""

    def deposit(self, state: TaskState) -> int:  # noqa: ARG002 - the port's
        """Nothing."""
        return 0


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainerProgram(_Paid):
    """A crowd's trainer on its own samples."""

    samples: Samples
    privacy: Privacy | None = None
    relays: Sequence[Relay] = ()
    """Who brings its messages to the chain, in tasks that take them so; itself where none does."""
    role: str = "trainer"

    def deposit(self, state: TaskState) -> int:
        """Its stake: the bond is the evaluator's."""
        return state.config.stake

    def needs(self, state: TaskState, specification: Specification) -> Needs:
        """A few models."""
        return needs_of_trainer(state.config, specification)

    def refuses(self, task: OpenTask, me: Self) -> str | None:  # noqa: ARG002 - the port's
        """Why not."""
        if not isinstance(task.state, CrowdState):
            return "it is a consortium's, whose members train (bcfl agent member)"
        check_task(self.samples, task.specification, task.state.config)
        return None

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:  # noqa: ARG002 - the port's
        """A trainer."""
        services.engine.add_samples(_OWN, self.samples)
        data = OwnData(
            samples=SamplesRef(_OWN, np.arange(len(self.samples))),
            count=len(self.samples),
            privacy=self.privacy,
        )
        handing_in = HandingIn(signer=me.signer, chain_id=me.chain_id, relays=self.relays)
        return [
            Trainer(
                identity=me.identity,
                secret=me.secret,
                data=data,
                services=services,
                handing_in=handing_in,
            )
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberProgram(_Paid):
    """A consortium's member, who judges the others on a part of its samples that it does not train on."""

    samples: Samples
    held_out: float = 0.2
    privacy: Privacy | None = None
    role: str = "member"

    def deposit(self, state: TaskState) -> int:
        """Its stake, and its bond as a judge."""
        return state.config.stake + state.config.bond

    def needs(self, state: TaskState, specification: Specification) -> Needs:
        """Everybody's updates, to judge them."""
        return needs_of_judge(state.config, specification, keeps_all=False)

    def refuses(self, task: OpenTask, me: Self) -> str | None:
        """Why not."""
        state = task.state
        if not isinstance(state, ConsortiumState):
            return "it is a crowd's, which has trainers (bcfl agent trainer)"
        if me.signer.address not in state.allowed and me.signer.address not in state.index_of:
            return f"{me.signer.address} is not on its list"
        check_task(self.samples, task.specification, task.state.config)
        return None

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:  # noqa: ARG002 - the port's
        """A member."""
        everything = np.arange(len(self.samples))
        seed = Seeds(me.secret).integer("held-out")
        kept, held = hold_out(everything, self.samples.targets, self.held_out, seed)
        services.engine.add_samples(_OWN, self.samples)
        services.engine.add_samples(_HELD_OUT, self.samples.select(held))
        return [
            Member(
                identity=me.identity,
                secret=me.secret,
                data=OwnData(samples=SamplesRef(_OWN, kept), count=len(kept), privacy=self.privacy),
                held_out=HeldOut(key=_HELD_OUT, count=len(held)),
                services=services,
            )
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluatorProgram(_Paid):
    """A crowd's evaluator on its own validation set."""

    samples: Samples
    role: str = "evaluator"

    def deposit(self, state: TaskState) -> int:
        """Its bond."""
        return state.config.bond

    def needs(self, state: TaskState, specification: Specification) -> Needs:
        """Everybody's updates, also in its store."""
        return needs_of_judge(state.config, specification)

    def refuses(self, task: OpenTask, me: Self) -> str | None:
        """Why not."""
        state = task.state
        if not isinstance(state, CrowdState):
            return "it is a consortium's, whose members judge each other"
        if me.signer.address not in {one.account for one in state.evaluators}:
            return f"{me.signer.address} is none of its evaluators"
        check_task(self.samples, task.specification, task.state.config)
        return None

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:
        """An evaluator."""
        services.engine.add_samples(_OWN, self.samples)
        folder = services.task_folder(task.state.address)
        return [
            Evaluator(
                identity=EvaluatorIdentity(
                    name=me.name,
                    address=me.signer.address,
                    secret=me.secret,
                    validation_digest=bytes.fromhex(self.samples.digest()),
                ),
                rounds=RoundEvaluator(
                    engine=services.engine,
                    retrieval=services.retrieval,
                    samples_key=_OWN,
                    samples=len(self.samples),
                    archive=None if folder is None else MemoryFolder(folder / "memory"),
                ),
                validation_samples=len(self.samples),
                services=services,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class AggregatorProgram(Unpaid):
    """Builds the models of a crowd whose publisher names it."""

    role: str = "aggregator"

    def needs(self, state: TaskState, specification: Specification) -> Needs:
        """Everybody's updates."""
        return needs_of_judge(state.config, specification, keeps_all=False)

    def over(self, state: TaskState, me: Self) -> bool:  # noqa: ARG002 - the port's
        """It has ended."""
        return state.ended

    def refuses(self, task: OpenTask, me: Self) -> str | None:
        """Why not."""
        if not isinstance(task.state, CrowdState):
            return "it is a consortium's, whose aggregator is a member (bcfl agent member)"
        if task.state.config.aggregator != me.signer.address:
            return f"{me.signer.address} is not its aggregator"
        network_of(task.specification)
        return None

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:  # noqa: ARG002 - the port's
        """An aggregator."""
        return [Aggregator(name=me.name, account=me.signer.address, services=services)]


@dataclass(frozen=True, kw_only=True)
class KeeperProgram(Unpaid):
    """Moves tasks on at their deadlines, and has everybody paid."""

    role: str = "keeper"

    def needs(self, state: TaskState, specification: Specification) -> Needs:  # noqa: ARG002 - the port's
        """Nothing."""
        return Needs()

    def over(self, state: TaskState, me: Self) -> bool:  # noqa: ARG002 - the port's
        """It has ended, and owes nobody anything."""
        return owes_nobody(state)

    def refuses(self, task: OpenTask, me: Self) -> str | None:  # noqa: ARG002 - the port's
        """Never."""
        return None

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:  # noqa: ARG002 - the port's
        """A keeper."""
        return [Keeper(name=me.name)]
