# SPDX-License-Identifier: Apache-2.0
"""``docs/results/published.md`` with its pictures, from the finished sweep of the three published experiments.

bcfl sweep scenarios/sweeps/published.yaml --out runs/published --data-dir DIR --check scenarios/sweeps/published-targets.yaml
python -m benchmarks.published [RUNS]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bcfl.scenarios.outcome.summary import Participant, Summary
from bcfl.scenarios.sweeping.sweep import Outcome
from bcfl.views.kit.canvas import save_png
from bcfl.views.sweep.curves import loss_by_round, tokens_by_round
from benchmarks.finished import finished, mean, table

SWEEP = Path("scenarios/sweeps/published.yaml")
TARGET = Path("docs/results/published.md")
FIGURES = Path("docs/figures")
ARCHIVE = Path("docs/results/published.jsonl.gz")

PUBLISHED = {
    "mnist": ("20.1", "0.1"),
    "femnist": ("4.15", "0.61"),
    "shakespeare": ("4.83", "1.79"),
}
WORDS = {
    "published": "published settings",
    "tuned": "tuned",
    "without_momentum": "published, without momentum",
    "idle": "one sends the global model back, no defence",
    "lazy": "one sends what the others did, default defence",
}

_PAGE = """\
# The three published experiments

Each experiment of the published system beside ours: with its settings, and with better hyper-parameters (rounds, epochs, trainers and network are the
same). Real data, contracts on anvil, seeds {seeds}; the loss is the global model's on the evaluator's data.

    bcfl sweep scenarios/sweeps/published.yaml --out runs/published --data-dir DIR --check scenarios/sweeps/published-targets.yaml
    python -m benchmarks.published

