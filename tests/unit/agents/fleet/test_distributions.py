# SPDX-License-Identifier: Apache-2.0
"""What is drawn, and what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from bcfl import registry
from bcfl.errors import RegistryError


def _drawn(name, count=4000, **parameters):
    rng = np.random.default_rng(7)
    distribution = registry.create("distribution", name, parameters)
    return np.array([distribution.draw(rng) for _ in range(count)])


def test_each_is_what_it_is_called():
    assert set(_drawn("constant", value=3.0)) == {3.0}
    uniform = _drawn("uniform", low=1.0, high=3.0)
    assert 1 <= uniform.min() < uniform.max() <= 3
    assert uniform.mean() == pytest.approx(2, abs=0.05)
    assert _drawn("exponential", mean=5.0).mean() == pytest.approx(5, rel=0.05)
    lognormal = _drawn("lognormal", median=4.0, sigma=1.0)
    assert np.median(lognormal) == pytest.approx(4, rel=0.05)
    assert np.log(lognormal).std() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("constant", {"value": -1.0}, "value is -1.0; write a finite number from zero up"),
        ("exponential", {"mean": float("inf")}, "mean is inf"),
        ("uniform", {"low": 3.0, "high": 1.0}, "high is 1.0, below low; write at least 3.0"),
        ("lognormal", {"median": 1.0, "sigma": -1.0}, "sigma is -1.0"),
        ("exponential", {}, "mean"),
    ],
)
def test_what_cannot_be_is_said(name, parameters, words):
    with pytest.raises(RegistryError, match=words):
        registry.create("distribution", name, parameters)
