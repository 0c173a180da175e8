# SPDX-License-Identifier: Apache-2.0
"""The auditor of a consortium: settles every round again, computes every model again and, with the members' data, every score.

It trusts no summary: vectors, settlements and models come from the task's events, contents from the store by their
ids. Whoever has a member's held-out samples can repeat that member's scores; without them they are only settled again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bcfl.agents.audit.task_auditor import TaskAuditor
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.consortium.log import ConsortiumLog
from bcfl.agents.consortium.member_round import MemberRounds, public_before
from bcfl.agents.errors import UpdateUnavailable
from bcfl.contracts import events as e
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import Specification
from bcfl.errors import ModelError, RegistryError
from bcfl.storage.content_id import cid_text
from bcfl.storage.errors import FetchError

__all__ = ("ConsortiumAuditor",)


class ConsortiumAuditor(TaskAuditor[ConsortiumState]):
    """Audits one consortium's task.

    Args:
        retrieval: fetches contents by id.
        judges: by account, the rounds of those members whose held-out samples the auditor has; one at least.
        names: of accounts, for people.
    """

    def __init__(
        self, *, retrieval: Retrieval, judges: Mapping[Address, MemberRounds], names: Mapping[Address, str]
    ) -> None:
        super().__init__(retrieval=retrieval, kind=ConsortiumState, checks=ConsortiumLog(names), names=names)
        self._judges = judges
        self._opened: dict[tuple[int, TrainerIndex], e.Event] = {}
        self._agreed: dict[int, e.Event] = {}

    async def check_rounds(
        self, state: ConsortiumState, specification: Specification, events: Sequence[e.Event]
    ) -> None:
        """Compute every model again and, where the data are at hand, every member's scores."""
        self._opened = {(x.round, x.index): x for x in events if isinstance(x, e.ScoresRevealed)}
        self._agreed = {x.round: x for x in events if isinstance(x, e.RoundFinalized)}
        for _, record in sorted(state.rounds.items()):
            try:
                await self._check_model(state, specification, record)
                for judge in sorted(record.vectors):
                    await self._check_vector(state, specification, record, judge)
            except (FetchError, ModelError, RegistryError, UpdateUnavailable) as error:
                self.find(record.number, "contents", f"the round cannot be repeated: {error}")

    async def _check_model(
        self, state: ConsortiumState, specification: Specification, record: ConsortiumRound
    ) -> None:
        """The agreed model is what the updates and the settled scores give; one that was kept needs nothing."""
        if record.model is None or record.model not in record.model_votes.values():
            return
        anyone = next(iter(self._judges.values()))
        found = await anyone.contradicted(
            specification=specification, record=record, max_update_size=state.config.max_update_size
        )
        self.checked += 1
        if found is not None:
            self.find(
                record.number,
                "global model",
                f"{cid_text(record.model)} was agreed on, the updates give {cid_text(found)}",
                self._agreed.get(record.number),
            )

    async def _check_vector(
        self,
        state: ConsortiumState,
        specification: Specification,
        record: ConsortiumRound,
        judge: TrainerIndex,
    ) -> None:
        rounds = self._judges.get(state.members[judge].account)
        if rounds is None:
            return
        verdicts = await rounds.judge(
            specification=specification,
            record=record,
            max_update_size=state.config.max_update_size,
            public=public_before(state, record.number),
        )
        who, opened = self.name(state, judge), self._opened.get((record.number, judge))
        for target, said in record.vectors[judge].items():
            self.checked += 1
            found = verdicts.scores[target]
            if abs(said - found) > specification.score_tolerance * SCORE_UNIT:
                self.find(
                    record.number,
                    f"score of {self.name(state, target)} by {who}",
                    f"{said / SCORE_UNIT:.9f} was opened, {found / SCORE_UNIT:.9f} is what its data say",
                    opened,
                )
        self.checked += 1
        if record.probes[judge] != verdicts.probe:
            self.find(
                record.number, f"probe of {who}", "the models answer otherwise: it did not run them", opened
            )
