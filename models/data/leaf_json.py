# SPDX-License-Identifier: Apache-2.0
"""The files that LEAF's ``preprocess.sh`` writes: ``train/*.json`` and ``test/*.json``, samples by user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bcfl.models.errors import DataCorrupt

__all__ = ("Leaf", "holds_leaf", "read_leaf")


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One user's samples: ``x`` and ``y`` as the file has them, one of each for a sample."""

    user: str
    x: Sequence[Any]
    y: Sequence[Any]


def holds_leaf(directory: Path) -> bool:
    """Whether there are files of both parts."""
    return all(any((directory / part).glob("*.json")) for part in ("train", "test"))


def read_leaf(directory: Path, part: str) -> Iterator[Leaf]:
    """The users of a part, file by file in the order of their names, one file at a time.

    Args:
        directory: that holds ``train`` and ``test``.
        part: ``train`` or ``test``.

    Raises:
        DataCorrupt: a file is no JSON, or lacks ``users`` or ``user_data``, or a user has not one y for each x.
    """
    for path in sorted((directory / part).glob("*.json")):
        try:
            content = json.loads(path.read_bytes())
            users, data = content["users"], content["user_data"]
            for user in users:
                x, y = data[user]["x"], data[user]["y"]
                if len(x) != len(y):
                    raise DataCorrupt(
                        f"{path} has {len(x)} x and {len(y)} y of the user '{user}': write one y for each x."
                    )
                yield Leaf(user=str(user), x=x, y=y)
        except (ValueError, UnicodeDecodeError) as error:
            raise DataCorrupt(f"{path} is no JSON: {error}.") from error
        except (KeyError, TypeError) as error:
            raise DataCorrupt(
                f"{path} is not LEAF's: it must hold users, and user_data with x and y of each of them ({error!r})."
            ) from error
