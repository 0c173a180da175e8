# SPDX-License-Identifier: Apache-2.0
"""What a summary says of the honest: what of their work was refused, and what each was paid beside its data."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from bcfl.scenarios.outcome.summary_fields import FIELDS, BaseUnits

__all__ = ("Fairness",)


class Fairness(BaseModel):
    """How the trainers fared who never misbehaved; they are what a defence must not hurt.

    Attributes:
        updates: what they revealed in rounds that ended, one a trainer and round.
        refused: of those, the updates that were neither in the model nor paid, whatever the reason.
        first_updates: the first of both numbers in round 1.
        first_refused: the second.
        suspended: how many of them were suspended at least once.
        pay: what each was credited and could keep, in base units.
        samples: how many samples each trained on, as far as the log says.
    """

    model_config: ClassVar[ConfigDict] = FIELDS

    updates: int = 0
    refused: int = 0
    first_updates: int = 0
    first_refused: int = 0
    suspended: int = 0
    pay: dict[str, BaseUnits] = {}
    samples: dict[str, int] = {}
