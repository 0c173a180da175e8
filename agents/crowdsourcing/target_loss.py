# SPDX-License-Identifier: Apache-2.0
"""A publisher that has what it wanted: once a round's model is good enough it ends the task, and gets back what nobody earned.

The loss is what the evaluator says of the round's model in its report. Trainers may object to an evaluation while the next round trains, so
the publisher waits until they no longer can; the task ends with that next round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bcfl.agents.common.decisions import TargetReached, Telling
from bcfl.agents.common.retrieval import REPORT_BYTES, Retrieval
from bcfl.agents.runtime.actions import Action, Results, Transact, View, Work
from bcfl.contracts import calls
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId
from bcfl.contracts.phases import Phase
from bcfl.storage.errors import FetchError

__all__ = ("ReadLoss", "TargetLoss", "decide_stop")


@dataclass(frozen=True, kw_only=True)
class ReadLoss(Work["float | None"]):
    """Read the loss of the model of ``round`` in its report; None where that cannot be had."""

    report: ContentId


def decide_stop(view: View, target_loss: float, results: Results) -> list[Action]:
    """All that a publisher wants who needs no better model than one of that loss."""
    state = CrowdState.of(view.final)
    if state is None or state.ended or state.cancel_requested or state.round < 2:
        return []
    if state.phase in {Phase.TRAINING, Phase.CLOSING}:
        return []  # members may still object, or there is nothing left to end
    done = state.rounds[state.round - 1]
    if done.report is None or done.reverted:
        return []
    read = ReadLoss(round=done.number, report=done.report)
    if read not in results:
        return [read]
    loss = results[read]
    if loss is None or not loss <= target_loss:  # a loss may be no number
        return [read]
    return [read, Transact(round=done.number, name="cancel", call=calls.cancel(state.address))]


class TargetLoss:
    """A publisher's hands where the end of its task is concerned.

    Args:
        target_loss: in nats.
        retrieval: fetches reports.
        tell: writes into the publisher's log.
    """

    def __init__(self, *, target_loss: float, retrieval: Retrieval, tell: Telling) -> None:
        self._target_loss = target_loss
        self._retrieval = retrieval
        self._tell = tell

    def decide(self, view: View, results: Results) -> list[Action]:
        """All that it wants of a task that exists."""
        return decide_stop(view, self._target_loss, results)

    async def perform(self, work: Work[Any]) -> float | None:
        """Read a round's loss; None where that cannot be had.

        Raises:
            TypeError: it is other work.
        """
        if not isinstance(work, ReadLoss):
            raise TypeError(f"A publisher does not know {work!r}.")
        try:
            data = await self._retrieval.content(work.report, max_bytes=REPORT_BYTES)
            loss = EvaluationReport.decode(data).loss
        except (FetchError, MalformedReport):
            return None
        if loss <= self._target_loss:
            self._tell(work.round, TargetReached(loss=loss, target_loss=self._target_loss))
        return loss
