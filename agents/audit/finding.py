# SPDX-License-Identifier: Apache-2.0
"""What an audit says: each difference with the place where it was found."""

from __future__ import annotations

from dataclasses import dataclass, field

from bcfl.contracts.events import Event

__all__ = ("AuditResult", "Finding")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference; ``round`` 0 is the task as a whole."""

    round: int = 0
    subject: str
    message: str
    event: Event | None = field(default=None, compare=False)
    """Of the chain, which it is about: whoever has read the events from a file knows its line."""
    where: str = field(default="", compare=False)
    """``FILE`` or ``FILE, line N``; empty where no one file is to blame."""

    def __str__(self) -> str:
        about = f"round {self.round}, {self.subject}" if self.round else f"task, {self.subject}"
        return f"{self.where}: {about}: {self.message}" if self.where else f"{about}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """All differences, and how many scores, digests and events were checked."""

    findings: tuple[Finding, ...]
    checked: int
