# SPDX-License-Identifier: Apache-2.0
"""A table of a page; every cell is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ("table",)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, text: tuple[int, ...] = ()) -> str:
    """A ``<table>``; numbers stand right, the columns at ``text`` and the first one left."""

    def row(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="text">{escape(cell)}</{tag}>'
            if position in text
            else f"<{tag}>{escape(cell)}</{tag}>"
            for position, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{row('td', cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{row('th', heads)}</tr></thead><tbody>{body}</tbody></table>"
