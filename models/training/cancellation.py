# SPDX-License-Identifier: Apache-2.0
"""Word for a job under way that its answer is not wanted any more."""

from __future__ import annotations

import numpy as np

__all__ = ("Cancellation",)


class Cancellation:
    """Set by one thread and seen by another; ``flag`` is an int32 in memory that compiled code looks at too."""

    def __init__(self) -> None:
        self.flag = np.zeros(1, dtype=np.int32)

    def set(self) -> None:
        """Give the job up."""
        self.flag[0] = 1

    def __call__(self) -> bool:
        """Whether it was given up."""
        return bool(self.flag[0])
