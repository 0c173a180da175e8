# SPDX-License-Identifier: Apache-2.0
"""A task in TensorBoard: scalars by round; parameters and facts as text beside them."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from bcfl.scenarios.following.story import Began, Ended
from bcfl.scenarios.outcome.summary import RoundSummary
from bcfl.views.tracking.errors import TrackerMissing
from bcfl.views.tracking.tracker import numbers_of

__all__ = ("TensorBoardTracker",)

_LAYOUT = "bcfl.json"


class TensorBoardTracker:
    """Writes event files into ``directory/NAME-KEY``, which ``tensorboard --logdir directory`` shows.

    Following a task again writes the same points again, at the same steps.

    Raises:
        TrackerMissing: TensorBoard is not installed.
    """

    def __init__(self, directory: Path) -> None:
        if find_spec("tensorboard") is None:
            raise TrackerMissing(
                "TensorBoard's files are written by a package that is not here: pip install 'bcfl[tensorboard]'."
            )
        from tensorboard.summary import Writer  # an extra, and slow to load

        self._new = Writer
        self._directory = directory
        self._place = directory
        self._rounds = 0

    def began(self, told: Began) -> None:
        """Open the files, and say beside them what the task is."""
        key = hashlib.sha256(told.key.encode()).hexdigest()[:10]
        self._place = self._directory / f"{told.name}-{key}"
        self._place.mkdir(parents=True, exist_ok=True)
        about = {"name": told.name, "facts": dict(told.facts), "parameters": dict(told.parameters)}
        (self._place / _LAYOUT).write_text(
            json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        self._writer = self._new(str(self._place))

    def settled(self, done: RoundSummary) -> None:
        """The round's scalars; written at once."""
        self._rounds = done.round
        for name, value in numbers_of(done).items():
            self._writer.add_scalar(name, value, step=done.round)
        self._writer.flush()

    def ended(self, told: Ended) -> None:
        """The whole task's numbers at its last round."""
        for name, value in {
            **told.metrics,
            **{f"score_all/{who}": score for who, score in told.scores.items()},
        }.items():
            self._writer.add_scalar(name, value, step=self._rounds)
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        if hasattr(self, "_writer"):
            self._writer.close()
