# SPDX-License-Identifier: Apache-2.0
"""What keeps an agent from acting and only its owner can mend: no tokens, no ether, a fee above the ceiling. Told once, not at each try."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ("Complaints",)

_TOO_FEW = re.compile(r"ERC20InsufficientBalance\(\w+, (\d+), (\d+)\)")
_UNIT = 10**18
_EVERY = 100  # different complaints remembered; then all may be told again


class Complaints:
    """Hears an agent's diary, and says what its owner has to do.

    Args:
        say: takes the agent's name and a sentence.
    """

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._said: set[tuple[str, str]] = set()

    def __call__(self, line: Mapping[str, Any]) -> None:
        """One more line of the diary."""
        if line.get("event") != "transaction" or line.get("status") == "included":
            return
        sentence = _sentence(str(line["action"]).split(":")[0], str(line["status"]), str(line["reason"]))
        told = (str(line["agent"]), "" if sentence is None else sentence)
        if sentence is None or told in self._said:
            return
        if len(self._said) >= _EVERY:
            self._said.clear()
        self._said.add(told)
        self._say(*told)


def _sentence(action: str, status: str, reason: str) -> str | None:
    """None: nothing for a person to mend, as where another was quicker."""
    few = _TOO_FEW.search(reason)
    if few is not None:
        has, needs = (int(amount) / _UNIT for amount in few.groups())
        return f"cannot {action}: its key has {has:g} of the {needs:g} tokens that this takes (bcfl send)"
    if "insufficient funds" in reason.lower():
        return f"cannot {action}: its key has too little ether for the fee (bcfl send)"
    if status == "failed":
        return f"cannot {action}: {reason.rstrip('.')}"
    return None
