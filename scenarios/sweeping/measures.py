# SPDX-License-Identifier: Apache-2.0
"""The numbers of one cell beside those of its reference: what tables, figures and targets are made of.

Rounds to eject are counted inclusively: who is ejected in the round of its first misbehaviour has 1. Who is never
ejected counts as later than any round, so that a median or a 95th percentile does not get better by missing somebody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bcfl.scenarios.definition.tokens import BASE_UNITS
from bcfl.scenarios.outcome import fairness
from bcfl.scenarios.outcome.summary import Detection, Fairness, Summary
from bcfl.scenarios.sweeping.grid import Labels
from bcfl.scenarios.sweeping.pay import last_round, sound_samples
from bcfl.scenarios.sweeping.sweep import Outcome

__all__ = ("METRICS", "Measured", "at_least", "measure")

_UNDEFENDED = "undefended"

METRICS: dict[str, str] = {
    "precision": "ejected adversaries among all ejected",
    "recall": "ejected adversaries among all adversaries",
    "f1": "the harmonic mean of both",
    "false_ejection_rate": "ejected honest trainers among all honest trainers",
    "rounds_to_eject_median": "rounds from the first misbehaviour to the ejection, both counted; never: infinite",
    "rounds_to_eject_p95": "the same, 95th percentile of the cell's adversaries",
    "false_suspension_rate": "honest trainers who were suspended at least once among all honest trainers",
    "refused_rate": "updates of the honest that were neither in the model nor paid, of all that they revealed",
    "refused_rate_first": "the same in round 1",
    "least_pay": "the least paid honest trainer's pay over their mean; 1 is equal",
    "best_pay": "the best paid one's",
    "equal_pay": "best over least pay of honest trainers with equally many samples, the worst group; 1 is equal",
    "size_correlation": "Spearman's rank correlation of the honest trainers' pay and numbers of samples",
    "quality_correlation": "Goodman and Kruskal's γ of trainers' pay and the samples that they have with right labels, honest about it or not",
    "smallest_pay_kept": "pay of the honest with the fewest samples over the same without a defence (label ``LABEL_undefended``, else ``undefended``)",
    "reward_share": "what adversaries were credited and could keep, of all that was",
    "relative_pay": "an adversary's mean pay over an honest trainer's; 1 is fair",
    "return_on_misbehaviour": "tokens that an adversary ended with more than an honest trainer, mean",
    "group_return": "tokens that all adversaries together ended with more than one honest trainer",
    "genesis_loss": "of the model that the task starts from, on the evaluator's validation set",
    "loss": "of the final model on the same",
    "accuracy": "of the final model on the evaluator's validation set",
    "reference_accuracy": "the same of the reference, where the adversaries are absent",
    "accuracy_gap": "reference_accuracy − accuracy",
    "backdoor_success": "samples with the trigger that the final model gives the attack's class",
    "last_round_pay": "tokens that the last round paid over those of the first",
    "last_paid_honest": "honest trainers who were paid in the last round, of those who were not ejected",
    "last_reward_share": "what the last round paid adversaries, of all that it paid",
    "rounds_finalised": "rounds that ended with a model",
    "liveness": "rounds_finalised over the rounds planned",
    "overdue_s": "seconds of chain time that passed after deadlines",
    "wall_s": "seconds that the cell took",
}
"""What is measured of a cell, in words."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One cell's numbers.

    Attributes:
        labels: where the cell stands.
        key: the hash of its scenario.
        status: ``completed``, ``cancelled`` or ``failed``.
        sentence: why it failed.
        values: by name of ``METRICS``; None where it has no meaning or was not measured.
        rounds_to_eject: one an adversary, infinite for who was never ejected.
        adversaries: names of those who misbehaved.
        honest: names of the others, those too who never joined.
        joined_honest: how many of the others joined.
        ejected_adversaries: how many adversaries were ejected.
        ejected_honest: how many of those who joined and were honest.
        fairness: how those fared.
        tokens: what each trainer, or member, was paid out in all.
    """

    labels: Labels
    key: str
    status: str
    sentence: str | None
    values: Mapping[str, float | None]
    rounds_to_eject: tuple[float, ...] = ()
    adversaries: tuple[str, ...] = ()
    honest: tuple[str, ...] = ()
    joined_honest: int = 0
    ejected_adversaries: int = 0
    ejected_honest: int = 0
    fairness: Fairness = field(default_factory=Fairness)
    tokens: Mapping[str, float] = field(default_factory=dict)


def measure(outcomes: Sequence[Outcome]) -> tuple[Measured, ...]:
    """The numbers of every cell, in the same order."""
    summaries = {outcome.cell.labels: outcome.result.summary for outcome in outcomes}
    return tuple(
        _measured(
            outcome,
            summaries.get(outcome.cell.reference) if outcome.cell.reference else None,
            _undefended(outcome.cell.labels, summaries),
        )
        for outcome in outcomes
    )


def at_least(values: Iterable[float], share: float) -> float:
    """The least value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _undefended(labels: Labels, summaries: Mapping[Labels, Summary | None]) -> Summary | None:
    """The same cell without a defence."""
    own = summaries.get(replace(labels, defence=f"{labels.defence}_{_UNDEFENDED}"))
    return own or summaries.get(replace(labels, defence=_UNDEFENDED))


