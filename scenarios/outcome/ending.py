# SPDX-License-Identifier: Apache-2.0
"""Why a run ended as it did, where that is not as its scenario meant: training that diverges is nobody's misdeed."""

from __future__ import annotations

from collections.abc import Sequence

from bcfl.agents.crowdsourcing.objecting.evaluation_check import HARMFUL
from bcfl.scenarios.outcome.summary import RoundSummary, Summary

__all__ = ("nothing_happened", "why_ended")

_REMEDY = "set task.training.learning_rate lower"
_NON_FINITE = "non_finite"


def why_ended(summary: Summary) -> str:
    """One sentence without a full stop; empty where there is nothing to explain, or others are to blame."""
    absent = _absent(summary)
    if absent:
        return absent
    evaluated = [done for done in summary.rounds if done.scores]
    if not evaluated or summary.members:
        return ""
    found = _reverted(evaluated) or _unusable(evaluated) or _worse(summary)
    return f"training diverges: {found}; {_REMEDY}" if found else ""


def _absent(summary: Summary) -> str:
    """Who failed too often and stayed away."""
    reasons = {name: who.gave_up.rstrip(".") for name, who in summary.participants.items() if who.gave_up}
    if not reasons:
        return ""
    first, reason = next(iter(reasons.items()))
    others = (
        f" ({len(reasons) - 1} more stayed away: {', '.join(list(reasons)[1:])})" if len(reasons) > 1 else ""
    )
    return f"'{first}' stayed away from some round on: {reason}{others}"


def nothing_happened(summary: Summary) -> str:
    """A sentence where no round was scored and nobody was paid, though the task went through its rounds; else empty."""
    worked = any(done.scores or any(int(paid) for paid in done.tokens.values()) for done in summary.rounds)
    if worked or not summary.rounds:
        return ""
    why = summary.conclusion or "no update was handed in and evaluated"
    return f"No round of {len(summary.rounds)} was scored or paid: {why}."


def _reverted(evaluated: Sequence[RoundSummary]) -> str:
    """Most models were objected to for harm alone: they repeat from what the trainers handed in."""
    harmful = [done for done in evaluated if done.overturned and set(done.objections.values()) == {HARMFUL}]
    if 2 * len(harmful) <= len(evaluated):
        return ""
    many = "every model was" if harmful == evaluated else f"{len(harmful)} of {len(evaluated)} models were"
    return f"{many} worse on the trainers' own data"


def _unusable(evaluated: Sequence[RoundSummary]) -> str:
    """No update of any round holds finite numbers."""
    none = all(
        done.rejected.keys() == done.scores.keys() and set(done.rejected.values()) == {_NON_FINITE}
        for done in evaluated
    )
    return "no update has finite numbers" if none else ""


def _worse(summary: Summary) -> str:
    """The last model is worse than the first, with everybody honest: else it may be somebody's doing."""
    first, last = summary.genesis.loss, summary.final.loss
    honest = all(who.behaviour == "honest" for who in summary.participants.values())
    if first is None or not honest:
        return ""
    if last is None:
        return "the last model's loss is not finite"
    return f"the last model's loss is {last:.4g}, the first one's {first:.4g}" if last > first else ""
