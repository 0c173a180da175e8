# SPDX-License-Identifier: Apache-2.0
"""Where a run comes from: when it began, and with which version of the program."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import bcfl

__all__ = ("provenance",)

_PATIENCE_S = 5


def provenance() -> dict[str, str | None]:
    """``started`` (ISO 8601, UTC), ``version``, and of a checkout the ``commit``, with ``+`` where files differ from it."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": bcfl.__version__,
        "commit": _commit(Path(__file__).resolve().parent),
    }


def _commit(folder: Path) -> str | None:
    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE_S,
        )
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != folder.parents[1]:
            return None  # installed somewhere inside another project
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None
