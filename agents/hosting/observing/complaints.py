# SPDX-License-Identifier: Apache-2.0
"""What an agent's owner has to hear: what only they can mend (no tokens, no ether, a fee above the ceiling), what an audit found. Told once a day, not at each try."""

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
        self._day = ""

    def __call__(self, line: Mapping[str, Any]) -> None:
        """One more line of the diary."""
        sentence: str | None = None
        if line.get("event") == "audited" and line["findings"]:
            sentence = f"task {line['task']}, round {line['round']}: {'; '.join(line['findings'])}"
        elif line.get("event") == "transaction" and line.get("status") != "included":
            action = str(line["action"]).split(":")[0]
            sentence = _sentence(action, str(line["status"]), str(line["reason"]))
        day = str(line.get("time", ""))[:10]
        if day != self._day:  # what is the same the next day is worth a word again
            self._day = day
            self._said.clear()
        told = (str(line["agent"]), "" if sentence is None else sentence)
        if sentence is None or told in self._said:
            return
        if len(self._said) >= _EVERY:
            self._said.clear()
        self._said.add(told)
        self._say(*told)


def _sentence(action: str, status: str, reason: str) -> str | None:
    """None: nothing for a person to mend, as where another was quicker."""
    if status == "overtaken":
        return "another program seems to sign with its key, and took the place of a transaction: give each a key of its own (bcfl keys new)"
    few = _TOO_FEW.search(reason)
    if few is not None:
        has, needs = (int(amount) / _UNIT for amount in few.groups())
        return f"cannot {action}: its key has {has:g} of the {needs:g} tokens that this takes (bcfl send)"
    if "insufficient funds" in reason.lower():
        return f"cannot {action}: its key has too little ether for the fee (bcfl send)"
    if status == "failed":
        return f"cannot {action}: {reason.rstrip('.')}"
    return None
