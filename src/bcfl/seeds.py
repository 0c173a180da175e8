# SPDX-License-Identifier: Apache-2.0
"""Named seed streams: everything random in a scenario comes from one root seed and a path of labels.

A stream depends on its labels only, never on the order of calls or the number of workers, so the same
file and seed give the same run.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

__all__ = ("Seeds",)


@dataclass(frozen=True)
class Seeds:
    """The root of all randomness of one scenario (``Seeds(8888)``) or of a live agent (``Seeds.live()``)."""

    root: int | bytes

    @classmethod
    def live(cls) -> Seeds:
        """A root from the operating system, for agents that live outside a scenario."""
        return cls(secrets.token_bytes(32))

    def derive(self, *labels: str | int) -> bytes:
        """32 bytes that depend on the root and the labels alone."""
        digest = hashlib.sha256()
        for part in (self.root, *labels):
            data = part if isinstance(part, bytes) else str(part).encode()
            digest.update(len(data).to_bytes(4, "big"))
            digest.update(data)
        return digest.digest()

    def integer(self, *labels: str | int) -> int:
        """A 63-bit integer for generators that take one (numpy, torch)."""
        return int.from_bytes(self.derive(*labels)[:8], "big") >> 1