def _measured(outcome: Outcome, reference: Summary | None, undefended: Summary | None) -> Measured:
    summary, result = outcome.result.summary, outcome.result
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    values["wall_s"] = result.wall_s
    known = Measured(
        labels=outcome.cell.labels,
        key=outcome.cell.key,
        status=result.status,
        sentence=result.sentence,
        values=values,
    )
    if summary is None:
        return known
    accuracy = summary.final.accuracy
    values |= {
        "genesis_loss": summary.genesis.loss,
        "loss": summary.final.loss,
        "accuracy": accuracy,
        "backdoor_success": summary.final.backdoor_success,
        "rounds_finalised": float(len(summary.rounds)),
        "reference_accuracy": None if reference is None else reference.final.accuracy,
    }
    if reference is not None and reference.final.accuracy is not None:
        # a model that diverged so far that nothing was measured has lost everything
        values["accuracy_gap"] = reference.final.accuracy - (accuracy or 0.0)
    known = replace(
        known,
        tokens={
            name: int(who.tokens) / BASE_UNITS
            for name, who in summary.participants.items()
            if who.role in {"trainer", "member"}
        },
    )
    found = summary.detection
    if found is None:
        return known
    rounds = tuple(math.inf if number is None else float(number) for number in found.rounds_to_eject.values())
    fair = summary.fairness or Fairness()
    values |= _of_detection(found, rounds) | _of_fairness(fair, found.honest)
    values |= last_round(summary, set(found.first_misbehaviour))
    values["smallest_pay_kept"] = _kept(fair, undefended)
    values["quality_correlation"] = fairness.concordance(
        {name: int(who.tokens) for name, who in summary.participants.items()},
        sound_samples(outcome.cell.scenario, fair.samples),
    )
    return replace(
        known,
        rounds_to_eject=rounds,
        adversaries=tuple(found.first_misbehaviour),
        honest=tuple(name for name in known.tokens if name not in found.first_misbehaviour),
        joined_honest=found.honest,
        ejected_adversaries=found.ejected_adversaries,
        ejected_honest=found.ejected_honest,
        fairness=fair,
    )


def _of_fairness(found: Fairness, honest: int) -> dict[str, float | None]:
    return {
        "false_suspension_rate": found.suspended / honest if honest else None,
        "refused_rate": found.refused / found.updates if found.updates else None,
        "refused_rate_first": found.first_refused / found.first_updates if found.first_updates else None,
        "least_pay": fairness.least_pay(found),
        "best_pay": fairness.best_pay(found),
        "equal_pay": fairness.equal_pay(found),
        "size_correlation": fairness.rank_correlation(found),
    }


def _kept(found: Fairness, undefended: Summary | None) -> float | None:
    if undefended is None or undefended.fairness is None:
        return None
    paid, open_ = fairness.smallest_pay(found), fairness.smallest_pay(undefended.fairness)
    return paid / open_ if paid is not None and open_ else None


def _of_detection(found: Detection, rounds: Sequence[float]) -> dict[str, float | None]:
    returns = [
        int(value) / BASE_UNITS for value in found.return_on_misbehaviour.values() if value is not None
    ]
    fair = None if found.honest_return is None else int(found.honest_return) / BASE_UNITS
    alive = found.liveness
    return {
        "precision": found.precision,
        "recall": found.recall,
        "f1": found.f1,
        "false_ejection_rate": found.false_ejection_rate,
        "rounds_to_eject_median": at_least(rounds, 0.5) if rounds else None,
        "rounds_to_eject_p95": at_least(rounds, 0.95) if rounds else None,
        "reward_share": found.reward_share if found.adversaries else None,
        "relative_pay": found.relative_pay,
        "return_on_misbehaviour": sum(returns) / len(returns) if returns else None,
        # k accounts are to earn no more than one: everything that they have, less one honest trainer's
        "group_return": sum(returns) + (len(returns) - 1) * fair if returns and fair is not None else None,
        "liveness": None if alive is None else alive.rounds_finalised / alive.rounds_planned,
        "overdue_s": None if alive is None else float(alive.overdue_s),
    }
