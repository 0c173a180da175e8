# SPDX-License-Identifier: Apache-2.0
"""What accounts are called on a page: by a name of one's own where there is one, else by a short form of the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.contracts.state import TaskState
from bcfl.views.kit.tables import Html

__all__ = ("Names", "short")


def short(address: str) -> str:
    """``0x1234…abcd``."""
    return f"{address[:6]}…{address[-4:]}"


@dataclass(frozen=True)
class Names:
    """Names that the person at the page has given, by account."""

    known: Mapping[Address, str] = field(default_factory=dict)

    def text(self, account: Address) -> str:
        """For a sentence."""
        return self.known.get(account) or short(account)

    def html(self, account: Address) -> Html:
        """For a cell; the whole address shows under the pointer."""
        return Html(f'<span title="{escape(account)}">{escape(self.text(account))}</span>')

    def member(self, state: TaskState, index: TrainerIndex) -> str:
        """A member, for a sentence."""
        return self.text(state.members[index].account)
