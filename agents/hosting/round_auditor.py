# SPDX-License-Identifier: Apache-2.0
"""An auditor that lives: repeats each final round of a task from what is public, and says what does not come out as was posted.

Of a crowd's round it looks at the report, the updates and the model (``crowdsourcing.objecting.evaluation_check``); scores rest on the evaluator's
own data, and only who has those can repeat them (``bcfl audit``). Of a consortium's it computes the model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bcfl.agents.common.decisions import Audited, Telling
from bcfl.agents.common.folding import encode_model
from bcfl.agents.common.retrieval import REPORT_BYTES
from bcfl.agents.common.services import AgentServices
from bcfl.agents.consortium.member_round import MemberRounds
from bcfl.agents.crowdsourcing.objecting.evaluation_check import CheckEvaluation, EvaluationCheck
from bcfl.agents.crowdsourcing.objecting.repetition import Repetition
from bcfl.agents.errors import UpdateUnavailable
from bcfl.agents.runtime.actions import Action, Results, View, Work
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.crowd_state import CrowdRound, CrowdState
from bcfl.contracts.errors import MalformedReport, MalformedSpecification
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ZERO_ADDRESS, ContentId
from bcfl.contracts.state import TaskState
from bcfl.errors import ModelError, RegistryError
from bcfl.models.errors import MalformedUpdate
from bcfl.storage.content_id import cid_text, content_id
from bcfl.storage.errors import FetchError

__all__ = ("AuditRound", "AuditedRounds", "RoundAuditor", "next_round")


@dataclass(frozen=True, kw_only=True)
class AuditRound(Work["None"]):
    """Repeat a round."""

    model: ContentId | None
    state: TaskState = field(compare=False)


class AuditedRounds:
    """Which rounds of a task were audited, also by an earlier life.

    Args:
        file: where that is kept, a number a line; None: nowhere.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        told = file.read_text(encoding="ascii") if file is not None and file.exists() else ""
        whole = told[: told.rfind("\n") + 1]
        if file is not None and whole != told:  # a line that was cut off: that round is done again
            file.write_text(whole, encoding="ascii")
        self._numbers = set(map(int, whole.split()))

    def __contains__(self, number: object) -> bool:
        return number in self._numbers

    def skip(self, number: int) -> None:
        """It need not be, in this life."""
        self._numbers.add(number)

    def add(self, number: int) -> None:
        """It was."""
        self._numbers.add(number)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="ascii") as file:
                file.write(f"{number}\n")


def next_round(state: TaskState, done: AuditedRounds) -> int | None:
    """The first round that is over and was not audited; whose evaluation the members overturned, nobody believes anyway."""
    for number in sorted(state.rounds):
        if number in done:
            continue
        record = state.rounds[number]
        if isinstance(record, CrowdRound) and record.reverted:
            done.skip(number)
        elif record.finalized:
            return number
    return None


class RoundAuditor:
    """Audits one task, round after round.

    Args:
        name: unique in the process.
        done: which rounds were audited.
        secret: 32 bytes; of many updates those that are looked at are drawn by it.
        services: of the process.
    """

    role = "auditor"

    def __init__(self, *, name: str, done: AuditedRounds, secret: bytes, services: AgentServices) -> None:
        self.name = name
        self._done = done
        self._secret = secret
        self._retrieval = services.retrieval
        self._check = EvaluationCheck(services.retrieval)
        self._repetition = Repetition(services.retrieval)
        self._rounds = MemberRounds(engine=services.engine, retrieval=services.retrieval, held_out="")
        self._tell = Telling(observer=services.observer, agent=name, role=self.role)

    def decide(self, view: View, results: Results) -> Sequence[Action]:  # noqa: ARG002 - the port's
        """The next round that is final, one at a time."""
        if view.final is None:
            return []
        number = next_round(view.final, self._done)
        if number is None:
            return []
        return [AuditRound(round=number, model=view.final.rounds[number].model, state=view.final)]

    async def perform(self, work: Work[Any]) -> None:
        """Audit a round, and say what was found; a store that is away is waited for."""
        assert isinstance(work, AuditRound)  # noqa: S101 - all that it asks for
        record = work.state.rounds[work.round]
        found: str | None = None
        if isinstance(work.state, CrowdState) and isinstance(record, CrowdRound):
            found = await self._of_crowd(work.state, record)
        elif isinstance(work.state, ConsortiumState) and isinstance(record, ConsortiumRound):
            found = await self._of_consortium(work.state, record)
        self._tell(work.round, Audited(task=work.state.address, findings=() if found is None else (found,)))
        self._done.add(work.round)

    async def _of_crowd(self, state: CrowdState, record: CrowdRound) -> str | None:
        if record.report is None or record.model is None:
            return None  # nobody evaluated it, and the model stayed as it was
        work = CheckEvaluation(
            round=record.number, task=state.address, model=record.model, report=record.report, state=state
        )
        objection = await self._check.found(work, secret=self._secret)
        if objection is not None:
            return objection.reason
        if state.config.aggregator == ZERO_ADDRESS:
            return None
        return await self._misnamed(state, record, work.report)

    async def _misnamed(self, state: CrowdState, record: CrowdRound, report: ContentId) -> str | None:
        """What is wrong with the model of an aggregator that the publisher named: its evaluator does not answer for it."""
        try:
            specification = await self._retrieval.specification(state.config.specification)
            said = EvaluationReport.decode(await self._retrieval.content(report, max_bytes=REPORT_BYTES))
            given = await self._repetition.given(
                specification, record, said, max_bytes=state.config.max_update_size
            )
        except (FetchError, MalformedReport, MalformedSpecification, MalformedUpdate, RegistryError) as error:
            return f"it cannot be repeated: {error}"
        if given is None:
            return "it cannot be repeated: an update that counts cannot be had"
        found = [content_id(encode_model(one.model, record.number, one.memory)) for one in given.outcomes]
        expected = found or [said.model, record.start_model]  # what only the evaluator's samples tell
        if record.model is None or record.model in expected:
            return None
        return f"model_mismatch: the aggregator named {cid_text(record.model)}, and the updates give {cid_text(expected[0])}"

    async def _of_consortium(self, state: ConsortiumState, record: ConsortiumRound) -> str | None:
        if record.model is None:
            return None
        try:
            specification = await self._retrieval.specification(state.config.specification)
            found = await self._rounds.contradicted(
                specification=specification, record=record, max_update_size=state.config.max_update_size
            )
        except (FetchError, MalformedSpecification, ModelError, RegistryError, UpdateUnavailable) as error:
            return f"it cannot be repeated: {error}"
        if found is None:
            return None
        return (
            f"model_mismatch: {cid_text(record.model)} was agreed on, and the updates give {cid_text(found)}"
        )
