# SPDX-License-Identifier: Apache-2.0
"""Phases and codes as the contracts number them (``TaskTypes.sol``, ``TrainingTask.sol``)."""

from __future__ import annotations

import enum

__all__ = ("CancelReason", "Kind", "Phase", "Reason", "Selection")


class Phase(enum.IntEnum):
    """Where a task stands."""

    ENROLMENT = 0
    TRAINING = 1
    REVEAL = 2
    EVALUATION = 3
    SCORE_REVEAL = 4
    AGGREGATION = 5
    CLOSING = 6
    COMPLETED = 7
    CANCELLED = 8

    @property
    def ended(self) -> bool:
        """Whether nothing but withdrawing is left."""
        return self >= Phase.COMPLETED


class Selection(enum.IntEnum):
    """How the next round's cohort is drawn."""

    ALL = 0
    RANDOM = 1
    FIRST_COME = 2
    SCORE_ORDER = 3


class Kind(enum.IntEnum):
    """Which implementation the factory clones."""

    CROWDSOURCING = 0
    CONSORTIUM = 1


class Reason(enum.IntEnum):
    """Why a member was suspended or ejected."""

    NOT_REVEALED = 1
    INVALID_UPDATE = 2
    UNAVAILABLE = 3
    NO_NEW_WORK = 4
    COPIED = 5
    HARMFUL = 6
    VOTED = 7


class CancelReason(enum.IntEnum):
    """Why a task was cancelled."""

    PUBLISHER = 1
    TOO_FEW_TRAINERS = 2
    NO_EVALUATOR = 3
    NO_MODEL = 4
