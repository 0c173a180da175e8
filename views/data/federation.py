# SPDX-License-Identifier: Apache-2.0
"""A federation's data in words and in a picture: how many samples each client has, and of which classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from bcfl.models.data.statistics import Statistics
from bcfl.views.kit.canvas import COLOURS, STYLE, figure_of, headed, plain

__all__ = ("federation_figure", "federation_lines")

_MOST_CLIENTS = 30
_MOST_CLASSES = 30
_BAR = 30


def federation_lines(found: Statistics, kind: str, labels: Sequence[str]) -> Iterator[str]:
    """Lines of text: clients and their samples, then each class with a bar.

    Args:
        found: at least one client.
        kind: what the clients are called, ``owners`` or ``trainers``.
        labels: of the classes.
    """
    if len(found.names) > 1:
        yield from _clients(found, kind)
    counts = found.classes
    shown = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    there = int((counts > 0).sum())
    more = f", the {_MOST_CLASSES} largest" if there > _MOST_CLASSES else ""
    yield f"{there:,} classes{more}:"
    width = max(len(labels[place]) for place in shown)
    for place in sorted(shown) if not more else shown:
        if counts[place]:
            bar = "█" * max(1, round(_BAR * counts[place] / counts.max()))
            share = counts[place] / counts.sum()
            yield f"  {labels[place]:>{width}} {counts[place]:>9,} {share:6.1%} {bar}"


def _clients(found: Statistics, kind: str) -> Iterator[str]:
    sizes = found.sizes
    yield (
        f"{len(sizes):,} {kind}: mean {sizes.mean():,.2f} samples, standard deviation {sizes.std():,.2f}, least {sizes.min():,}, "
        f"median {np.median(sizes):,.0f}, most {sizes.max():,} ({found.names[int(sizes.argmax())]})"
    )
    held = (found.histogram > 0).sum(axis=1)
    yield (
        f"classes of one of them: median {np.median(held):,.0f}, least {held.min():,}, most {held.max():,}; "
        f"{found.skew:.0%} of the samples are of another class than if all had the same mixture"
    )


def federation_figure(found: Statistics, kind: str, labels: Sequence[str]) -> Figure:
    """Samples of each client, largest first, beside the mixture of classes of each of the largest."""
    with mpl.rc_context(STYLE):
        rows = min(len(found.names), _MOST_CLIENTS)
        figure, (left, right) = figure_of(2, height=max(3.2, 1.2 + 0.2 * rows))
        order = np.argsort(-found.sizes, kind="stable")
        left.bar(range(len(order)), found.sizes[order], width=1.0, color=COLOURS[0])
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_xlabel(f"{kind}, the largest first")
        headed(left, f"samples of {len(order):,} {kind}")
        _mixtures(figure, right, found, order[:rows], labels)
        first = f" (the {rows} with most samples)" if rows < len(order) else ""
        headed(right, f"classes of each of the {kind}{first}")
        return figure


def _mixtures(
    figure: Figure, axes: Axes, found: Statistics, chosen: np.typing.NDArray[np.int64], labels: Sequence[str]
) -> None:
    classes = np.flatnonzero(found.classes)
    shares = found.histogram[chosen][:, classes] / np.maximum(found.sizes[chosen], 1)[:, None]
    drawn = axes.imshow(shares, aspect="auto", cmap="cividis", vmin=0, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_yticks(range(len(chosen)), [plain(found.names[place])[-24:] for place in chosen], fontsize=7)
    step = 1 + len(classes) // _MOST_CLASSES
    axes.set_xticks(
        range(0, len(classes), step), [plain(labels[place]) for place in classes[::step]], fontsize=7
    )
    bar = figure.colorbar(drawn, ax=axes, format=PercentFormatter(1.0))
    bar.outline.set_visible(False)
