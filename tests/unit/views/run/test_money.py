# SPDX-License-Identifier: Apache-2.0
"""Where the tokens went is a sum that comes out even."""

from __future__ import annotations

import re

import pytest

from bcfl.scenarios.outcome.summary import TokenTotals
from bcfl.views.run.money import as_sum


@pytest.mark.parametrize(
    ("paid", "returned", "forfeited", "unclaimed", "text"),
    [
        (25, 75, 0, 0, "budget 100.0000 = paid 25.0000 + returned 75.0000"),
        (50, 75, 25, 0, "budget 100.0000 + forfeited 25.0000 = paid 50.0000 + returned 75.0000"),
        (
            20,
            80,
            25,
            25,
            "budget 100.0000 + forfeited 25.0000 = paid 20.0000 + returned 80.0000 + unclaimed 25.0000",
        ),
    ],
)
def test_bonds_are_a_term_of_the_sum(paid, returned, forfeited, unclaimed, text):
    tokens = TokenTotals(
        **{
            name: str(amount * 10**18)
            for name, amount in {
                "budget": 100,
                "paid": paid,
                "returned": returned,
                "forfeited": forfeited,
                "unclaimed": unclaimed,
            }.items()
        }
    )
    assert as_sum(tokens) == text
    came, went = (sum(map(float, re.findall(r"[0-9.]+", side))) for side in text.split(" = "))
    assert came == went
