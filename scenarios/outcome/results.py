# SPDX-License-Identifier: Apache-2.0
"""The tables of a run, folded from its event log alone: live while it runs, and again by ``bcfl replay``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from bcfl.agents.common.decisions import (
    Aggregated,
    GaveUp,
    Judged,
    Misbehaving,
    Objecting,
    Scored,
    TargetReached,
    Trained,
)
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.crowd_state import CrowdRound, CrowdState, evaluators_of
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.phases import Phase
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.contracts.state import RoundRecord, TaskState
from bcfl.scenarios.definition.tokens import CREDIT_UNIT
from bcfl.scenarios.outcome.classes import classification_of
from bcfl.scenarios.outcome.consortium_results import agreement_of, members_of
from bcfl.scenarios.outcome.detection import (
    Sanctions,
    detect,
    earned_by_work,
    reason_name,
    removals_of,
    sanctions_of,
)
from bcfl.scenarios.outcome.ending import why_ended
from bcfl.scenarios.outcome.fairness import fairness_of
from bcfl.scenarios.outcome.run_log import (
    CLASSES_MEASURED,
    GOALS_MEASURED,
    MEMBERS_MEASURED,
    MODELS_MEASURED,
    RunLog,
)
from bcfl.scenarios.outcome.summary import (
    EventCounts,
    Fairness,
    Final,
    GasTotals,
    Genesis,
    Participant,
    RoundSummary,
    Summary,
    Timings,
    TokenTotals,
)
from bcfl.storage.content_id import cid_text

__all__ = ("NOT_REVEALED", "Results", "results_of")

NOT_REVEALED = "not_revealed"
UNKNOWN = "unknown"
_STATUS: Mapping[Phase, Literal["completed", "cancelled"]] = {
    Phase.COMPLETED: "completed",
    Phase.CANCELLED: "cancelled",
}
_AFTERWARDS = ("withdraw", "refund", "open_validation")


class Results(RunLog):
    """The tables of what was taken."""

    def round(self, number: int) -> RoundSummary:
        """One round's table."""
        state = self.state
        record = state.rounds[number]
        names = {index: self._name(member.account) for index, member in state.members.items()}
        scored = self._scored(record)
        trained = dict(sorted(self.told(number, Trained).items()))
        measured = self._model_measured(number)
        judged = self.told(number, Judged) if isinstance(record, ConsortiumRound) else {}
        crowd = record if isinstance(record, CrowdRound) else None
        suspended = crowd.suspended if crowd is not None else ()
        reasons = dict(scored.rejected) if scored is not None else {}
        reasons |= {i: why for told in judged.values() for i, why in told.rejected.items()}
        rejected = {names[TrainerIndex(int(i))]: reason for i, reason in reasons.items()}
        if record.finalized:
            rejected |= {
                names[index]: NOT_REVEALED for index in record.commitments if index not in record.updates
            }
        return RoundSummary(
            round=number,
            global_loss=measured.get("loss") if scored is None else scored.loss,
            global_accuracy=measured.get("accuracy") if scored is None else scored.accuracy,
            local_loss={name: told.loss for name, told in trained.items()},
            epsilon={name: told.epsilon for name, told in trained.items() if told.epsilon is not None},
            validation_loss={names[TrainerIndex(int(i))]: loss for i, loss in scored.validation_loss.items()}
            if scored is not None
            else {},
            reported_samples=None if scored is None else scored.reported_samples,
            scores={names[index]: score / SCORE_UNIT for index, score in record.scores.items()},
            tokens={names[index]: str(amount * CREDIT_UNIT) for index, amount in record.credits.items()},
            rejected=rejected,
            suspended=tuple(names[index] for index in suspended),
            ejected=tuple(names[index] for index in record.ejected),
            reasons={
                names[index]: reason_name(self.reasons[state.address, number, index])
                for index in (*suspended, *record.ejected)
            },
            overturned=crowd is not None and crowd.reverted,
            objections=self._objections(crowd, names) if crowd is not None else {},
            gas=self._gas_by_role(number),
            agreement=agreement_of(record, names, judged, self.told(number, Aggregated))
            if isinstance(record, ConsortiumRound)
            else None,
        )

    def _objections(self, record: CrowdRound, names: Mapping[TrainerIndex, str]) -> dict[str, str]:
        """Whose objection is on chain, and why, as far as the log knows."""
        told = self.told(record.number, Objecting)
        who = (names[index] for index in record.objections)
        return {name: told[name].reason if name in told else UNKNOWN for name in who}

    def _model_measured(self, number: int) -> dict[str, Any]:
        """Loss and accuracy of a round's model, 0: of the genesis, where the runner has measured them."""
        found: dict[str, Any] = self.measured[MODELS_MEASURED].get(str(number), {})
        return found

    def evidence(self, number: int) -> dict[str, dict[str, float | None]]:
        """What the defence measured of each update of a round: numbers by name, by participant."""
        scored = self._scored(self.state.rounds[number])
        found = scored.evidence if scored is not None else {}
        members = self.state.members
        return {
            self._name(members[TrainerIndex(int(i))].account): dict(numbers) for i, numbers in found.items()
        }

    def misbehaving(self, name: str) -> tuple[int, ...]:
        """The rounds in which a trainer misbehaved: the ground truth, that no other agent knows."""
        return tuple(number for who, number, _ in self.told_in_all(Misbehaving) if who == name)

    @property
    def genesis(self) -> Genesis:
        """The model that the task starts from, as the first evaluation says, or the runner."""
        first, measured = self._first_scored(), self._model_measured(0)
        return Genesis(
            loss=measured.get("loss") if first is None else first.start_loss,
            accuracy=measured.get("accuracy") if first is None else first.start_accuracy,
        )

    def _first_scored(self) -> Scored | None:
        records = (self._scored(record) for _, record in sorted(self.state.rounds.items()))
        return next((scored for scored in records if scored is not None), None)

    def rounds(self) -> tuple[RoundSummary, ...]:
        """All finalised rounds."""
        return tuple(self.round(n) for n, record in sorted(self.state.rounds.items()) if record.finalized)

    def summary(self, *, scenario: str, seed: int, timings: Timings) -> Summary:
        """What the run came to."""
        state = self.state
        rounds, genesis = self.rounds(), self.genesis
        trained = sum(len(record.updates) for record in state.rounds.values())
        in_rounds = sum(sum(round_.gas.values()) for round_ in rounds)
        events = self.task_events
        sanctions, removals = sanctions_of(events), removals_of(events)
        evaluators = evaluators_of(state)
        removed = {evaluators[place].account: found for place, found in removals.items()}
        names = {index: self._name(member.account) for index, member in state.members.items()}
        gave_up = {name: said.reason for name, _, said in self.told_in_all(GaveUp)}
        loss, accuracy = self._final_measured(rounds, genesis)
        summary = Summary(
            scenario=scenario,
            seed=seed,
            status=_STATUS.get(state.phase, "interrupted"),
            genesis=genesis,
            rounds=rounds,
            final=Final(
                loss=loss,
                accuracy=accuracy,
                cid=cid_text(state.model),
                backdoor_success=max(self.measured[GOALS_MEASURED].values(), default=None),
            ),
            participants={
                name: self._participant(entry, sanctions, removed, gave_up.get(name))
                for name, entry in self.participants.items()
            },
            members=members_of(state, names, self.participants, self.measured[MEMBERS_MEASURED])
            if isinstance(state, ConsortiumState)
            else {},
            classification=classification_of(self.measured[CLASSES_MEASURED]),
            tokens=TokenTotals(
                budget=str(state.budget * CREDIT_UNIT),
                paid=str(sum(member.withdrawn for member in state.members.values()) * CREDIT_UNIT),
                returned=str((state.returned or 0) * CREDIT_UNIT),
                forfeited=str(state.slashed * CREDIT_UNIT),
                unclaimed=str((state.bonus if state.ended else 0) * CREDIT_UNIT),
            ),
            detection=detect(state, events, names=names, misbehaved=self.misbehaved),
            fairness=self._fairness(state, names, rounds),
            timings=timings,
            gas=GasTotals(
                total=self.total_gas,
                per_trainer_round=in_rounds / trained if trained else 0.0,
            ),
            events=EventCounts(delivered=self.delivered, retracted=self.retracted),
        )
        return summary.model_copy(update={"conclusion": self._target_reached() or why_ended(summary)})

    def _target_reached(self) -> str:
        """Why its publisher ended the task, where it did; else empty."""
        for _, number, said in self.told_in_all(TargetReached):
            if self.state.cancel_requested:
                return (
                    f"the target was reached: the model of round {number} has a loss of {said.loss:.4g}, at most {said.target_loss:g} was "
                    f"wanted, and the publisher ended the task"
                )
        return ""

    def _final_measured(
        self, rounds: Sequence[RoundSummary], genesis: Genesis
    ) -> tuple[float | None, float | None]:
        """Loss and accuracy of the model that the task ended with, as whoever measured it said; never another model's."""
        state = self.state
        for done in reversed(rounds):
            record = state.rounds[done.round]
            told = self._scored(record) is not None or bool(self._model_measured(done.round))
            if told and not done.overturned and record.model == state.model:
                return done.global_loss, done.global_accuracy
        return (genesis.loss, genesis.accuracy) if state.model == state.config.genesis else (None, None)

    def _fairness(
        self, state: TaskState, names: Mapping[TrainerIndex, str], rounds: Iterable[RoundSummary]
    ) -> Fairness:
        honest = {index: name for index, name in names.items() if name not in self.misbehaved}
        return fairness_of(
            rounds,
            revealed={
                number: {names[index] for index in record.updates} for number, record in state.rounds.items()
            },
            earned={name: earned_by_work(state, index) for index, name in honest.items()},
            samples={name: trained.samples for name, _, trained in self.told_in_all(Trained)},
        )

    def _participant(
        self,
        entry: dict[str, Any],
        sanctions: Mapping[TrainerIndex, Sanctions],
        removed: Mapping[Address, tuple[int, str]],
        gave_up: str | None,
    ) -> Participant:
        state = self.state
        index = state.index_of.get(Address(entry["address"]))
        done = Sanctions() if index is None else sanctions.get(index, Sanctions())
        removed_round, removed_reason = removed.get(Address(entry["address"]), (None, None))
        return Participant(
            role=entry["role"],
            behaviour=entry.get("behaviour", "honest"),
            address=entry["address"],
            tokens="0" if index is None else str(state.members[index].withdrawn * CREDIT_UNIT),
            ejected_round=done.ejected_round,
            ejected_reason=done.ejected_reason,
            suspensions=done.suspensions,
            removed_round=removed_round,
            removed_reason=removed_reason,
            gave_up=gave_up,
        )

    def _scored(self, record: RoundRecord) -> Scored | None:
        """What the evaluator whose scores stand said of the round; None for a round without scores."""
        state = self.state
        if (
            not isinstance(record, CrowdRound)
            or not isinstance(state, CrowdState)
            or record.evaluator is None
        ):
            return None
        name = self._name(state.evaluators[record.evaluator].account)
        return self.told(record.number, Scored).get(name)

    def _gas_by_role(self, number: int) -> dict[str, int]:
        gas: dict[str, int] = defaultdict(int)
        for role, action, used in self.gas(number):
            # What follows the last round (withdrawals, bonds) is the task's, not the round's.
            if not action.startswith(_AFTERWARDS):
                gas[role] += used
        return dict(sorted(gas.items()))

    def _name(self, account: Address) -> str:
        return self.names.get(account, account)


def results_of(records: Iterable[dict[str, Any]]) -> Results:
    """The tables of a whole log."""
    results = Results()
    for record in records:
        results.take(record)
    return results
