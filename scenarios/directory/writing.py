# SPDX-License-Identifier: Apache-2.0
"""What a disk that takes no more means for a run: its path and what is left, in a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bcfl.scenarios.errors import RunDirectoryUnwritable

__all__ = ("writing", "written_whole")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write a file of a run directory in this block.

    Raises:
        RunDirectoryUnwritable: the disk does not take it.
    """
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(path.parent).free if path.parent.exists() else 0
        raise RunDirectoryUnwritable(
            f"{path} cannot be written: {error.strerror}, {free:,} bytes are left there; make room, or give another directory with --out."
        ) from error


def written_whole(path: Path, text: str) -> None:
    """Write a file of a run directory, whole or not at all: whoever finds it can read it, also after a kill.

    Raises:
        RunDirectoryUnwritable: the disk does not take it.
    """
    aside = path.with_suffix(".partial")
    with writing(path):
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
