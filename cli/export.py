# SPDX-License-Identifier: Apache-2.0
"""``bcfl export RUN``: the final model as a program that runs without bcfl."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bcfl.cli.loading import loading
from bcfl.cli.output import written

if TYPE_CHECKING:
    from bcfl.models.exporting import Format

__all__ = ("export",)

_ENDINGS = {"torch": ".pt2", "onnx": ".onnx"}


@click.command
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(_ENDINGS)),
    default="torch",
    show_default=True,
    help="torch: what torch.export.load reads; onnx: what any ONNX runtime does.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file; final.pt2 or final.onnx in the run's directory where none is given.",
)
def export(run: Path, kind: Format, out: Path | None) -> None:
    """Write the final model of the run in directory RUN as a program of its own.

    It maps inputs, as the network sees them, to one number a class, for any number of samples at once.
    """
    from bcfl.models.exporting import export as write
    from bcfl.scenarios.directory.run_directory import RunDirectory
    from bcfl.scenarios.directory.trained import trained_model

    with loading():
        directory = RunDirectory.open(run)
        card, weights = trained_model(directory)
        target = out or directory.path / f"final{_ENDINGS[kind]}"
        with written(target, "--out"):
            write(card, weights, target, kind)
    form = "int64 tokens" if card.tokens else "float32"
    scaled = "" if card.scale == 1 else f", raw values times {card.scale:.6g}"
    shape = ", ".join(map(str, ("n", *card.shape)))
    click.echo(
        f"{target}: '{card.network}' from inputs ({shape}) of {form}{scaled} to logits (n, {len(card.labels)})."
    )
