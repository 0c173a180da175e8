# SPDX-License-Identifier: Apache-2.0
"""A task's state as bytes and back, round by round: what an agent keeps, so that it need not read a task's whole past again."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from immutables import Map
from pydantic_core import from_json

from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState, Proposal
from bcfl.contracts.crowd_state import CrowdRound, CrowdState, EvaluatorState, Uncredited
from bcfl.contracts.errors import MalformedState
from bcfl.contracts.json_form import decode, decoded_fields, encode, form_of
from bcfl.contracts.rounds import KeptRounds, changed_rounds
from bcfl.contracts.state import (
    CommittedEntry,
    MemberState,
    RootedBatch,
    RoundRecord,
    TaskState,
    UpdateRecord,
)

__all__ = ("HELD_ROUNDS", "StateParts", "round_from_bytes", "state_from_parts", "state_to_parts")

HELD_ROUNDS = 8
"""So many of the newest rounds stay in memory where the others can be read."""

_KINDS: dict[str, type[TaskState]] = {"crowd": CrowdState, "consortium": ConsortiumState}
_ROUNDS: dict[type[TaskState], type[RoundRecord]] = {CrowdState: CrowdRound, ConsortiumState: ConsortiumRound}
_BY_ROUND = frozenset({"rounds", "owners"})
_LAYOUT = "a head, and each round by itself"
_PARTS = (
    CommittedEntry,
    ConsortiumRound,
    CrowdRound,
    EvaluatorState,
    MemberState,
    Proposal,
    RootedBatch,
    Schedule,
    TaskConfig,
    Uncredited,
    UpdateRecord,
)


@dataclass(frozen=True, kw_only=True)
class StateParts:
    """A state as bytes: each round by itself, since a round that is over does not change any more.

    Attributes:
        head: all but the rounds.
        rounds: by number, with whose digests became known in them; where parts were made against an earlier state, those that differ.
        whole: they are all rounds.
    """

    head: bytes
    rounds: Mapping[int, bytes]
    whole: bool = True


def state_to_parts(state: TaskState, *, since: TaskState | None = None) -> StateParts:
    """As JSON, with the form that this version gives it.

    Args:
        state: to be kept.
        since: of the same task, earlier, and kept already: only rounds that changed since are written out again.
    """
    kind = next(name for name, kind in _KINDS.items() if isinstance(state, kind))
    known = {} if since is None else since.rounds
    changed = changed_rounds(state.rounds, known)
    changed |= {
        number
        for digest, (number, _, _) in state.owners.items()
        if since is None or digest not in since.owners
    }
    owned: dict[int, list[list[Any]]] = {}
    for digest, (number, place, index) in state.owners.items():
        if number in changed:
            owned.setdefault(number, []).append([digest.hex(), place, index])
    content = {
        field.name: encode(getattr(state, field.name))
        for field in fields(state)
        if field.name not in _BY_ROUND
    }
    return StateParts(
        head=_json({"form": _form(), "kind": kind, "state": content}),
        rounds={
            number: _json([encode(state.rounds.get(number)), owned.get(number, [])]) for number in changed
        },
        whole=since is None,
    )


def state_from_parts(
    parts: StateParts, *, read: Callable[[type[TaskState], int], RoundRecord] | None = None
) -> TaskState:
    """The inverse of ``state_to_parts``, of all rounds.

    Args:
        parts: of the state.
        read: gives an old round's record, by the kind of task and its number, when it is asked for; None: all are held in memory.

    Raises:
        MalformedState: it is no state, or one of another version's form: read the events again.
    """
    try:
        head = from_json(parts.head)
        if head["form"] != _form():
            raise MalformedState("The state was kept by a version of bcfl that knew other things of a task.")
        kind = _KINDS[head["kind"]]
        rounds, owners = {}, {}
        content = head["state"]
        old = 0 if read is None else max(0, content["round"] - HELD_ROUNDS)
        for number, data in sorted(parts.rounds.items()):
            record, owned = from_json(data)
            if record is not None and (
                read is None or number > old
            ):  # before the first round only the task's own model has a digest
                rounds[number] = decode(_ROUNDS[kind], record)
            for digest, place, index in owned:
                owners[bytes.fromhex(digest)] = (number, place, index)
        known = decoded_fields(kind, content, [x.name for x in fields(kind) if x.name not in _BY_ROUND])
        held = (
            rounds
            if read is None or not old
            else KeptRounds(rounds, upto=old, read=functools.partial(read, kind))
        )
        state: TaskState = kind(**known, rounds=held, owners=Map(owners))
        if list(held) != list(range(1, state.round + 1)) or not set(range(1, old + 1)) <= parts.rounds.keys():
            raise MalformedState("What was kept of a task's state has other rounds than it says.")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MalformedState("What was kept of a task's state cannot be read.") from error
    return state


def round_from_bytes(kind: type[TaskState], data: bytes) -> RoundRecord:
    """One round of ``StateParts.rounds``, of a task of that kind.

    Raises:
        MalformedState: it is none.
    """
    try:
        record, _ = from_json(data)
        decoded: RoundRecord = decode(_ROUNDS[kind], record)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MalformedState("What was kept of a task's round cannot be read.") from error
    return decoded


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@functools.cache
def _form() -> str:
    return form_of((*_KINDS.values(), *_PARTS), _LAYOUT)
