# SPDX-License-Identifier: Apache-2.0
"""How any task is audited: its log is followed, its contents are looked up, and its rounds are done again.

It trusts no summary: what members did comes from the task's events, contents from the store by their ids. What doing a round again
means is the setting's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from bcfl.agents.audit.contents import ContentsAudit
from bcfl.agents.audit.final_account import accounts_checked
from bcfl.agents.audit.finding import AuditResult, Finding
from bcfl.agents.audit.following import LogChecks, follow
from bcfl.agents.common.retrieval import Retrieval
from bcfl.contracts import events as e
from bcfl.contracts.errors import MalformedSpecification
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import FetchError

__all__ = ("TaskAuditor",)

S = TypeVar("S", bound=TaskState)


class TaskAuditor(ABC, Generic[S]):
    """Audits one task.

    Args:
        retrieval: fetches contents by id.
        kind: the setting's states.
        checks: what the setting's events must say.
        names: of accounts, for people.
    """

    def __init__(
        self, *, retrieval: Retrieval, kind: type[S], checks: LogChecks[S], names: Mapping[Address, str]
    ) -> None:
        self.retrieval = retrieval
        self.contents = ContentsAudit(retrieval, names)
        self.findings: list[Finding] = []
        self.checked = 0
        self._kind = kind
        self._checks = checks
        self._names = names

    async def audit(self, events: Sequence[e.Event]) -> AuditResult:
        """Check a task by all its events, in their order, ``TaskCreated`` first among them."""
        followed = follow(events, self._checks, self._kind)
        self.findings += followed.findings
        self.checked += followed.checked
        state = followed.state
        if state is not None:
            self.checked += accounts_checked(state)
            self.findings += [found async for found in self.contents.findings(state, events)]
            specification = await self._specification(state)
            if specification is not None:
                await self.check_rounds(state, specification, events)
        return AuditResult(findings=tuple(self.findings), checked=self.checked + self.contents.checked)

    @abstractmethod
    async def check_rounds(self, state: S, specification: Specification, events: Sequence[e.Event]) -> None:
        """Do the rounds again, add what is found."""

    def find(self, number: int, subject: str, message: str, event: e.Event | None = None) -> None:
        """Add what is said of a round, 0: of the task."""
        self.findings.append(Finding(round=number, subject=subject, message=message, event=event))

    def name(self, state: TaskState, index: TrainerIndex) -> str:
        """A member's name, or its account."""
        account = state.members[index].account
        return self._names.get(account, account)

    async def _specification(self, state: TaskState) -> Specification | None:
        wanted = state.config.specification
        try:
            return await self.retrieval.specification(wanted)
        except FetchError:
            return None  # said with all contents
        except MalformedSpecification as error:
            self.find(0, f"specification {cid_text(wanted)}", str(error))
            return None
