# SPDX-License-Identifier: Apache-2.0
"""How the values of each log become typed events: one, or one for each entry of a batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from bcfl.contracts import events as e
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.ids import ContentId, TrainerIndex
from bcfl.contracts.phases import CancelReason, Kind, Phase
from bcfl.contracts.scores import from_bitmap, unpack_amounts, unpack_scores

__all__ = ("BUILDERS",)

_CAPITAL = re.compile(r"([A-Z])")
_COMMIT_ENTRY = 36
_UPDATE = 44

_Values = dict[str, Any]
BUILDERS: dict[str, Callable[[EventOrigin, _Values], Iterator[e.Event] | tuple[e.Event, ...]]] = {}
"""By the name of the event."""


def _builds(name: str) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:  # noqa: ANN401 - a private table
        BUILDERS[name] = function
        return function

    return decorate


@_builds("TaskCreated")
def _task_created(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.TaskCreated(
        origin=origin,
        task=v["task"],
        publisher=v["publisher"],
        token=v["token"],
        kind=Kind(v["kind"]),
        config=TaskConfig.from_abi(v["config"]),
        evaluators=v["evaluators"],
        budget=v["budget"],
    )


@_builds("RoundStarted")
def _round_started(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.RoundStarted(
        origin=origin,
        round=v["round"],
        model=ContentId(v["modelDigest"], v["modelSize"]),
        deadline=v["deadline"],
        cohort=from_bitmap(v["cohort"]),
    )


@_builds("PhaseStarted")
def _phase_started(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.PhaseStarted(origin=origin, round=v["round"], phase=Phase(v["phase"]), deadline=v["deadline"])


@_builds("UpdatesCommitted")
def _updates_committed(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    raw: bytes = v["entries"]
    yield e.UpdatesCommitted(
        origin=origin,
        round=v["round"],
        batch=v["batch"],
        first_position=v["firstPosition"],
        entries=tuple(
            (TrainerIndex(int.from_bytes(raw[i : i + 4], "big")), raw[i + 4 : i + _COMMIT_ENTRY])
            for i in range(0, len(raw), _COMMIT_ENTRY)
        ),
        raw=raw,
    )


@_builds("UpdatesSubmitted")
def _updates_submitted(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    raw: bytes = v["updates"]
    for i in range(0, len(raw), _UPDATE):
        yield e.UpdateSubmitted(
            origin=origin,
            round=v["round"],
            index=TrainerIndex(int.from_bytes(raw[i : i + 4], "big")),
            content=ContentId(raw[i + 4 : i + 36], int.from_bytes(raw[i + 36 : i + 40], "big")),
            position=int.from_bytes(raw[i + 40 : i + 44], "big"),
        )


@_builds("RootCommitted")
def _root_committed(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.RootCommitted(
        origin=origin,
        round=v["round"],
        batch=v["batch"],
        first_position=v["firstPosition"],
        root=v["root"],
        listing=ContentId(v["listDigest"], v["listSize"]),
        words=len(v["members"]),
        members=from_bitmap(v["members"]),
    )


@_builds("RootRevealed")
def _root_revealed(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.RootRevealed(
        origin=origin,
        round=v["round"],
        batch=v["batch"],
        listing=ContentId(v["listDigest"], v["listSize"]),
        members=from_bitmap(v["members"]),
    )


@_builds("TrainersReinstated")
def _trainers_reinstated(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    for index in from_bitmap([v["members"]]):
        yield e.TrainerReinstated(
            origin=origin, round=v["round"], index=TrainerIndex(256 * v["word"] + index)
        )


@_builds("EvaluationSubmitted")
def _evaluation_submitted(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.EvaluationSubmitted(
        origin=origin,
        round=v["round"],
        evaluator=v["evaluator"],
        report=ContentId(v["reportDigest"], v["reportSize"]),
        payout=v["payout"],
        scores=unpack_scores(v["scores"]),
    )


@_builds("ScoresRevealed")
def _scores_revealed(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.ScoresRevealed(
        origin=origin,
        round=v["round"],
        index=v["index"],
        probe=v["probeDigest"],
        scores=unpack_scores(v["scores"]),
    )


@_builds("ScoresSettled")
def _scores_settled(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.ScoresSettled(
        origin=origin,
        round=v["round"],
        payout=v["payout"],
        evaluation_payout=v["evaluationPayout"],
        scores=unpack_scores(v["scores"]),
        pays=unpack_amounts(v["pays"]),
    )


@_builds("ModelSubmitted")
def _model_submitted(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.ModelSubmitted(
        origin=origin,
        round=v["round"],
        account=v["account"],
        model=ContentId(v["digest"], v["size"]),
    )


@_builds("RoundFinalized")
def _round_finalized(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    model = ContentId(v["modelDigest"], v["modelSize"])
    yield e.RoundFinalized(origin=origin, round=v["round"], model=model, payout=v["payout"])


@_builds("TaskCancelled")
def _task_cancelled(origin: EventOrigin, v: _Values) -> Iterator[e.Event]:
    yield e.TaskCancelled(origin=origin, reason=CancelReason(v["reason"]))


def _same_fields(kind: Callable[..., e.Event]) -> Callable[[EventOrigin, _Values], tuple[e.Event, ...]]:
    """The builder of an event whose fields are the contract's, in Python's spelling."""

    def build(origin: EventOrigin, v: _Values) -> tuple[e.Event, ...]:
        return (
            kind(origin=origin, **{_CAPITAL.sub(r"_\1", name).lower(): value for name, value in v.items()}),
        )

    return build


BUILDERS |= {
    kind.__name__: _same_fields(kind)
    for kind in (
        e.BondForfeited,
        e.BondReturned,
        e.BondSlashed,
        e.CancelRequested,
        e.CreditsWritten,
        e.EscrowReturned,
        e.EvaluationReverted,
        e.EvaluatorBonded,
        e.EvaluatorCleared,
        e.EvaluatorRemoved,
        e.MemberBondReturned,
        e.MemberProposed,
        e.MemberVoted,
        e.Objected,
        e.RewardWithdrawn,
        e.ScoresCommitted,
        e.StakeReturned,
        e.StakeSlashed,
        e.TaskCompleted,
        e.TrainerEjected,
        e.TrainerJoined,
        e.TrainerLeft,
        e.TrainerSuspended,
        e.ValidationOpened,
    )
}
