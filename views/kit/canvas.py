# SPDX-License-Identifier: Apache-2.0
"""What every figure is drawn on: colours, panels for a wide page or for a phone, and how a figure becomes a file or a part of a page.

Text and axes are drawn in one reserved colour, which the SVG writer replaces by ``currentColor``: the figures take
the page's text colour, in light and dark alike.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = (
    "COLOURS",
    "INK",
    "STYLE",
    "as_svg",
    "by_round",
    "figure_of",
    "headed",
    "legend",
    "on_a_phone",
    "plain",
    "save_pdf",
    "save_png",
    "save_svg",
    "say",
)

# Okabe & Ito 2008: told apart by colour-blind readers, on white and on near-black
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#7F7F7F")
INK = "#010203"
_INK_ON_PAPER = "#1A1A1A"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bcfl",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": "#8888884D",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
}


def as_svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element that takes the colour of the text around it."""
    buffer = io.StringIO()
    # ids of their own: a hatch that is defined in a drawing that is not displayed is not displayed either
    salt = STYLE["svg.hashsalt"] if _layout.get().side_by_side else f"{STYLE['svg.hashsalt']}-phone"
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def save_png(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write the figure on white."""
    with mpl.rc_context(STYLE):
        figure.savefig(path, dpi=dpi, facecolor="white", metadata={"Software": None})


def save_svg(svg: str, path: Path) -> None:
    """Write what ``as_svg`` gave, for paper: dark ink, no background."""
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n{svg.replace("currentColor", _INK_ON_PAPER)}',
        encoding="utf-8",
    )


def save_pdf(figure: Figure, path: Path) -> None:
    """Write a figure that was drawn before (``as_svg``) for paper."""
    figure.set_layout_engine("none")  # its panels have their places by now
    buffer = io.BytesIO()
    with mpl.rc_context({**STYLE, "pdf.fonttype": 42}):
        figure.savefig(buffer, format="pdf", metadata={"Creator": None, "CreationDate": None})
    path.write_bytes(buffer.getvalue())


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Of a figure's panels: inches of width in all, letters of a title's line, and whether they stand side by side."""

    width: float
    letters: int
    side_by_side: bool


_PAGE = _Layout(width=9.5, letters=100, side_by_side=True)
_PHONE = _Layout(width=4.4, letters=40, side_by_side=False)
_layout: ContextVar[_Layout] = ContextVar("layout", default=_PAGE)


@contextmanager
def on_a_phone() -> Iterator[None]:
    """Figures that are drawn in this block have their panels one below the other, and text that can be read at 390 pixels."""
    token = _layout.set(_PHONE)
    try:
        yield
    finally:
        _layout.reset(token)


def figure_of(columns: int, *, height: float, stacked: bool = False) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure with panels side by side, ``height`` inches high each; ``stacked``: one below the other on any page."""
    layout = _layout.get()
    rows = columns if stacked or not layout.side_by_side else 1
    # not pyplot: it keeps every figure alive and is bound to one thread
    figure = Figure(figsize=(layout.width, height * rows), layout="constrained")
    return figure, list(figure.subplots(rows, columns // rows, squeeze=False).flat)


def legend(
    figure: Figure,
    handles: Sequence[Artist],
    labels: Sequence[str],
    *,
    beside: bool = False,
    columns: int = 6,
) -> None:
    """What the marks mean: below the panels in so many columns, or ``beside`` them where the page is wide."""
    if not _layout.get().side_by_side:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, 2))
    elif beside:
        figure.legend(handles, labels, loc="outside right upper")
    else:
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def headed(axes: Axes, title: str) -> None:
    """What the panel shows, in as many lines as that needs here."""
    axes.set_title(textwrap.fill(title, _layout.get().letters))


def say(axes: Axes, words: str) -> None:
    """Words in the middle of a panel that would be empty without a reason."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", style="italic")


def by_round(axes: Axes, title: str) -> None:
    """Panel of something by round."""
    headed(axes, title)
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def plain(name: str) -> str:
    """A name as matplotlib's labels need it."""
    # matplotlib reads dollars as mathematics and hides labels that begin with an underscore
    return name.replace("$", r"\$").lstrip("_")
