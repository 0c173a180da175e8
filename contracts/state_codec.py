# SPDX-License-Identifier: Apache-2.0
"""A task's state as bytes and back: what an agent keeps, so that it need not read a task's whole past again."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import fields

from bcfl.contracts.config import Schedule, TaskConfig
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState, Proposal
from bcfl.contracts.crowd_state import CrowdRound, CrowdState, EvaluatorState, Uncredited
from bcfl.contracts.errors import MalformedState
from bcfl.contracts.json_form import decode, encode
from bcfl.contracts.state import CommittedEntry, MemberState, TaskState, UpdateRecord

__all__ = ("state_from_bytes", "state_to_bytes")

_KINDS: dict[str, type[TaskState]] = {"crowd": CrowdState, "consortium": ConsortiumState}
_PARTS = (
    CommittedEntry,
    ConsortiumRound,
    CrowdRound,
    EvaluatorState,
    MemberState,
    Proposal,
    Schedule,
    TaskConfig,
    Uncredited,
    UpdateRecord,
)


def state_to_bytes(state: TaskState) -> bytes:
    """As JSON, with the form that this version gives it."""
    kind = next(name for name, kind in _KINDS.items() if isinstance(state, kind))
    return json.dumps({"form": _form(), "kind": kind, "state": encode(state)}, separators=(",", ":")).encode()


def state_from_bytes(data: bytes) -> TaskState:
    """The inverse of ``state_to_bytes``.

    Raises:
        MalformedState: it is no state, or one of another version's form: read the events again.
    """
    try:
        record = json.loads(data)
        if record["form"] != _form():
            raise MalformedState("The state was kept by a version of bcfl that knew other things of a task.")
        state: TaskState = decode(_KINDS[record["kind"]], record["state"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MalformedState("What was kept of a task's state cannot be read.") from error
    return state


@functools.cache
def _form() -> str:
    """What a state consists of: another version may know more."""
    stated = [
        f"{kind.__name__}.{field.name}:{field.type}"
        for kind in (*_KINDS.values(), *_PARTS)
        for field in fields(kind)
    ]
    return hashlib.sha256("\n".join(stated).encode()).hexdigest()[:16]
