# SPDX-License-Identifier: Apache-2.0
"""What an auditor is in tasks of strangers: it repeats their rounds, and needs nobody's leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bcfl.agents.common.entries import network_of
from bcfl.agents.common.services import AgentServices
from bcfl.agents.hosting.limits import Needs, needs_of_judge
from bcfl.agents.hosting.programs import OpenTask, Self, Unpaid
from bcfl.agents.hosting.round_auditor import AuditedRounds, RoundAuditor, next_round
from bcfl.agents.runtime.shell import Role
from bcfl.contracts.ids import Address
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.models.kernel.choice import check_kernel

__all__ = ("AuditorProgram",)


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditorProgram(Unpaid):
    """Repeats every round from what is public; it sends nothing."""

    audited: dict[Address, AuditedRounds] = field(default_factory=dict)
    role: str = "auditor"

    def needs(self, state: TaskState, specification: Specification) -> Needs:
        """Everybody's updates, none of them in its store."""
        return Needs(memory=needs_of_judge(state.config, specification).memory)

    def over(self, state: TaskState, me: Self) -> bool:  # noqa: ARG002 - the port's
        """It has ended, and every round was audited."""
        done = self.audited.get(state.address)
        return state.ended and done is not None and next_round(state, done) is None

    def refuses(self, task: OpenTask, me: Self) -> str | None:  # noqa: ARG002 - the port's
        """Only where it could not repeat the task's work."""
        terms = task.specification
        check_kernel(terms.kernel, network_of(terms), terms.training)
        return None

    def agents(self, task: OpenTask, me: Self, services: AgentServices) -> Sequence[Role]:
        """An auditor."""
        folder = services.task_folder(task.state.address)
        done = self.audited[task.state.address] = AuditedRounds(
            None if folder is None else folder / "audited"
        )
        return [RoundAuditor(name=me.name, done=done, secret=me.secret, services=services)]
