# SPDX-License-Identifier: Apache-2.0
"""The module that the entry point names: importing it registers everything of the package."""

from __future__ import annotations

from bcfl_example import attack, behaviour, judge

__all__ = ("attack", "behaviour", "judge")
