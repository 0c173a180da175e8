# SPDX-License-Identifier: Apache-2.0
"""A table of a page; every cell is escaped, unless it says that it is HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ("Html", "table")

_LONG = 45
"""Characters, a little more than an address has."""


class Html(str):
    """A cell that is HTML already; whatever of it is a stranger's was escaped."""

    __slots__ = ()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, text: tuple[int, ...] = ()) -> str:
    """A ``<table>``; numbers stand right, the columns at ``text`` and the first one left, and long words are broken into lines."""

    def kind(position: int) -> str:
        if position not in text:
            return ""
        longest = max((len(row[position]) for row in rows if not isinstance(row[position], Html)), default=0)
        return ' class="text long"' if longest > _LONG else ' class="text"'

    kinds = [kind(position) for position in range(len(heads))]

    def row(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{kinds[position]}>{cell if isinstance(cell, Html) else escape(cell)}</{tag}>"
            for position, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{row('td', cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{row('th', heads)}</tr></thead><tbody>{body}</tbody></table>"
