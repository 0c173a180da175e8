# SPDX-License-Identifier: Apache-2.0
"""Every attack of the full grid harms an undefended federation, by at least what the table says.

Ten trainers, three of them adversaries in one circle, FedAvg, six rounds, eight seeds; unlike data and other exceptions are in
the last column. Pay is by fitted Shapley values of the game with fixed weights unless it says otherwise. No rule on digests is
in force, so exact copies and exact replays, which the protocol disowns, are paid here.
"""

from __future__ import annotations

import pytest

from bcfl.models.scoring.marginal import Step
from bcfl.models.scoring.shapley import ShapleyMean

# kind, name, parameters, metric, minimum of its mean, options
TABLE = [
    ("attack", "sign_flip", {}, "accuracy", 0.20, {}),
    ("attack", "sign_flip", {"scale": 4}, "accuracy", 0.50, {}),
    ("attack", "gaussian", {}, "accuracy", 0.04, {}),
    ("attack", "ipm", {"epsilon": 0.5}, "accuracy", 0.10, {}),
    ("attack", "alie", {"z": 1.5}, "accuracy", 0.10, {}),
    ("attack", "alie", {"z": 1.5, "work": "mean"}, "accuracy", 0.10, {}),
    ("attack", "min_max", {}, "accuracy", 0.05, {}),
    ("attack", "min_max", {"work": "mean"}, "accuracy", 0.08, {}),
    ("data_attack", "label_flip", {}, "accuracy", 0.08, {}),
    ("data_attack", "label_flip", {"source": 7, "target": 1}, "success", 0.30, {"colluders": 4}),
    ("data_attack", "backdoor", {}, "success", 0.70, {"since": 6}),
    ("data_attack", "backdoor", {"boost": 1, "size": 6}, "success", 0.50, {}),
    # the published game pays idle members late in training, when they soften whatever coalition they join
    ("attack", "replay_global", {}, "unearned", 0.20, {"score": ShapleyMean(), "alpha": 0.5, "since": 6}),
    (
        "attack",
        "replay_global",
        {"sigma": 0},
        "unearned",
        0.20,
        {"score": ShapleyMean(), "alpha": 0.5, "since": 6},
    ),
    ("attack", "delta_weights", {}, "unearned", 0.40, {}),
    ("attack", "delta_weights", {"sigma": 1}, "unearned", 0.40, {}),
    ("attack", "delta_weights", {"sigma": 1, "adaptive": True}, "unearned", 0.40, {}),
    ("attack", "delta_weights", {"steps": 1}, "unearned", 0.40, {}),
    ("attack", "stale_resubmit", {}, "unearned", 0.10, {}),
    ("attack", "stale_resubmit", {"which": "oldest"}, "unearned", 0.10, {"since": 3}),
    ("attack", "under_trainer", {}, "unearned", 0.02, {}),
    ("attack", "under_trainer", {"rescale": True}, "unearned", 0.05, {}),
    ("attack", "plagiarist", {}, "unearned", 0.60, {}),
    ("attack", "plagiarist", {"mode": "noisy", "sigma": 0.3}, "unearned", 0.60, {}),
    ("attack", "plagiarist", {"mode": "blended"}, "unearned", 0.50, {}),
    # alone it is worth what the leader's model is; in a mean with others it is not
    ("attack", "plagiarist", {"mode": "permuted"}, "unearned", 0.50, {"score": Step()}),
    (
        "attack",
        "on_off",
        {"attack": {"name": "sign_flip", "scale": 4}, "on": 2, "off": 2},
        "accuracy",
        0.15,
        {},
    ),
]


def _named(case):
    _, name, parameters, metric, _, _ = case
    return "-".join([name, *map(str, parameters.values()), metric])


@pytest.mark.parametrize("case", TABLE, ids=_named)
def test_it_does_the_stated_harm(harm, case):
    kind, name, parameters, metric, minimum, options = case
    mean, low = harm(kind, name, parameters, metric, **options)
    assert low > 0, f"the interval of {mean:.3f} begins at {low:.3f}"
    assert mean >= minimum


def test_without_an_attack_the_federation_learns(honest):
    assert min(outcome.accuracy for outcome in honest) > 0.7
