# SPDX-License-Identifier: Apache-2.0
"""What pages have in common: figures drawn twice, for a wide page and for a phone, and tables that scroll with a hint that they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from bcfl.views.kit.canvas import as_svg, on_a_phone, save_pdf, save_svg

__all__ = ("STYLE", "Draw", "figure")

Draw = Callable[[], Figure]
"""Draws a figure, for whatever it is to be shown on."""

# Shadows at the edges of what scrolls: those at the ends move along with the content and cover them there.
STYLE = """\
.wide { overflow-x: auto; background:
  linear-gradient(to right, Canvas 40%, transparent) 0 0 / 2.5rem 100% no-repeat local,
  linear-gradient(to left, Canvas 40%, transparent) 100% 0 / 2.5rem 100% no-repeat local,
  linear-gradient(to right, #8888, transparent) 0 0 / .8rem 100% no-repeat scroll,
  linear-gradient(to left, #8888, transparent) 100% 0 / .8rem 100% no-repeat scroll; }
td.long { white-space: normal; min-width: 22rem; overflow-wrap: anywhere; }
figure { margin: 0; }
svg { max-width: 100%; height: auto; }
.on-a-phone { display: none; }
@media (max-width: 40rem) {
  .on-a-page { display: none; }
  .on-a-phone { display: block; }
  .on-a-phone svg { width: 100%; }
}
"""


def figure(draw: Draw, *, files: Path | None = None) -> str:
    """A ``<figure>`` that shows one of two drawings, by the width of the screen.

    Args:
        draw: draws it.
        files: where the wide one is written too, as SVG and PDF: a path without suffix.
    """
    wide = draw()
    page = as_svg(wide)
    if files is not None:
        save_svg(page, files.with_suffix(".svg"))
        save_pdf(wide, files.with_suffix(".pdf"))
    with on_a_phone():
        phone = as_svg(draw())
    return f'<figure><div class="on-a-page">{page}</div><div class="on-a-phone">{phone}</div></figure>'
