# SPDX-License-Identifier: Apache-2.0
"""``make figures``: the pictures of README and documentation, drawn from a run of ``scenarios/mnist.yaml``.

``python -m bcfl.views.run.figures [DIRECTORY]`` draws a finished run instead, where one is at hand.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
from rich.console import Console

from bcfl.scenarios.definition.loading import load
from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.outcome.results import results_of
from bcfl.scenarios.running.runner import run
from bcfl.views.kit import canvas, plots, trajectories
from bcfl.views.run.final_table import final_table

__all__ = ("main", "write_figures")

SCENARIO = Path("scenarios/mnist.yaml")
FIGURES = Path("docs/figures")

_TABLE_WIDTH = 100


def write_figures(directory: RunDirectory, target: Path) -> tuple[Path, ...]:
    """Draw a run: five PNG files and the final table as text; returns their paths.

    Raises:
        ScenarioError: the run did not end, or its files are damaged.
    """
    summary = directory.summary()
    target.mkdir(parents=True, exist_ok=True)
    results = results_of(directory.events())
    adversaries = summary.detection.first_misbehaviour if summary.detection is not None else ()
    drawn = {
        "loss-and-accuracy.png": plots.loss_and_accuracy(summary),
        "scores-and-tokens.png": plots.scores_and_tokens(summary),
        "gas-by-role.png": plots.gas_by_role(summary),
        "who-was-thrown-out.png": trajectories.lanes(
            summary, {name: results.misbehaving(name) for name in adversaries}
        ),
        "timeline.png": plots.timeline(directory.events()),
    }
    for name, figure in drawn.items():
        canvas.save_png(figure, target / name)
    shown = io.StringIO()
    Console(file=shown, width=_TABLE_WIDTH, color_system=None).print(final_table(summary))
    table = target / "final-table.txt"
    table.write_text(
        "".join(f"{line.rstrip()}\n" for line in shown.getvalue().splitlines()), encoding="utf-8"
    )
    return (*(target / name for name in drawn), table)


def main(arguments: Sequence[str]) -> None:
    """Draw the run in the directory given, or run the scenario first."""
    if arguments:
        _write(RunDirectory.open(Path(arguments[0])))
        return
    with tempfile.TemporaryDirectory() as scratch:
        result = anyio.run(lambda: run(load(SCENARIO), out=Path(scratch) / "run"))
        _write(RunDirectory.open(result.directory))


def _write(directory: RunDirectory) -> None:
    for path in write_figures(directory, FIGURES):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
