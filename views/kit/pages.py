# SPDX-License-Identifier: Apache-2.0
"""What pages have in common: figures drawn twice, for a wide page and for a phone, and tables that scroll with a hint that they do."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from bcfl.views.kit.canvas import as_svg, on_a_phone, save_pdf, save_svg

__all__ = ("STYLE", "Draw", "document", "figure")

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


_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8886; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ margin: 0; font-size: 1.7rem; }}
h2 {{ margin: 2.2rem 0 .6rem; font-size: 1.15rem; }}
.sub, figcaption {{ opacity: .75; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }}
th, td {{ padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }}
th:first-child, td:first-child, td.text, th.text {{ text-align: left; }}
{style}</style>
</head>
<body>
{body}</body>
</html>
"""


def document(title: str, body: str, *, style: str = "") -> str:
    """A page of tables and figures, whole; ``body`` is HTML, the title is escaped, ``style`` comes before that of all pages."""
    return _DOCUMENT.format(title=escape(f"{title} · bcfl"), style=style + STYLE, body=body)


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
