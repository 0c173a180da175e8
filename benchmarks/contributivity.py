# SPDX-License-Identifier: Apache-2.0
"""``docs/results/contributivity.md`` from finished sweeps: do tokens follow the quality of data?

bcfl sweep scenarios/sweeps/contributivity.yaml --out runs/contributivity
python -m benchmarks.contributivity [RUNS]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from bcfl.scenarios.outcome.summary import Final
from bcfl.scenarios.sweeping.measures import Measured, measure
from bcfl.scenarios.sweeping.sweep import Outcome
from benchmarks.finished import finished, mean, table, token_means

SWEEPS = Path("scenarios/sweeps")
TARGET = Path("docs/results/contributivity.md")
SCORES = ("step", "leave_one_out", "shapley")

PUBLISHED = {  # 2CP, by step: tokens of each, and by its Shapley values where it has them
    "equal_2": ("2.04 2.17", "3.11 3.24"),
    "equal_3": ("2.12 2.08 2.09", "2.07 2.04 2.05"),
    "equal_4": ("2.05 1.96 1.75 2.03", "1.54 1.51 1.37 1.51"),
    "equal_5": ("1.98 2.03 2.05 2.03 1.93", "1.12 1.14 1.15 1.15 1.11"),
    "equal_4_long": ("2.13 2.05 2.10 1.88", "–"),
    "equal_8_long": ("1.99 1.91 1.77 1.69 1.91 1.97 1.82 1.84", "–"),
    "sizes_4_1_1": ("2.59 1.63 1.55", "2.53 1.74 1.68"),
    "sizes_1_4_4": ("0.55 2.39 2.36", "1.31 2.41 2.39"),
    "sizes_4_1_1_long": ("3.68 1.37 1.35", "–"),
    "sizes_5_to_1": ("3.21 2.90 2.07 1.32 0.86", "–"),
    "sizes_6_to_1": ("3.35 3.01 2.10 1.67 1.25 0.88", "–"),
    "flips_50": ("0.37 2.47 2.45", "0.78 2.54 2.54"),
    "flips_50_long": ("0.65 2.55 2.42", "–"),
    "flips_100_long": ("0 3.30 3.20", "–"),
    "flips_50_of_4": ("2.52 2.26 2.25 0.19", "–"),
    "flips_0_to_80": ("4.53 2.86 1.15 0.51 0.04", "–"),
    "disjoint_20": ("1.74 to 2.12", "–"),
    "disjoint_40": ("1.27 to 2.21", "–"),
    "disjoint_60": ("1.05 to 2.05", "–"),
    "disjoint_80": ("0.50 to 1.35", "–"),
    "disjoint_100": ("0 for all", "–"),
    "sole_9": ("0 0.73 0.77", "0 4.93 4.90"),
    "noise_none": ("2.1 each", "–"),
    "noise_0.9": ("2.6 each", "–"),
    "noise_1.1": ("2.7 each", "–"),
    "noise_1.3": ("2.9 each", "–"),
    "noise_1.5": ("3.15 each", "–"),
}

_PAGE = """\
# Do tokens follow the data?

