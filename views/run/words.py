# SPDX-License-Identifier: Apache-2.0
"""What happened in a run, in a paragraph for someone who reads only that."""

from __future__ import annotations

from bcfl.models.defences.defence import NOT_SELECTED
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.kit.verdicts import eventful, found_in_words, reason_words

__all__ = ("in_words",)


def in_words(scenario: Scenario, summary: Summary) -> str:
    """What happened, for someone who reads only this."""
    sentences = [_taught(scenario, summary)]
    if summary.status == "cancelled":
        sentences.append("The task was cancelled before its last round.")
    if summary.conclusion:
        sentences.append(f"{summary.conclusion[0].upper()}{summary.conclusion[1:]}.")
    start, end = summary.genesis, summary.final
    if start.loss is not None and end.loss is not None:
        sentences.append(
            f"The global model's loss went from {start.loss:.4f} to {end.loss:.4f}{_accuracy(summary)}."
        )
    sentences.append(
        f"Of {format_tokens(summary.tokens.budget, places=2)} tokens in escrow {format_tokens(summary.tokens.paid, places=2)} were paid and "
        f"{format_tokens(summary.tokens.returned, places=2)} returned to the publisher{_most(summary)}."
    )
    if int(summary.tokens.forfeited):
        sentences.append(
            f"{format_tokens(summary.tokens.forfeited, places=2)} tokens of stakes and bonds were lost; what was paid "
            "includes them."
            if not int(summary.tokens.unclaimed)
            else f"{format_tokens(summary.tokens.forfeited, places=2)} tokens of stakes and bonds were lost, of which "
            f"{format_tokens(summary.tokens.unclaimed, places=2)} came to no payout and are nobody's."
        )
    return " ".join([*sentences, *_sent_away(summary)])


def _taught(scenario: Scenario, summary: Summary) -> str:
    trainers, task = len(scenario.trainer_names), scenario.task
    who = "member" if summary.members else "trainer"
    judged = (
        f"each scored every other's update with '{task.score.name}' on data that it held out"
        if summary.members
        else f"{scenario.evaluator_names[0]} scored every update with '{task.score.name}' on validation data of its own"
    )
    return (
        f"{trainers} {who}{'s' if trainers != 1 else ''} taught the network '{task.network.name}' on "
        f"'{scenario.data.dataset.name}' in {len(summary.rounds)} of {task.rounds} rounds; {judged}."
    )


def _sent_away(summary: Summary) -> list[str]:
    """Who was rejected, suspended and thrown out, and whether rightly."""
    rejected = sum(word != NOT_SELECTED for done in summary.rounds for word in done.rejected.values())
    ejected = [(name, done) for done in summary.rounds for name in done.ejected]
    suspended = {name for done in summary.rounds for name in done.suspended}
    if not rejected and not ejected and not suspended:
        sentences = ["No update was rejected and nobody was thrown out."]
    else:
        sentences = [f"{rejected} update{'s were' if rejected != 1 else ' was'} rejected."]
    if ejected:
        cases = "; ".join(
            f"{name} in round {done.round}, because it {reason_words(done.reasons.get(name, 'was ejected'))}"
            for name, done in ejected[:8]
        )
        more = f"; and {len(ejected) - 8:,} more" if len(ejected) > 8 else ""
        sentences.append(f"Thrown out: {cases}{more}.")
    elif suspended:
        sentences.append(f"{len(suspended)} were suspended for a while and nobody was thrown out.")
    removed = [name for name, who in summary.participants.items() if who.removed_round is not None]
    if removed:
        overturned = sum(done.overturned for done in summary.rounds)
        sentences.append(
            f"Removed as evaluator{'s' if len(removed) > 1 else ''}: {', '.join(removed)}"
            + (
                f"; {overturned} evaluation{'s were' if overturned > 1 else ' was'} overturned by objections."
                if overturned
                else "."
            )
        )
    if eventful(summary) and summary.detection is not None and not summary.members:
        sentences.append(found_in_words(summary.detection))
    return sentences


def _accuracy(summary: Summary) -> str:
    start, end = summary.genesis.accuracy, summary.final.accuracy
    return "" if start is None or end is None else f", its accuracy from {start:.2%} to {end:.2%}"


def _most(summary: Summary) -> str:
    paid = {name: int(participant.tokens) for name, participant in summary.participants.items()}
    best = max(paid, key=lambda name: paid[name], default=None)
    if best is None or not paid[best]:
        return ""
    return f"; {best} earned most, {format_tokens(paid[best], places=2)}"
