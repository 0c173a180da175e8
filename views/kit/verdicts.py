# SPDX-License-Identifier: Apache-2.0
"""Verdicts in words that need no machine learning: why somebody was suspended or thrown out, and whether rightly."""

from __future__ import annotations

from bcfl.contracts.state import MemberState
from bcfl.scenarios.outcome.summary import Detection, Participant, Summary

__all__ = ("eventful", "found_in_words", "reason_words", "standing_words", "verdict", "was_honest")

_REASONS = {
    "not_revealed": "never showed what it had committed to",
    "invalid_update": "handed in files that are no update",
    "unavailable": "kept its updates out of reach",
    "no_new_work": "handed in no work of its own",
    "copied": "handed in copies",
    "harmful": "made the model worse",
    "silent": "did not answer in time",
    "objections": "trainers objected to its evaluation",
    "stood down": "trainers objected to its model, and blamed nobody",
    "voted": "was voted out by the members",
}


def reason_words(reason: str) -> str:
    """What a sanctioned trainer did, as a phrase; a reason that is not known as it stands."""
    return _REASONS.get(reason, reason.replace("_", " "))


def standing_words(member: MemberState) -> str:
    """Where a member stands, by the chain alone."""
    if member.ejected_round is not None:
        return f"ejected in round {member.ejected_round}"
    if member.suspended_until is not None:
        return f"suspended to round {member.suspended_until}"
    return "active" if member.active else "gone"


def eventful(summary: Summary) -> bool:
    """Whether somebody misbehaved, was to misbehave, or was sent away: else there is nothing to tell."""
    found = summary.detection
    return (found is not None and found.adversaries > 0) or any(
        who.behaviour != "honest"
        or who.suspensions
        or who.ejected_round is not None
        or who.removed_round is not None
        or who.gave_up is not None
        for who in summary.participants.values()
    )


def was_honest(summary: Summary, name: str) -> bool:
    """Whether a participant never misbehaved, whatever its behaviour is called; True where that was not measured."""
    return summary.detection is None or name not in summary.detection.first_misbehaviour


def verdict(summary: Summary, name: str) -> str:
    """What became of a trainer, a member, or an evaluator that was removed; empty for everybody else."""
    who = summary.participants[name]
    if who.removed_round is not None:
        return f"removed in round {who.removed_round}: {reason_words(who.removed_reason or 'removed')}"
    if who.gave_up:
        return "stayed away: it failed too often"
    if who.role not in {"trainer", "member"}:
        return ""
    text = _sentence(who)
    mistaken = was_honest(summary, name) and summary.detection is not None and not summary.members
    return f"{text} (a mistake)" if mistaken and who.ejected_round is not None else text


def _sentence(who: Participant) -> str:
    if who.ejected_round is not None:
        return f"thrown out in round {who.ejected_round}: {reason_words(who.ejected_reason or 'ejected')}"
    if who.suspensions:
        last = who.suspensions[-1]
        times = "" if len(who.suspensions) == 1 else f" ({len(who.suspensions)} times)"
        return f"suspended in round {last.round}{times}: {reason_words(last.reason)}"
    return "stayed"


def found_in_words(found: Detection) -> str:
    """How well misbehaviour was found, in one or two sentences."""
    wrong = f"{found.ejected_honest} of {found.honest} honest ones"
    if not found.adversaries:
        return f"No trainer misbehaved; {wrong} {_were(found.ejected_honest)} thrown out by mistake."
    return (
        f"{found.ejected_adversaries} of {_count(found.adversaries, 'trainer')} who misbehaved {_were(found.ejected_adversaries)} thrown out, and {wrong} by mistake; those who misbehaved "
        f"took {found.reward_share:.1%} of the pay."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
