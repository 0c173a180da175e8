# SPDX-License-Identifier: Apache-2.0
"""What a consortium came to as a whole, and what is to be known of a member, in words that need no machine learning."""

from __future__ import annotations

from collections.abc import Sequence

from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import MemberSummary, Summary
from bcfl.views.consortium.members import Gain, Vocabulary, everywhere, gain_of, right
from bcfl.views.kit.verdicts import verdict

__all__ = ("footnote", "labels_words", "lead", "notes", "on_everything")


def lead(summary: Summary, words: Vocabulary) -> str:
    """What all did, and what they have of it together."""
    own = all(member.own_test for member in summary.members.values())
    data = f"its own {words.samples if own else 'data'}"
    kept = f"{words.samples} that it had kept aside" if own else "a part of its data that it had kept aside"
    rounds = len(summary.rounds)
    did = (
        f"In {rounds} round{'' if rounds == 1 else 's'} {len(summary.members)} {words.members} taught one model together: each "
        f"trained it on {data} and judged the others' work on {kept}."
    )
    cancelled = "The task was cancelled before its last round." if summary.status == "cancelled" else ""
    return " ".join(part for part in (did, cancelled, _compared(summary, words)) if part)


def _compared(summary: Summary, words: Vocabulary) -> str:
    """The consortium's model beside the others, on all samples that nobody has learned from."""
    whole, pooled = on_everything(summary), _pooled(summary)
    in_one_place = "" if pooled is None else f", one of everybody's data in one place {pooled:,}"
    if whole is not None:
        chance = " So small a difference may be chance." if whole.may_be_chance else ""
        everybody = [everywhere(member, summary) for member in summary.members.values()]
        alone = sorted(gain.alone for gain in everybody if gain is not None)
        return (
            f"On the {whole.of:,} {words.samples} that no model learned from, each at its own {words.member}, models trained "
            f"alone get {whole.alone:,} right, the consortium's {whole.together:,}{in_one_place}.{chance} Asked about all "
            f"{whole.of:,}, a {words.member}'s own model gets {_range(alone)} right."
        )
    member = next(iter(summary.members.values()), None)
    if member is None or member.federated is None or member.own_test:
        return ""
    count, of = right(member.federated.accuracy, member.federated.samples), member.federated.samples
    if count is None:
        return ""
    gains = [gain for gain in map(gain_of, summary.members.values()) if gain is not None]
    alone = sorted(gain.alone for gain in gains)
    by_alone = f", models trained alone {_range(alone)}" if alone else ""
    return f"Of {of:,} {words.samples} that no member has, the consortium's model gets {count:,} right{by_alone}{in_one_place}."


def _range(counts: Sequence[int]) -> str:
    """The least and the most of ascending counts."""
    low, high = counts[0], counts[-1]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def on_everything(summary: Summary) -> Gain | None:
    """Right answers of all members on their own samples, added up; None unless these are all samples, each once."""
    found = [(gain_of(member), everywhere(member, summary)) for member in summary.members.values()]
    own = [gain for gain, _ in found if gain is not None]
    total = sum(gain.of for gain in own)
    if len(own) < len(found) or any(whole is None or whole.of != total for _, whole in found):
        return None
    return Gain(alone=sum(gain.alone for gain in own), together=sum(gain.together for gain in own), of=total)


def _pooled(summary: Summary) -> int | None:
    """Right answers of the model of everybody's data, counted as the others are."""
    members = list(summary.members.values())
    counts = [
        None if member.pooled is None else right(member.pooled.accuracy, member.pooled.samples)
        for member in members
    ]
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(members):
        return None
    return sum(known) if on_everything(summary) is not None else known[0]


def labels_words(member: MemberSummary) -> str:
    """One sentence on wrong labels; empty where there are none."""
    return f"{member.flipped:.0%} of its labels were replaced by random ones." if member.flipped else ""


def notes(name: str, summary: Summary) -> list[str]:
    """Sentences on a member that is not as others are: dishonest, sent away, not paid all."""
    member, who = summary.members[name], summary.participants[name]
    found = []
    if who.behaviour != "honest":
        found.append(f"Set to misbehave in training ({who.behaviour}).")
    if member.judge != "honest":
        found.append(f"Set to misbehave as a judge ({member.judge}).")
    if who.ejected_round is not None or who.suspensions:
        told = verdict(summary, name)
        found.append(f"{told[:1].upper()}{told[1:]}.")
    credited, paid = int(member.training_tokens) + int(member.judging_tokens), int(who.tokens)
    if paid < credited:
        found.append(f"Only {format_tokens(paid, places=2)} tokens were paid out; it forfeited the rest.")
    return found


def footnote(summary: Summary, words: Vocabulary) -> str:
    """How to read the numbers."""
    own = all(member.own_test for member in summary.members.values())
    kept = f"its own {words.samples}" if own else "a part of its own data"
    told = (
        f"Contribution: its part of what was useful in all rounds, as the others measured it, each on {kept}; nobody judges "
        "itself. Tokens for training follow it; tokens for judging are the more, the closer a judge was to what all settled."
    )
    gains = [gain_of(member) for member in summary.members.values()]
    if any(gain is not None and gain.may_be_chance for gain in gains):
        told += (
            f" May be chance: two equally good models can differ as much by the draw of the {words.samples} (within two "
            "standard deviations)."
        )
    return told
