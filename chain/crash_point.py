# SPDX-License-Identifier: Apache-2.0
"""Where a process can be killed in the middle of an effect, as a power cut would; for crash tests alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from bcfl.chain.outbox import ActionKey

__all__ = ("crash_point",)


def crash_point(name: str, of: Iterable[ActionKey] = ()) -> None:
    """Kill this process if ``BCFL_CRASH_AT`` names this point.

    The points, in the order of one effect: ``after-handler``, ``after-journal``, ``after-sign``, ``after-outbox``,
    ``after-send``, ``after-inclusion``. Where ``BCFL_CRASH_ONCE`` names a directory, it happens once for each action,
    also after a new start: a file there says that it has.

    Args:
        name: of the point.
        of: the actions whose effect is under way.
    """
    if os.environ.get("BCFL_CRASH_AT") != name:
        return
    once = os.environ.get("BCFL_CRASH_ONCE")
    if once is None or any(_is_first(Path(once), key) for key in of):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_first(folder: Path, key: ActionKey) -> bool:
    try:
        (folder / f"{key.agent} {key.action} {key.round} {key.task}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
