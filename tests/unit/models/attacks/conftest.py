# SPDX-License-Identifier: Apache-2.0
"""A scene by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl.models.attacks.attack import Outlook, Scene
from bcfl.models.weights import Schema, TensorSpec


@pytest.fixture
def scene():
    """``scene(own, peers=..., ...)``: what an adversary knows, of vectors written as lists."""

    def made(
        own,
        *,
        start=None,
        peers=None,
        place=0,
        steps=(),
        past=(),
        past_models=(),
        handed_in=0,
        revealed=(),
        loss=None,
        seed=0,
        number=2,
        cohort=10,
        schema=None,
    ):
        own = np.array(own, dtype=np.float64)
        peers = [own] if peers is None else peers

        async def fetch():
            return _vectors(revealed)

        async def measure(update):
            return loss(update)

        return Scene(
            outlook=Outlook(
                round=number, moved=len(steps) > 0, cohort=cohort, colluders=len(peers), place=place
            ),
            start=np.zeros_like(own) if start is None else np.array(start, dtype=np.float64),
            own=own,
            peers=_vectors(peers),
            place=place,
            steps=_vectors(steps),
            past=_vectors(past),
            past_models=_vectors(past_models),
            handed_in=handed_in,
            revealed=fetch,
            loss=measure,
            schema=schema or Schema((TensorSpec("w", own.shape),)),
            rng=np.random.default_rng(seed),
        )

    return made


def _vectors(rows):
    return tuple(np.array(row, dtype=np.float64) for row in rows)
