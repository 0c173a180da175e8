# SPDX-License-Identifier: Apache-2.0
"""What the events of a consortium's task say of settlements, pay and models, beside what the opened vectors give. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bcfl.agents.audit.final_account import account_findings
from bcfl.agents.audit.finding import Finding
from bcfl.contracts import events as e
from bcfl.contracts import settlement
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase
from bcfl.storage.content_id import cid_text

__all__ = ("ConsortiumLog",)


class ConsortiumLog:
    """The checks of one task's log; ``names`` are of accounts, for people."""

    def __init__(self, names: Mapping[Address, str]) -> None:
        self._names = names

    def before(self, state: ConsortiumState, event: e.Event) -> Iterator[Finding]:
        """A settlement, beside the state that it meets."""
        if isinstance(event, e.ScoresSettled):
            yield from _settlement(state, event)

    def after(self, state: ConsortiumState, event: e.Event) -> Iterator[Finding]:
        """What a round has paid, and who has named its model."""
        if isinstance(event, e.RoundFinalized):
            yield from _finalised(state, event)

    def end(self, state: ConsortiumState) -> Iterator[Finding]:
        """Once the task has ended: everybody got what they earned, and what came in went out."""
        yield from account_findings(state, self._names)


def _settlement(state: ConsortiumState, event: e.ScoresSettled) -> Iterator[Finding]:
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
                event=event,
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
                event=event,
            )
        shares = dict(zip(sorted(record.updates), settlement.credit(due, total), strict=True))
    else:
        if 2 * len(record.vectors) > len(record.cohort):
            yield Finding(
                round=event.round,
                subject="settled scores",
                message=f"{len(record.vectors)} of {len(record.cohort)} opened their scores, and none was settled",
                event=event,
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
            event=event,
        )


def _finalised(state: ConsortiumState, event: e.RoundFinalized) -> Iterator[Finding]:
    record = state.rounds[event.round]
    credited = record.payout + sum(record.evaluation_pay.values())
    if event.payout != credited:
        yield Finding(
            round=event.round,
            subject="payout",
            message=f"the round ended with {event.payout} where {credited} was credited",
            event=event,
        )
    votes = sum(vote == event.model for vote in record.model_votes.values())
    if event.model != record.start_model and 2 * votes <= len(record.cohort):
        yield Finding(
            round=event.round,
            subject="global model",
            message=f"{votes} of {len(record.cohort)} members named {cid_text(event.model)}",
            event=event,
        )
