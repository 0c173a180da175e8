# SPDX-License-Identifier: Apache-2.0
"""What a consortium is to each of its members, in words that need no machine learning: gain, contribution, tokens.

Counts stand in place of percentages where somebody was counted: of 62 patients one is more than a percent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import MemberSummary, Performance, Summary

__all__ = (
    "HOSPITALS",
    "MEMBERS",
    "Gain",
    "Vocabulary",
    "chance_words",
    "contribution_words",
    "everywhere",
    "everywhere_words",
    "gain_of",
    "gain_words",
    "most_words",
    "pairs_words",
    "ranking_words",
    "right",
    "tokens_of",
    "vocabulary_of",
)


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What members and samples are called; ``pair`` is what a model has to tell apart."""

    member: str
    members: str
    samples: str
    pair: str


MEMBERS = Vocabulary(
    member="member",
    members="members",
    samples="test samples",
    pair="a sample of some class and one that is not",
)
HOSPITALS = Vocabulary(
    member="hospital", members="hospitals", samples="patients", pair="a sick and a healthy patient"
)
_OF_DATA = {"heart_disease": HOSPITALS}


def vocabulary_of(scenario: Scenario, summary: Summary) -> Vocabulary:
    """Words for the scenario's data; those of hospitals only where each was tested on patients of its own."""
    own = bool(summary.members) and all(member.own_test for member in summary.members.values())
    return _OF_DATA.get(scenario.data.dataset.name, MEMBERS) if own else MEMBERS


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Right answers of two models on the same ``of`` samples."""

    alone: int
    together: int
    of: int

    @property
    def more(self) -> int:
        """How many more are right with the consortium's model; below 0: fewer."""
        return self.together - self.alone

    @property
    def may_be_chance(self) -> bool:
        """Whether two models that are equally good could differ that much.

        That is within twice the standard deviation of the difference of two independent counts. Two models err on the
        same samples more often than that, so this calls a real difference chance rather than the other way round.
        """
        variance = sum(count * (self.of - count) / self.of for count in (self.alone, self.together))
        return self.more != 0 and abs(self.more) <= 2 * math.sqrt(variance)


def right(accuracy: float | None, samples: int) -> int | None:
    """How many of the samples are judged rightly; None where the accuracy is not one on so many samples."""
    if accuracy is None:
        return None
    count = round(accuracy * samples)
    return count if math.isclose(accuracy * samples, count, abs_tol=1e-3) else None


def gain_of(member: MemberSummary) -> Gain | None:
    """What the member gained over training alone, None where that was not measured."""
    if member.alone is None or member.federated is None:
        return None
    return _gain(member.alone, member.federated.accuracy)


def everywhere(member: MemberSummary, summary: Summary) -> Gain | None:
    """The same on everybody's samples, where its own are not all; None where that was not measured."""
    if not member.own_test or member.alone_on_all is None:
        return None
    return _gain(member.alone_on_all, summary.final.accuracy)


def _gain(alone: Performance, together: float | None) -> Gain | None:
    before, after = right(alone.accuracy, alone.samples), right(together, alone.samples)
    if before is None or after is None:
        return None
    return Gain(alone=before, together=after, of=alone.samples)


def most_words(gain: Gain) -> str:
    """The difference: ``2 more``, ``1 fewer``, ``as many``."""
    return f"{abs(gain.more):,} {'more' if gain.more > 0 else 'fewer'}" if gain.more else "as many"


def chance_words(gain: Gain) -> str:
    """What to add where the difference may be nothing; else empty."""
    return ", which may be chance" if gain.may_be_chance else ""


def gain_words(member: MemberSummary, words: Vocabulary) -> str:
    """One sentence on what the member gained over training alone, or lost; empty where nothing was measured."""
    gain, own = gain_of(member), " of its own" if member.own_test else ""
    if gain is None:
        count = (
            None if member.federated is None else right(member.federated.accuracy, member.federated.samples)
        )
        if member.federated is None or count is None or not member.own_test:
            return ""  # what is the same for all is said once
        return (
            f"Of {member.federated.samples:,} {words.samples}{own} the consortium's model gets {count:,} right; "
            "what training alone would give was not measured."
        )
    return (
        f"Of {gain.of:,} {words.samples}{own} it gets {gain.alone:,} right alone, {gain.together:,} with the "
        f"consortium's model: {most_words(gain)}{chance_words(gain)}."
    )


def everywhere_words(member: MemberSummary, summary: Summary, words: Vocabulary) -> str:
    """One sentence on everybody's samples; empty where its own are all, or nothing was measured."""
    gain = everywhere(member, summary)
    if gain is None:
        return ""
    return (
        f"Of the {gain.of:,} {words.samples} of all {words.members} its own model gets {gain.alone:,} right, the "
        f"consortium's {gain.together:,}: {most_words(gain)}{chance_words(gain)}."
    )


def ranking_words(member: MemberSummary, words: Vocabulary) -> str:
    """One sentence on telling samples apart, which is the area under the ROC curve; empty without a comparison."""
    alone, together = member.alone, member.federated
    if alone is None or together is None:
        return ""
    if alone.auroc is None and together.auroc is None:
        if alone.loss is None or together.loss is None:
            return "Neither model can be used: training broke down."
        whose = f"its {together.samples:,} {words.samples}"
        return f"Whether it tells {words.pair} apart cannot be said: {whose} are all of one kind."
    before, after = pairs_words(alone), pairs_words(together)
    told = f"Shown {words.pair}, it tells which is which in {before} of 100 pairs"
    if before is None or after is None:
        broken = "its own model" if before is None else "the consortium's model"
        return f"Shown {words.pair}, {broken} cannot tell which is which: training broke down."
    if before == after:
        return f"{told}, alone and with the consortium's model."
    return f"{told} alone, in {after} with the consortium's model."


def pairs_words(performance: Performance | None) -> str | None:
    """Of 100 pairs, in how many the model tells which is which; None where that was not measured."""
    if performance is None or performance.auroc is None:
        return None
    pairs = round(100 * performance.auroc)
    return "more than 99" if pairs == 100 and performance.auroc < 1 else str(pairs)


def contribution_words(member: MemberSummary) -> str:
    """Its share of what the others found useful, as a number for people: ``19%``, ``under 1%``, ``nothing``."""
    share = member.contribution
    if share is None:
        return "–"
    if not share:
        return "nothing"
    return "under 1%" if share < 0.005 else f"{share:.0%}"


def tokens_of(member: MemberSummary) -> Mapping[str, str]:
    """What the member was credited: in all, for training, for judging."""
    training, judging = int(member.training_tokens), int(member.judging_tokens)
    amounts = {"all": training + judging, "training": training, "judging": judging}
    return {name: format_tokens(amount, places=2) for name, amount in amounts.items()}
