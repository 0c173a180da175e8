# SPDX-License-Identifier: Apache-2.0
"""The further attacks on updates and on data harm an undefended federation as well; setting and metrics as in tier A."""

from __future__ import annotations

import pytest

# kind, name, parameters, metric, minimum of its mean, options
TABLE = [
    ("attack", "zero", {}, "accuracy", 0.30, {}),
    ("attack", "random", {}, "accuracy", 0.30, {}),
    ("attack", "scaling", {}, "accuracy", 0.30, {}),
    ("attack", "min_sum", {"work": "mean"}, "accuracy", 0.05, {}),
    ("attack", "mimic", {}, "accuracy", 0.05, {}),
    ("attack", "mimic", {"knowledge": "omniscient"}, "unearned", 0.30, {}),
    ("data_attack", "low_quality", {}, "accuracy", 0.04, {}),
    ("attack", "score_aware", {"margin": 0.1}, "accuracy", 0.15, {"colluders": 4}),
    ("attack", "drifter", {"growth": 0.5, "scale": 4}, "accuracy", 0.30, {}),
    ("attack", "ace", {}, "unearned", 0.40, {}),
]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: f"{case[1]}-{case[3]}")
def test_it_does_the_stated_harm(harm, case):
    kind, name, parameters, metric, minimum, options = case
    mean, low = harm(kind, name, parameters, metric, **options)
    assert low > 0, f"the interval of {mean:.3f} begins at {low:.3f}"
    assert mean >= minimum
