# SPDX-License-Identifier: Apache-2.0
"""Files that a command is asked to write: what cannot be written is said in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bcfl.scenarios.errors import OutputUnwritable

__all__ = ("written",)


@contextmanager
def written(path: Path, option: str) -> Iterator[Path]:
    """Write the file that an option names in this block; its directory is made.

    Raises:
        OutputUnwritable: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise OutputUnwritable(
            f"{path} cannot be written ({error.strerror}); give another file with {option}."
        ) from error
