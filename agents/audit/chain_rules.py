# SPDX-License-Identifier: Apache-2.0
"""What a task's contract could not have said in a given state: rounds, phases, positions, who may act, amounts. Pure.

These are necessary conditions, read off the contracts: an event that passes may still be made up, one that does not
was never on a chain.
"""

from __future__ import annotations

from collections.abc import Iterator

from bcfl.agents.audit.consortium_rules import consortium_rules
from bcfl.agents.audit.crowd_rules import crowd_rules
from bcfl.agents.audit.finding import Finding
from bcfl.agents.audit.root_rules import from_list, list_rules, root_rules
from bcfl.contracts import events as e
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.ids import TrainerIndex
from bcfl.contracts.phases import Phase, Selection
from bcfl.contracts.state import RoundRecord, TaskState

__all__ = ("rule_findings",)

_ENTRY_BYTES = 36
"""Of a committed entry: its member's index and its hash."""

_OF_THE_ROUND = (
    e.BondSlashed
    | e.EvaluationSubmitted
    | e.ModelSubmitted
    | e.PhaseStarted
    | e.RootCommitted
    | e.RootRevealed
    | e.RoundFinalized
    | e.ScoresCommitted
    | e.ScoresRevealed
    | e.ScoresSettled
    | e.StakeSlashed
    | e.TrainerEjected
    | e.TrainerSuspended
    | e.UpdateSubmitted
    | e.UpdatesCommitted
)
"""Name the round that the task is in."""
_PHASES: dict[type[e.Event], tuple[Phase, ...]] = {
    e.EvaluationReverted: (Phase.TRAINING, Phase.CLOSING),
    e.EvaluationSubmitted: (Phase.EVALUATION,),
    e.ModelSubmitted: (Phase.AGGREGATION,),
    e.RootCommitted: (Phase.TRAINING,),
    e.RootRevealed: (Phase.REVEAL,),
    e.ScoresCommitted: (Phase.EVALUATION,),
    e.ScoresRevealed: (Phase.SCORE_REVEAL,),
    e.ScoresSettled: (Phase.EVALUATION, Phase.SCORE_REVEAL),
    e.TaskCompleted: (Phase.CLOSING,),
    e.UpdatesCommitted: (Phase.TRAINING,),
}
"""When it can be said, where that is not at any time."""
_AFTER_THE_END = (
    e.BondReturned
    | e.BondForfeited
    | e.CreditsWritten
    | e.EvaluatorCleared
    | e.MemberBondReturned
    | e.EscrowReturned
    | e.RewardWithdrawn
    | e.StakeReturned
    | e.TrainerLeft
    | e.ValidationOpened
)
_ONLY_AFTER_THE_END = e.BondForfeited | e.EscrowReturned | e.ValidationOpened


def rule_findings(state: TaskState, event: e.Event) -> Iterator[Finding]:
    """Why the contract could not have said this in this state; nothing where it could."""
    for message in (*_when(state, event), *_what(state, event)):
        yield Finding(
            round=getattr(event, "round", state.round),
            subject=type(event).__name__,
            message=message,
            event=event,
        )


def _when(state: TaskState, event: e.Event) -> Iterator[str]:
    if isinstance(event, _OF_THE_ROUND) and event.round != state.round:
        yield f"it is of round {event.round}, the task is in round {state.round}"
    if isinstance(event, e.EvaluatorRemoved) and event.round != state.round:
        yield f"it is of round {event.round}, the task is in round {state.round}"
    if isinstance(event, e.CreditsWritten) and event.round > state.round:
        yield f"it is of round {event.round}, the task is in round {state.round}"
    phases = _PHASES.get(type(event))
    if isinstance(event, e.UpdateSubmitted):
        phases = (Phase.REVEAL if state.config.commit_reveal else Phase.TRAINING,)
    if state.deadline == 0 and not isinstance(event, e.PhaseStarted):
        yield "enrolment has not begun"
    if phases is not None and state.phase not in phases:
        yield f"the task is in the phase {state.phase.name.lower()}, which does not allow it"
    if state.ended and not isinstance(event, _AFTER_THE_END):
        yield "the task has ended before"
    if not state.ended and isinstance(event, _ONLY_AFTER_THE_END):
        yield "the task has not ended"


def _what(state: TaskState, event: e.Event) -> Iterator[str]:
    match event:
        case e.RoundStarted():
            yield from _round(state, event)
        case e.PhaseStarted():
            yield from _phase(state, event)
        case e.RoundFinalized() if state.round == 0 or _record(state).finalized:
            yield "no round is under way"
        case e.TaskCompleted() if state.round != state.config.rounds:
            yield f"round {state.round} is not the last of {state.config.rounds}"
        case e.RootCommitted() | e.RootRevealed():
            yield from root_rules(state, _record(state), event)
        case e.UpdatesCommitted() | e.UpdateSubmitted() if from_list(_record(state), event):
            yield from list_rules(_record(state), event)
        case e.UpdatesCommitted() | e.UpdateSubmitted():
            yield from _intake(state, event)
        case e.TrainerJoined():
            yield from _joining(state, event)
        case _:
            yield from _money(state, event)
    if isinstance(state, CrowdState):
        yield from crowd_rules(state, event)
    elif isinstance(state, ConsortiumState):
        yield from consortium_rules(state, event)


