# SPDX-License-Identifier: Apache-2.0
"""A run as plain structured lines: for files, pipes and other programs (``--json``)."""

from __future__ import annotations

from typing import Any, Self, TextIO

import structlog
from rich.console import Console

from bcfl.contracts.phases import Kind
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import RoundAgreement, RoundSummary, Summary
from bcfl.scenarios.running.progress import (
    AgentChanged,
    GasUsed,
    PhaseChanged,
    Preparing,
    RoundDone,
    RunEnded,
    RunEvent,
    RunStarted,
)
from bcfl.views.kit.verdicts import eventful
from bcfl.views.run.board import judged_by_members
from bcfl.views.run.final_table import final_table
from bcfl.views.run.unpaid import unpaid_in

__all__ = ("LineView",)

_WIDTH = 120


class LineView:
    """One line an event: ``key=value`` text, or one JSON object with ``as_json``.

    The text leaves out what only a machine wants (the gas of every transaction, mappings by participant), and ends with the table that
    a terminal keeps.
    """

    def __init__(self, stream: TextIO, *, as_json: bool = False) -> None:
        renderer: Any = (
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if as_json
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "event"], bool_as_flag=False)
        )
        self._as_json = as_json
        self._stream = stream
        self._summary: Summary | None = None
        # its own logger: these lines are the command's output, whatever the log's level and place
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), renderer],
            wrapper_class=structlog.BoundLogger,
        )

    def on_event(self, event: RunEvent) -> None:
        """Write the event's line."""
        if isinstance(event, GasUsed) and not self._as_json:
            return
        name, fields = _fields(event, self._as_json)
        self._log.msg(name, **fields)
        if isinstance(event, RunEnded):
            self._summary = event.summary

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lines are written as they come; what the run came to is written once more, for people."""
        if self._summary is not None and not self._as_json:
            Console(file=self._stream, width=_WIDTH, color_system=None).print(final_table(self._summary))


def _fields(event: RunEvent, full: bool) -> tuple[str, dict[str, Any]]:
    match event:
        case Preparing():
            return "preparing", {"scenario": event.scenario, "what": event.what}
        case RunStarted():
            people: dict[str, Any] = {"trainers": event.trainers, "evaluators": event.evaluators}
            if not full and event.scenario.kind is Kind.CONSORTIUM:
                people = {"members": len(event.trainers)}
            elif not full:
                people = {role: len(names) for role, names in people.items()}
            noted = {"data": "; ".join(event.notes)} if event.notes else {}
            return "run_started", {
                "scenario": event.scenario.name,
                "seed": event.scenario.seed,
                **people,
                **noted,
            }
        case PhaseChanged():
            deadline = {} if event.deadline is None else {"deadline": event.deadline}
            return "phase_changed", {"round": event.round, "phase": event.phase, **deadline}
        case AgentChanged():
            loss = {} if event.loss is None else {"loss": round(event.loss, 6)}
            return "agent_changed", {
                "agent": event.name,
                "role": event.role,
                "activity": event.activity,
                **loss,
            }
        case GasUsed():
            return "gas_used", {"role": event.role, "gas": event.gas}
        case RoundDone():
            return "round_done", event.summary.model_dump(mode="json") if full else _round(event.summary)
        case RunEnded():
            return "run_ended", event.summary.model_dump(mode="json") if full else _end(event.summary)


def _round(done: RoundSummary) -> dict[str, Any]:
    sanctioned = {
        kind: ", ".join(f"{name} ({done.reasons.get(name, 'unknown')})" for name in names)
        for kind, names in (("suspended", done.suspended), ("ejected", done.ejected))
        if names
    }
    unpaid = unpaid_in(done)
    paid = {"tokens": format_tokens(sum(map(int, done.tokens.values())))}
    if done.agreement is not None:
        paid["judging_tokens"] = format_tokens(sum(map(int, done.agreement.evaluation_tokens.values())))
    return {
        "round": done.round,
        **_quality(done),
        "scored": len(done.scores),
        "rejected": len(done.rejected),
        **sanctioned,
        **({"unpaid": ", ".join(f"{one.name} ({one.why})" for one in unpaid)} if unpaid else {}),
        **_agreed(done.agreement),
        **paid,
        "gas": sum(done.gas.values()),
    }


def _quality(done: RoundSummary) -> dict[str, Any]:
    """The round's model; in a consortium, while it runs, the one that the round began with, as its members saw it."""
    if done.agreement is None or done.global_loss is not None:
        return {"loss": done.global_loss, "accuracy": done.global_accuracy}
    loss, accuracy = judged_by_members(done.agreement)
    measured = {"judged_loss": loss, "judged_accuracy": accuracy}
    return {name: round(value, 6) for name, value in measured.items() if value is not None}


def _agreed(agreement: RoundAgreement | None) -> dict[str, Any]:
    """What did not go as it should when a consortium judged and agreed."""
    if agreement is None:
        return {}
    kept = {} if agreement.model is not None else {"model": "kept"}
    missing = {"not_judged": agreement.not_judged, "not_opened": agreement.not_opened}
    return {**{what: ", ".join(names) for what, names in missing.items() if names}, **kept}


def _end(summary: Summary) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if eventful(summary) and summary.detection is not None:
        detection = summary.detection
        found = {"misbehaved": detection.adversaries}
        if not summary.members:  # who do not find and eject each other: they pay little
            found |= {"found": detection.ejected_adversaries, "ejected_by_mistake": detection.ejected_honest}
        found["reward_share"] = round(detection.reward_share, 4)
    return {
        "status": summary.status,
        **({"conclusion": summary.conclusion} if summary.conclusion else {}),
        "loss": summary.final.loss,
        "accuracy": summary.final.accuracy,
        "cid": summary.final.cid,
        "paid": format_tokens(summary.tokens.paid),
        "returned": format_tokens(summary.tokens.returned),
        **({"forfeited": format_tokens(summary.tokens.forfeited)} if int(summary.tokens.forfeited) else {}),
        "seconds": round(summary.timings.total_s, 1),
        **found,
    }
