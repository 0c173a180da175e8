# SPDX-License-Identifier: Apache-2.0
"""What the fields of a summary are made of: measures that may be missing, amounts that JSON numbers cannot hold."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

__all__ = ("FIELDS", "BaseUnits", "Measured", "SignedUnits")


def _finite(value: object) -> object:
    # a diverged loss is a result, but JSON has no word for it
    return None if isinstance(value, float) and not math.isfinite(value) else value


Measured = Annotated[float | None, BeforeValidator(_finite)]
BaseUnits = Annotated[str, Field(pattern=r"^\d{1,78}$")]
SignedUnits = Annotated[str, Field(pattern=r"^-?\d{1,78}$")]


FIELDS = ConfigDict(frozen=True, extra="forbid")
"""Known fields only; what is read cannot be changed."""