The sweep goes on where it was interrupted (results that were had before are in `published.jsonl.gz`, each with the digest of the code that made it; these are of commit 867d534, by the kernel `lanes`, but for training with Adam, which is torch's) and says how long the rest will take; `--cells '(mnist|shakespeare)_'` leaves FEMNIST out, which needs LEAF's data in `DIR`. It took
{hours:.1f} hours of one core, two cells at a time, on a machine that had other work beside it; with each cell as long as the median of its scenario's, {typical:.1f}, as the quickest, {quickest:.1f}.

FEMNIST: with the published settings 50 writers to train on (7,213 images) and 18 others to test on (2,888), tuned 356 (54,191) and 40 (6,168), dealt to four trainers. Shakespeare: 1,106 roles to train on and
23 others to test on, dealt to four of whom three take part, each with 1,200 windows of 80 characters (published settings; there were some 190,000) or 5,000 (tuned).

{tables}
FEMNIST's published settings, one image a step, score each update alone (`step`): from the third round on no single update is better than the model that it starts from, so nothing is paid, while their mean still is.

With so few windows the published learning rate of 1.4 with momentum 0.9 diverges from the fourth round on, and without momentum it is far from its end after five; neither reproduces the published 1.79, which had a
hundred times the text. Adam with a learning rate of 0.004 and the loss of every character does better than that with 5,000 windows a trainer;
of the five seeds two end below 1.60 and three just above.

## Who does no work

The same experiments with one trainer who does none: *idle* sends the global model back, and nobody defends; *lazy* sends what the others did in the round before, with noise, against
the default defence. As models converge a round pays less and less; the last one still tells work from none. FEMNIST's two have a steady learning rate of 0.0005, for with the tuned schedule nothing is left to share out in the last
round; even so one of three honest trainers may have made that round's model no better, and is paid nothing for it.

{lazy}
"""


def by_scenario(outcomes: Sequence[Outcome]) -> dict[str, list[Summary]]:
    """The summaries of every scenario's seeds."""
    found: dict[str, list[Summary]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.result.summary is not None:
            found[outcome.cell.labels.heterogeneity].append(outcome.result.summary)
    return found


def curve(summaries: Sequence[Summary]) -> str:
    """Mean losses of the rounds, from the genesis on."""
    columns = zip(
        *([one.genesis.loss, *(done.global_loss for done in one.rounds)] for one in summaries), strict=True
    )
    return " ".join(f"{mean(column):.3g}" for column in columns)


def losses(data: str, groups: dict[str, list[Summary]]) -> list[str]:
    """Published, ours as published, ours tuned."""
    start, end = PUBLISHED[data]
    rows = [["published", start, end, "", "", ""]]
    for kind in ("published", "without_momentum", "tuned"):
        summaries = groups.get(f"{data}_{kind}")
        if summaries is None:
            continue
        finals = [one.final.loss for one in summaries if one.final.loss is not None]
        paid = [
            [sum(map(int, one.rounds[place].tokens.values())) / 1e18 for one in summaries]
            for place in (0, -1)
        ]
        rows.append(
            [
                f"ours, {WORDS[kind]}, {len(summaries)} seeds",
                f"{mean(one.genesis.loss for one in summaries):.3g}",
                f"**{mean(finals):.3f}** ({min(finals):.3f} to {max(finals):.3f})",
                f"{mean(one.final.accuracy for one in summaries):.2%}",
                curve(summaries),
                f"{mean(paid[0]):.3g} → {mean(paid[1]):.3g}",
            ]
        )
    heads = (
        "",
        "genesis loss",
        "final loss: mean (least to most)",
        "accuracy",
        "loss by round",
        "tokens of the first and the last round",
    )
    return table(heads, rows)


def idle(groups: dict[str, list[Summary]]) -> list[str]:
    """What the last round paid, to whom."""
    rows = []
    for name, summaries in groups.items():
        data, _, kind = name.partition("_")
        if kind not in {"idle", "lazy"}:
            continue
        last = [one.rounds[-1].tokens for one in summaries]
        honest = [
            min(int(paid.get(who, 0)) for who in one.participants if who.startswith("trainer"))
            for one, paid in zip(summaries, last, strict=True)
        ]
        theirs = [int(paid.get(kind, 0)) for paid in last]
        wronged = sum(
            bool(who.suspensions) or who.ejected_round is not None
            for one in summaries
            for name, who in one.participants.items()
            if name.startswith("trainer")
        )
        rows.append(
            [
                data,
                WORDS[kind],
                f"{min(honest) / 1e18:.2g} to {max(honest) / 1e18:.2g}",
                f"{max(theirs) / 1e18:.2g}",
                " ".join(_stopped(one.participants[kind]) for one in summaries),
                str(wronged),
            ]
        )
    heads = (
        "data",
        "who does no work",
        "last round: the least paid honest trainer, tokens",
        "the other, at most",
        "suspended / thrown out in round, by seed",
        "honest trainers suspended or thrown out",
    )
    return table(heads, rows)


def _stopped(who: Participant) -> str:
    """Since when it was suspended and when it was thrown out."""
    suspended = who.suspensions[0].round if who.suspensions else None
    return " / ".join("–" if number is None else str(number) for number in (suspended, who.ejected_round))


def main(runs: Path) -> None:
    """Write the page and its pictures."""
    outcomes = finished(SWEEP, runs / "published", archive=ARCHIVE)
    seeds = sorted({outcome.cell.labels.seed for outcome in outcomes})
    groups = by_scenario(outcomes)
    parts = []
    for data in PUBLISHED:
        shown = [
            outcome
            for outcome in outcomes
            if outcome.cell.labels.heterogeneity.startswith(f"{data}_")
            and not outcome.cell.labels.heterogeneity.endswith(("_idle", "_lazy"))
        ]
        for what, draw in (("loss", loss_by_round), ("tokens", tokens_by_round)):
            save_png(draw(shown), FIGURES / f"published-{data}-{what}.png")
        parts.append(
            "\n".join(
                [
                    f"## {data.upper() if data != 'shakespeare' else 'Shakespeare'}",
                    "",
                    *losses(data, groups),
                    "",
                    f"![Loss by round](../figures/published-{data}-loss.png)",
                    f"![Tokens by round](../figures/published-{data}-tokens.png)",
                    "",
                ]
            )
        )
    hours = sum(outcome.result.wall_s for outcome in outcomes) / 3600
    took: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        took[outcome.cell.labels.heterogeneity].append(outcome.result.wall_s)
    typical = sum(median(each) * len(each) for each in took.values()) / 3600
    quickest = sum(min(each) * len(each) for each in took.values()) / 3600
    page = _PAGE.format(
        hours=hours,
        typical=typical,
        quickest=quickest,
        seeds=", ".join(map(str, seeds)),
        tables="\n".join(parts),
        lazy="\n".join(idle(groups)),
    )
    TARGET.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
