# SPDX-License-Identifier: Apache-2.0
"""The auditor of a consortium: settles every round again, computes every model again and, with the members' data, every score.

It trusts no summary: vectors, settlements and models come from the task's events, contents from the store by their
ids. Whoever has a member's held-out samples can repeat that member's scores; without them they are only settled again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bcfl.agents.auditor import AuditResult
from bcfl.agents.comparison import Finding
from bcfl.agents.errors import UpdateUnavailable
from bcfl.agents.final_account import account_findings, accounts_checked
from bcfl.agents.member_round import MemberRounds, public_before
from bcfl.agents.retrieval import Retrieval
from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.errors import MalformedSpecification
from bcfl.contracts.fold import fold
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.errors import ContractError, ModelError, RegistryError
from bcfl.storage.content_id import cid_text, content_id
from bcfl.storage.errors import FetchError

__all__ = ("ConsortiumAuditor",)


class ConsortiumAuditor:
    """Audits one consortium's task.

    Args:
        retrieval: fetches contents by id.
        judges: by account, the rounds of those members whose held-out samples the auditor has; one at least.
        names: of accounts, for people.
    """

    def __init__(
        self, *, retrieval: Retrieval, judges: Mapping[Address, MemberRounds], names: Mapping[Address, str]
    ) -> None:
        self._retrieval = retrieval
        self._judges = judges
        self._names = names
        self._findings: list[Finding] = []
        self._checked = 0

    async def audit(self, events: Sequence[e.Event]) -> AuditResult:
        """Check a task by all its events, in their order, ``TaskCreated`` first among them."""
        created = next(event for event in events if isinstance(event, e.TaskCreated))
        state = TaskState.created(created)
        for event in events:
            if event.origin.address != state.address:
                continue
            if isinstance(event, e.ScoresSettled):
                self._add(_settlement_findings(state, event), 3)
            try:
                state = fold(state, [event])
            except ContractError as error:
                self._find(state.round, type(event).__name__, f"{error} Nothing after it was checked.")
                return self._result()
            if isinstance(event, e.RoundFinalized):
                self._add(_finalised_findings(state, event), 2)
        self._add(account_findings(state, self._names), accounts_checked(state))
        await self._check_contents(state)
        return self._result()

    def _result(self) -> AuditResult:
        return AuditResult(findings=tuple(self._findings), checked=self._checked)

    def _add(self, findings: Iterator[Finding], checked: int) -> None:
        self._findings += findings
        self._checked += checked

    def _find(self, number: int, subject: str, message: str) -> None:
        self._findings.append(Finding(round=number, subject=subject, message=message))

    async def _check_contents(self, state: TaskState) -> None:
        wanted = state.config.specification
        try:
            specification = await self._retrieval.specification(wanted)
        except (FetchError, MalformedSpecification) as error:
            self._find(0, f"specification {cid_text(wanted)}", str(error))
            return
        self._checked += 1
        for _, record in sorted(state.rounds.items()):
            try:
                await self._check_model(state, specification, record)
                for judge in sorted(record.vectors):
                    await self._check_vector(state, specification, record, judge)
            except (FetchError, ModelError, RegistryError, UpdateUnavailable) as error:
                self._find(record.number, "contents", f"the round cannot be repeated: {error}")

    async def _check_model(self, state: TaskState, specification: Specification, record: RoundRecord) -> None:
        """The agreed model is what the updates and the settled scores give; one that was kept needs nothing."""
        if record.model is None or record.model not in record.model_votes.values():
            return
        anyone = next(iter(self._judges.values()))
        joint = await anyone.aggregate(
            specification=specification, record=record, max_update_size=state.config.max_update_size
        )
        self._checked += 1
        found = content_id(joint.model)
        if found != record.model:
            self._find(
                record.number,
                "global model",
                f"{cid_text(record.model)} was agreed on, the updates give {cid_text(found)}",
            )

    async def _check_vector(
        self, state: TaskState, specification: Specification, record: RoundRecord, judge: TrainerIndex
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
        who = self._name(state, judge)
        for target, said in record.vectors[judge].items():
            self._checked += 1
            found = verdicts.scores[target]
            if abs(said - found) > specification.score_tolerance * SCORE_UNIT:
                self._find(
                    record.number,
                    f"score of {self._name(state, target)} by {who}",
                    f"{said / SCORE_UNIT:.9f} was opened, {found / SCORE_UNIT:.9f} is what its data say",
                )
        self._checked += 1
        if record.probes[judge] != verdicts.probe:
            self._find(record.number, f"probe of {who}", "the models answer otherwise: it did not run them")

    def _name(self, state: TaskState, index: TrainerIndex) -> str:
        account = state.members[index].account
        return self._names.get(account, account)


def _settlement_findings(state: TaskState, event: e.ScoresSettled) -> Iterator[Finding]:
    """Where a settlement is not what the opened vectors give; ``state`` is the one before it."""
    record, config = state.current, state.config
    settled = settlement.settle(record.targets, record.vectors)
    total = min(config.round_budget + state.bonus, state.escrow)
    if event.scores:
        scores = settled.scores
        due = tuple(scores.get(index, 0) for index in sorted(record.updates))
        if due != event.scores:
            yield Finding(
                round=event.round,
                subject="settled scores",
                message=f"{list(event.scores)} was settled, the vectors give {list(due)}",
            )
        pays = settlement.evaluation_pays(
            settled,
            record.probes,
            pool=config.evaluation_pool,
            cohort=len(record.cohort),
            tolerance=config.tolerance,
            escrow=state.escrow - event.payout,
        )
        if tuple(pays[judge] for judge in sorted(pays)) != event.pays:
            yield Finding(
                round=event.round,
                subject="evaluators' pay",
                message=f"{list(event.pays)} was paid, {[pays[judge] for judge in sorted(pays)]} was due (10⁻⁹ token)",
            )
        shares = dict(zip(sorted(record.updates), settlement.credit(due, total), strict=True))
    else:
        if 2 * len(record.vectors) > len(record.cohort):
            yield Finding(
                round=event.round,
                subject="settled scores",
                message=f"{len(record.vectors)} of {len(record.cohort)} opened their scores, and none was settled",
            )
        shares = dict(zip(record.targets, settlement.equal_split(total, len(record.targets)), strict=True))
    opening = state.phase is Phase.SCORE_REVEAL  # before it, nobody could open anything
    closed = set(record.score_commitments) - set(record.vectors) if opening else set()
    credited = sum(settlement.withheld(shares, closed).values())
    if event.payout != credited:
        yield Finding(
            round=event.round,
            subject="payout",
            message=f"{event.payout} was paid where the scores give {credited} (10⁻⁹ token)",
        )


def _finalised_findings(state: TaskState, event: e.RoundFinalized) -> Iterator[Finding]:
    record = state.rounds[event.round]
    credited = record.payout + sum(record.evaluation_pay.values())
    if event.payout != credited:
        yield Finding(
            round=event.round,
            subject="payout",
            message=f"the round ended with {event.payout} where {credited} was credited",
        )
    votes = sum(vote == event.model for vote in record.model_votes.values())
    if event.model != record.start_model and 2 * votes <= len(record.cohort):
        yield Finding(
            round=event.round,
            subject="global model",
            message=f"{votes} of {len(record.cohort)} members named {cid_text(event.model)}",
        )
