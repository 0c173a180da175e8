# SPDX-License-Identifier: Apache-2.0
"""The report's section "Who was thrown out, and why": each case in words, with the numbers that decided it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from html import escape

from bcfl.scenarios.outcome.summary import Summary
from bcfl.views.kit.numbers import number
from bcfl.views.kit.tables import table
from bcfl.views.kit.verdicts import found_in_words, reason_words, was_honest

__all__ = ("WORDS", "Evidence", "measured_table", "section")

Evidence = Mapping[int, Mapping[str, Mapping[str, float | None]]]
"""What the defence measured: numbers by name, by participant, by round."""

_MOST_CASES = 30
WORDS = {
    "score": "what the update was worth, in loss",
    "validation loss": "error of its model on the evaluator's data; lower is better",
    "freshness": "how far it is from noise, beside what everybody knew and others did; noise is below 4",
    "freshness_alone": "the same beside what everybody knew alone",
    "norm": "how far it moves the model",
    "length": "the same beside the round's usual; 1: as far as most",
    "new": "how far the part that is new moves it",
    "spread": "whether it serves all classes alike; below 0: it harms some",
    "alignment": "whether it points the way that learning goes; below 0: the other way",
    "improvement": "by what share it improves the class that it serves best",
    "agreement": "whether its new part agrees with what the others learned",
    "marginal": "what it adds to the others' updates; below 0: they are better without",
    "certainty": "its worth in standard errors: how surely it is no accident; below 0: it harms",
    "kept": "whether it is among the updates that work best together: 1 or 0",
    "evidence": "the verdict of the round: above 0 speaks of harm",
    "suspicion": "that evidence, added up over the rounds",
}
"""What each number says that the default defence measures."""


def section(summary: Summary, evidence: Evidence, *, misbehaved: Mapping[str, Sequence[int]]) -> str:
    """HTML for whoever was suspended or thrown out; the latter come first.

    Args:
        summary: of the run.
        evidence: of its rounds.
        misbehaved: the rounds in which each adversary misbehaved.
    """
    found = summary.detection
    cases = [
        name for name, who in summary.participants.items() if who.suspensions or who.ejected_round is not None
    ]
    cases.sort(key=lambda name: summary.participants[name].ejected_round or len(summary.rounds) + 1)
    parts = [] if found is None else [f"<p>{escape(found_in_words(found))}</p>"]
    if not cases:
        parts.append("<p>Nobody was suspended or thrown out.</p>")
    parts += [_case(summary, name, evidence, misbehaved.get(name, ())) for name in cases[:_MOST_CASES]]
    if len(cases) > _MOST_CASES:
        parts.append(f"<p>… and {len(cases) - _MOST_CASES:,} more in summary.json</p>")
    missed = [name for name in misbehaved if summary.participants[name].ejected_round is None]
    if missed:
        names = ", ".join(f"{name} ({summary.participants[name].behaviour})" for name in missed[:_MOST_CASES])
        more = len(missed) - _MOST_CASES
        parts.append(
            f"<p>Not thrown out, although they misbehaved: {escape(names)}"
            f"{f' and {more:,} more' if more > 0 else ''}.</p>"
        )
    return "".join(parts)


def _case(summary: Summary, name: str, evidence: Evidence, misbehaved: Sequence[int]) -> str:
    rounds = _deciding(summary, name, evidence)
    measured = {number: _measured(summary, evidence, number) for number in rounds}
    shown = "" if not rounds else f'<div class="wide">{measured_table(name, measured)}</div>'
    return f"<h3>{escape(name)}</h3><p>{escape(_sentence(summary, name, misbehaved))}</p>{shown}"


def _sentence(summary: Summary, name: str, misbehaved: Sequence[int]) -> str:
    who = summary.participants[name]
    steps = [
        f"suspended in round {suspension.round}, because it {reason_words(suspension.reason)}"
        for suspension in who.suspensions
    ]
    if who.ejected_round is not None:
        same = who.suspensions and who.suspensions[-1].reason == who.ejected_reason
        why = "" if same else f", because it {reason_words(who.ejected_reason or 'ejected')}"
        steps.append(f"thrown out in round {who.ejected_round}{why}")
    if misbehaved:
        truth = f"It did misbehave ({who.behaviour}), in {_rounds(misbehaved)}."
    elif who.behaviour != "honest":
        truth = f"It was to misbehave ({who.behaviour}), but had not done so: a mistake."
    elif was_honest(summary, name) and summary.detection is not None:
        truth = "It was honest: a mistake."
    else:
        truth = ""
    told = ", then ".join(steps)
    return f"{told[:1].upper()}{told[1:]}. {truth}"


def _rounds(numbers: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for one in sorted(numbers):
        if spans and one == spans[-1][1] + 1:
            spans[-1][1] = one
        else:
            spans.append([one, one])
    text = ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in spans[:6])
    return f"round{'s' if len(numbers) > 1 else ''} {text}{' …' if len(spans) > 6 else ''}"


def _deciding(summary: Summary, name: str, evidence: Evidence) -> list[int]:
    """The rounds of the sanctions of which there are numbers about this trainer."""
    who = summary.participants[name]
    rounds = {suspension.round for suspension in who.suspensions}
    rounds |= {who.ejected_round} if who.ejected_round is not None else set()
    return sorted(number for number in rounds if name in evidence.get(number, {}))


def measured_table(name: str, measured: Evidence) -> str:
    """What was measured of somebody in these rounds, beside the median of the others, with what each number says."""
    kinds = list(dict.fromkeys(kind for found in measured.values() for kind in found[name]))
    kinds.sort(key=lambda kind: list(WORDS).index(kind) if kind in WORDS else len(WORDS))
    heads = [
        "measured",
        *(f"round {n}: {who}" for n in measured for who in ("it", "the others")),
        "what it says",
    ]
    rows = []
    for kind in kinds:
        cells = []
        for each in measured:
            others = [row.get(kind) for who, row in measured[each].items() if who != name]
            known = [value for value in others if value is not None]
            cells += [
                number(measured[each][name].get(kind), places=3),
                number(statistics.median(known) if known else None, places=3),
            ]
        rows.append([kind, *cells, WORDS.get(kind, "")])
    return table(heads, rows, text=(len(heads) - 1,))


def _measured(summary: Summary, evidence: Evidence, number: int) -> dict[str, dict[str, float | None]]:
    done = next(done for done in summary.rounds if done.round == number)
    return {
        name: {"score": done.scores.get(name), "validation loss": done.validation_loss.get(name), **found}
        for name, found in evidence[number].items()
    }