The settings of 2CP (Cai, Rueckert, Passerat-Palmbach 2020, [arXiv 2011.07516](https://arxiv.org/abs/2011.07516)), whose tokens are beside ours: all of
MNIST, plain SGD with learning rate 0.01, batches of 32, one epoch, three rounds, five where it says `long` and where labels are flipped by degrees, classes are
apart or noise is added; the plain mean. Ours is `mnist_cnn`, the evaluator has 2,000 test images, one token is one unit of loss; means over {seeds} seeds. It is not the
older system's program: its network is larger, and its Shapley values are of another game (the model of nobody is all zeros there, so that every round pays some 2.1 for ever).

    bcfl sweep scenarios/sweeps/contributivity.yaml --out runs/contributivity
    python -m benchmarks.contributivity

## Tokens of each trainer

{tokens}

**A class held alone** (`sole_9`): the first trainer has every nine and nothing else. Without it the final loss is {without}, with it {with_}. By `step`, as
published, it earns nothing, for its own model alone is useless; by leave-one-out and by Shapley values it is paid.

## Rank correlation of pay and sound data

Goodman and Kruskal's γ of everybody's tokens and its samples with right labels: mean over seeds, the worst in brackets. 1: who has more earns more, always.

{quality}

## Equal parts

The least and the best paid over the mean, of all seeds.

{equal}
"""

Groups = dict[tuple[str, str], list[tuple[Outcome, Measured]]]
"""By scenario and score."""


def grouped(outcomes: list[Outcome]) -> Groups:
    """The outcomes with their numbers."""
    groups: Groups = defaultdict(list)
    for outcome, measured in zip(outcomes, measure(outcomes), strict=True):
        groups[outcome.cell.labels.heterogeneity, outcome.cell.labels.defence].append((outcome, measured))
    return groups


def tokens_table(groups: Groups) -> list[str]:
    """Tokens of each trainer by every score, beside those that 2CP published."""
    rows = []
    for scenario in dict.fromkeys(scenario for scenario, _ in groups):
        step, shapley = PUBLISHED.get(scenario, ("–", "–"))
        row = [f"`{scenario}`", step, shapley]
        for score in SCORES:
            paid = token_means([outcome for outcome, _ in groups[scenario, score]])
            row.append(" ".join(f"{amount:.2f}" for amount in paid))
        finals = [outcome.result.summary for outcome, _ in groups[scenario, SCORES[-1]]]
        row.append(f"{mean(one.final.loss for one in finals if one):.3f}")
        row.append(f"{mean(one.final.accuracy for one in finals if one):.2%}")
        rows.append(row)
    heads = ("setting", "2CP, step", "2CP, Shapley", "step", "leave-one-out", "Shapley", "loss", "accuracy")
    return table(heads, rows)


def quality_table(groups: Groups) -> list[str]:
    """Rank correlation of pay and sound data, where trainers differ."""
    rows = []
    for scenario in dict.fromkeys(scenario for scenario, _ in groups):
        values = {
            score: [one.values["quality_correlation"] for _, one in groups[scenario, score]]
            for score in SCORES
        }
        if scenario.startswith(("sizes", "flips")):
            rows.append(
                [
                    f"`{scenario}`",
                    *(
                        f"{mean(found):.2f} ({min(value or 0.0 for value in found):.2f})"
                        for found in values.values()
                    ),
                ]
            )
    return table(("setting", "step", "leave-one-out", "Shapley"), rows)


def equal_table(groups: Groups) -> list[str]:
    """Least and best pay over the mean, where all have equally much."""
    rows = []
    for scenario in dict.fromkeys(scenario for scenario, _ in groups):
        if scenario.startswith("equal"):
            cells = []
            for score in SCORES:
                found = [one.values for _, one in groups[scenario, score]]
                least = min(value["least_pay"] or 0.0 for value in found)
                best = max(value["best_pay"] or 0.0 for value in found)
                cells.append(f"{least:.2f} to {best:.2f}")
            rows.append([f"`{scenario}`", *cells])
    return table(("setting", "step", "leave-one-out", "Shapley"), rows)


def _final(finals: list[Final]) -> str:
    """Mean loss and accuracy."""
    return f"{mean(one.loss for one in finals):.3f} (accuracy {mean(one.accuracy for one in finals):.2%})"


def main(runs: Path) -> None:
    """Write the page."""
    groups = grouped(finished(SWEEPS / "contributivity.yaml", runs / "contributivity"))
    seeds = {outcome.cell.labels.seed for found in groups.values() for outcome, _ in found}
    sole = {
        name: [one.result.summary.final for one, _ in groups[name, "shapley"] if one.result.summary]
        for name in ("sole_9", "sole_9_absent")
    }
    page = _PAGE.format(
        seeds=len(seeds),
        tokens="\n".join(tokens_table(groups)),
        without=_final(sole["sole_9_absent"]),
        with_=_final(sole["sole_9"]),
        quality="\n".join(quality_table(groups)),
        equal="\n".join(equal_table(groups)),
    )
    TARGET.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