def _round(state: TaskState, event: e.RoundStarted) -> Iterator[str]:
    if event.round != state.round + 1:
        yield f"it is round {event.round}, the one before was {state.round}"
    if state.round and not _record(state).finalized:
        yield f"round {state.round} has no model yet"
    if event.model != state.model:
        yield "it begins from another model than the last one"
    eligible = tuple(sorted(index for index in state.active_members if not state.members[index].suspended))
    everybody = state.config.selection is Selection.ALL
    if event.cohort != (eligible if everybody else tuple(sorted({*event.cohort} & {*eligible}))):
        yield f"its cohort is {list(event.cohort)}, {'all' if everybody else 'some'} of {list(eligible)} were due"
    yield from _deadline(event, state.config.schedule.training)


def _phase(state: TaskState, event: e.PhaseStarted) -> Iterator[str]:
    schedule = state.config.schedule
    durations = {
        Phase.ENROLMENT: schedule.enrolment,
        Phase.REVEAL: schedule.reveal,
        Phase.EVALUATION: schedule.evaluation,
        Phase.SCORE_REVEAL: schedule.reveal,
        Phase.AGGREGATION: schedule.aggregation,
        Phase.CLOSING: schedule.closing,
    }
    if event.phase is Phase.TRAINING:
        # Everybody has committed, and objections have half of Training.
        due = state.deadline - schedule.training // 2
        if state.phase is not Phase.TRAINING or event.deadline != due:
            yield f"its deadline is {event.deadline}, half of training is {due}"
        return
    if event.phase not in durations or event.phase < state.phase:
        yield f"{event.phase.name.lower()} cannot follow {state.phase.name.lower()}"
    else:
        yield from _deadline(event, durations[event.phase])
    if event.phase is Phase.CLOSING and not _record(state).finalized:
        yield f"round {state.round} has no model yet"


def _deadline(event: e.RoundStarted | e.PhaseStarted, seconds: int) -> Iterator[str]:
    due = event.origin.block.timestamp + seconds
    if event.deadline != due:
        yield f"its deadline is {event.deadline}, {seconds} s after its block is {due}"


def _intake(state: TaskState, event: e.UpdatesCommitted | e.UpdateSubmitted) -> Iterator[str]:
    record = _record(state)
    if isinstance(event, e.UpdateSubmitted):
        hidden = state.config.commit_reveal
        entry = record.commitments.get(event.index)
        position = len(record.updates) if not hidden else None if entry is None else entry.position
        if event.index in record.updates or not _known(state, event.index) or event.position != position:
            yield f"member {event.index} cannot open an update at position {event.position}"
        return
    if event.batch != record.next_batch or event.first_position != len(record.commitments):
        yield f"batch {event.batch} from position {event.first_position} does not follow the batches before it"
    size = _ENTRY_BYTES
    packed = [event.raw[start : start + size] for start in range(0, len(event.raw), size)]
    if [(int.from_bytes(one[:4], "big"), one[4:]) for one in packed] != list(event.entries):
        yield "its entries are not its raw bytes"
    for index, _ in event.entries:
        if index in record.commitments or not _active(state, index):
            yield f"member {index} cannot commit"


def _joining(state: TaskState, event: e.TrainerJoined) -> Iterator[str]:
    former = state.members.get(event.index)
    # Who left in the round that it joined in was in no cohort, and its index is given out again.
    again = isinstance(state, CrowdState) and former is not None and not former.active
    if (event.index != len(state.members) and not again) or event.account in state.index_of:
        yield f"{event.account} cannot be member {event.index}"
    if event.stake != state.config.stake:
        yield f"its stake is {event.stake}, the task asks for {state.config.stake}"


def _money(state: TaskState, event: e.Event) -> Iterator[str]:
    match event:
        case e.RewardWithdrawn() if _known(state, event.index):
            member = state.members[event.index]
            if not 0 < event.amount <= member.earned - member.withdrawn:
                yield f"{event.amount} was paid where {member.earned - member.withdrawn} was owed (10⁻⁹ token)"
        case e.StakeReturned() | e.StakeSlashed() if _known(state, event.index):
            # Who leaves has its stake folded to zero before it is returned.
            due = state.members[event.index].stake or state.config.stake
            if event.amount != due:
                yield f"{event.amount} is not the stake of {due} (10⁻⁹ token)"
        case e.EscrowReturned() if event.amount != max(state.escrow - state.bonus, 0):
            left = max(state.escrow - state.bonus, 0)
            yield f"{event.amount} was returned where {left} was left (10⁻⁹ token)"


def _record(state: TaskState) -> RoundRecord:
    """The round under way; an empty one before the first."""
    return state.rounds.get(state.round, RoundRecord(number=0, start_model=state.model, cohort=()))


def _known(state: TaskState, index: TrainerIndex) -> bool:
    return index in state.members


def _active(state: TaskState, index: TrainerIndex) -> bool:
    return index in state.members and state.members[index].active
