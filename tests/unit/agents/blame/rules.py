# SPDX-License-Identifier: Apache-2.0
"""The rules that rounds are played with."""

from __future__ import annotations

AGGREGATORS = (
    "fedavg",
    {"name": "fedavg", "by": "score"},
    {"name": "fedavg", "by": "unweighted", "before": [{"name": "clipping"}, {"name": "bucketing"}]},
    "median",
    "trimmed_mean",
    {"name": "trimmed_mean", "before": ["nnm"]},
    "validated_trimmed_mean",
    "krum",
    "multi_krum",
    "geometric_median",
    "centered_clipping",
    "norm_clipping",
    "fltrust",
)
DEFENCES = ("none", "pipeline", "drop_lowest", "score_threshold")


def named(entry):
    """For the names of tests."""
    if isinstance(entry, str):
        return entry
    return " ".join(map(str, entry.values())) if isinstance(entry, dict) and "name" in entry else None
