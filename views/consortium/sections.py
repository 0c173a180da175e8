# SPDX-License-Identifier: Apache-2.0
"""The sections of a consortium's report: who judged whom, what judging paid, how rounds were agreed, who came and went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape

from bcfl.contracts.config import TaskConfig
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.scores import SCORE_UNIT
from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import RoundAgreement, RoundSummary, Summary
from bcfl.views.consortium.judges import JudgeRecord, why
from bcfl.views.consortium.members import contribution_words
from bcfl.views.kit.tables import table

__all__ = ("STYLE", "agreement", "dishonest", "judgements", "judging_pay", "membership")

STYLE = """.heat td { text-align: center; padding: .25rem .7rem; }
.heat td:first-child { text-align: left; padding-left: 0; }
.heat td.own { opacity: .65; font-style: italic; }
"""
_TINT = "0, 114, 178"
_STRONGEST = 0.75


def judgements(
    shares: Mapping[TrainerIndex, Mapping[TrainerIndex, float]], names: Mapping[TrainerIndex, str]
) -> str:
    """A heat map, judges down, who they judged across; in italics what the others settled of the judge itself.

    Args:
        shares: by judge and target, 0 to 1.
        names: of the members, in the order of their columns.
    """
    heads = "".join(f'<th class="text">{escape(name)}</th>' for name in names.values())
    rows = "".join(
        f"<tr><td>{escape(names[judge])}</td>{''.join(_cell(row, judge, target) for target in names)}</tr>"
        for judge, row in shares.items()
    )
    return (
        "<p>Of what a round was worth, the share that each judge gave to each other member, on average over the rounds. "
        "Judges who measure the same agree down a column; few samples, or other ones, and dishonesty make them differ. In italics "
        "a member's own share, which the others settled. What a row lacks to 100% are rounds in which the judge found nothing "
        "useful.</p>"
        '<div class="wide"><table class="heat"><thead><tr><th>judge</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(row: Mapping[TrainerIndex, float], judge: TrainerIndex, target: TrainerIndex) -> str:
    if target not in row:
        return "<td>–</td>"
    share = row[target]
    own = ' class="own"' if judge == target else ""
    tint = "" if own else f' style="background: rgba({_TINT}, {_STRONGEST * min(share, 1.0):.2f})"'
    return f"<td{own}{tint}>{share:.1%}</td>"


def judging_pay(judges: Mapping[str, JudgeRecord], config: TaskConfig) -> str:
    """A table of what judging paid, how far judges were from what was settled, and why their pay was low."""
    rows = [
        [
            name,
            f"{_tokens(judge.paid)} of {_tokens(judge.most)}",
            f"{len(judge.distances)} of {judge.rounds}",
            _mean(judge.distances),
            why(judge) or "–",
        ]
        for name, judge in judges.items()
    ]
    tolerance = config.tolerance / SCORE_UNIT
    return (
        "<p>A judge's distance is the sum of the differences between its shares and the settled ones: 0 is agreement, 2 as far "
        f"as can be. The pay falls in proportion to it and is nothing from {tolerance:g} on. Who cannot show, by a probe, "
        "that it ran the models that most ran is paid nothing either.</p>"
        '<div class="wide">'
        + table(
            ["judge", "tokens, of at most", "rounds judged", "mean distance", "why it was paid nothing"],
            rows,
            text=(4,),
        )
        + "</div>"
    )


def _mean(distances: tuple[float, ...]) -> str:
    return f"{sum(distances) / len(distances):.3f}" if distances else "–"


def agreement(summary: Summary) -> str:
    """A table of how each round's scores and model came about."""
    heads = ["round", "pay", "same model", "another model", "in the model", "missing"]
    rows = [_agreed(done) for done in summary.rounds]
    return (
        "<p>A round's model is agreed as soon as more than half of the members have computed the same one, bit for bit; later "
        f'votes are not needed.</p><div class="wide">{table(heads, rows, text=(1, 3, 4, 5))}</div>'
    )


def _agreed(done: RoundSummary) -> list[str]:
    told = done.agreement or RoundAgreement(settled=False)
    chosen = told.model or next((cid for cid, _ in Counter(told.votes.values()).most_common(1)), None)
    same = [name for name, cid in told.votes.items() if cid == chosen]
    missing = {"no scores": told.not_judged, "scores not opened": told.not_opened}
    if told.model is None:
        missing["no vote"] = told.not_voted
    faults = [f"{what}: {', '.join(who)}" for what, who in missing.items() if who]
    return [
        str(done.round),
        _pay(done, told),
        f"{len(same)} of {len(told.votes) + len(told.not_voted)}",
        ", ".join(name for name in told.votes if name not in same) or "–",
        ", ".join(told.weights) or ("–" if told.model is not None else "no majority: the model was kept"),
        "; ".join(faults) or "–",
    ]


def _pay(done: RoundSummary, told: RoundAgreement) -> str:
    if told.settled:
        return "by contribution" if any(done.scores.values()) else "none: nothing was useful"
    return "in equal parts: too few judged" if done.tokens else "none"


def dishonest(summary: Summary) -> str:
    """A table of who was given wrong labels or told to misbehave, and what it got; empty where nobody was."""
    rows, honest = [], []
    for name, member in summary.members.items():
        trained = summary.participants[name].behaviour
        if not member.flipped and member.judge == "honest" and trained == "honest":
            honest.append(member)
            continue
        labels = f"{member.flipped:.0%} replaced" if member.flipped else "as they are"
        credited = (int(member.training_tokens), int(member.judging_tokens))
        rows.append(
            [name, labels, trained, member.judge, contribution_words(member), *map(_tokens, credited)]
        )
    if not rows:
        return ""
    heads = ["member", "labels", "in training", "as a judge", "contribution", "for training", "for judging"]
    if honest:
        share = sum(member.contribution or 0 for member in honest) / len(honest)
        training, judging = (
            sum(amounts) // len(honest)
            for amounts in (
                [int(member.training_tokens) for member in honest],
                [int(member.judging_tokens) for member in honest],
            )
        )
        mean = [f"{share:.0%}", _tokens(training), _tokens(judging)]
        rows.append([f"mean of the {len(honest)} others", "as they are", "honest", "honest", *mean])
    return f'<div class="wide">{table(heads, rows, text=(1, 2, 3))}</div>'


def _tokens(amount: int) -> str:
    return format_tokens(amount, places=2)


def membership(state: ConsortiumState, names: Mapping[Address, str]) -> str:
    """A table of who was to be let in or sent away, and who voted for it; empty where nobody was."""
    if not state.proposals:
        return ""
    rows = [
        [
            names.get(proposal.account, proposal.account),
            "let in" if proposal.admit else "sent away",
            ", ".join(_name(state, index, names) for index in proposal.votes),
            "passed" if proposal.passed else "not passed",
        ]
        for _, proposal in sorted(state.proposals.items())
    ]
    return f'<div class="wide">{table(["account", "to be", "votes for it", "result"], rows, text=(1, 2, 3))}</div>'


def _name(state: ConsortiumState, index: TrainerIndex, names: Mapping[Address, str]) -> str:
    account = state.members[index].account
    return names.get(account, account)
