# SPDX-License-Identifier: Apache-2.0
"""What holds of every rule, with and without pre-aggregators: invariances, breakdown, the same bits everywhere."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import anyio
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bcfl.models.aggregation.aggregator import AggregationRound
from bcfl.models.aggregation.fold import INTEGER_LIMIT, fold
from bcfl.registry import create, entries

ROBUST = (
    "centered_clipping",
    "fltrust",
    "geometric_median",
    "krum",
    "median",
    "multi_krum",
    "norm_clipping",
    "trimmed_mean",
    "validated_trimmed_mean",
)
RULES = ("fedavg", *ROBUST)
BY_WEIGHT = ("fedavg", "geometric_median", "krum", "multi_krum")
# Bucketing is drawn from the contents, so a shift changes it.
BEFORE = ((), ("nnm",), ("clipping",), ({"name": "clipping", "factor": 2}, "nnm"))

_SEEDS = st.integers(0, 2**32)
_before = pytest.mark.parametrize("before", BEFORE, ids=str)
_rule = pytest.mark.parametrize("rule", RULES)


def aggregate(rule, made, before=()):
    """The rule's aggregate, from a test that is no coroutine: hypothesis repeats it."""
    return anyio.run(create("aggregator", rule, {"before": list(before)}).aggregate, made)


def normal(seed, count, size=6):
    draw = np.random.Generator(np.random.PCG64(seed))
    return draw.normal(size=(count, size)).astype(np.float32), draw.normal(size=size).astype(np.float32)


def test_every_rule_is_registered_with_its_source_and_takes_pre_aggregators():
    found = {entry.name: entry for entry in entries("aggregator")}
    assert set(RULES) <= set(found)
    for name in RULES:
        assert found[name].source
        assert found[name].summary
        assert "before" in {parameter.name for parameter in found[name].parameters}
    before = {entry.name: entry for entry in entries("pre_aggregator")}
    assert set(before) >= {"bucketing", "clipping", "nnm"}
    assert all(before[name].source for name in ("bucketing", "clipping", "nnm"))


@pytest.mark.parametrize("rule", ROBUST)
def test_claimed_samples_buy_nothing(make, rule):
    assert create("aggregator", rule).game_weights([10**9, 1, 5]) == (1, 1, 1)
    rows, root = normal(3, 5)
    modest = aggregate(rule, make.round(rows, root=root))
    boastful = aggregate(rule, make.round(rows, root=root, samples=[10**6, 1, 1, 1, 1], scores=[9.0] * 5))
    assert boastful.model.vector.tobytes() == modest.model.vector.tobytes()
    assert boastful.integers == modest.integers


@_rule
@_before
def test_without_updates_the_model_is_kept(make, rule, before):
    some = make.round([[1.0]], start=[4.0], root=[1.0])
    made = AggregationRound(
        start=some.start, updates=(), samples=(), scores=(), loss=some.loss, root=some.root
    )
    found = aggregate(rule, made, before)
    assert found.model is made.start
    assert found.integers == ()


@_rule
@pytest.mark.parametrize("before", [*BEFORE, ("bucketing",), ("bucketing", "nnm")], ids=str)
@given(seed=_SEEDS, count=st.integers(1, 9))
@settings(deadline=None, max_examples=6)
def test_when_all_agree_everybody_is_right(make, rule, before, seed, count):
    rows, start = normal(seed, 1)
    found = aggregate(rule, make.round([rows[0]] * count, start=start, root=rows[0]), before)
    assert found.model.vector == pytest.approx(rows[0], abs=1e-5)
    assert len(found.integers) == count
    assert all(0 <= integer < INTEGER_LIMIT for integer in found.integers)
    assert any(found.integers)


_without_ties = pytest.mark.parametrize(
    ("rule", "before"),
    [
        (rule, before)
        for rule in RULES
        for before in BEFORE
        # Mixing makes some models equal, and groups of equals tie in Krum's eyes: there the first is taken, or rounding decides.
        if not (rule in {"krum", "multi_krum"} and "nnm" in before)
    ],
    ids=str,
)


@_without_ties
@given(seed=_SEEDS, count=st.integers(1, 9))
@settings(deadline=None, max_examples=6)
def test_the_order_of_the_updates_does_not_matter(make, rule, before, seed, count):
    rows, start = normal(seed, count)
    assume(rule != "krum" or count not in {2, 3})  # of so few two are equally good
    order = random.Random(seed).sample(range(count), count)  # noqa: S311 - a shuffle, no secret
    root = rows.mean(axis=0)
    found = aggregate(rule, make.round(rows, start=start, root=root), before)
    again = aggregate(rule, make.round(rows[order], start=start, root=root), before)
    assert again.model.vector == pytest.approx(found.model.vector, abs=1e-4)
    expected = [found.integers[position] for position in order]
    assert again.integers == pytest.approx(expected, rel=1e-3, abs=2)


@_without_ties
@given(seed=_SEEDS, count=st.integers(1, 9))
@settings(deadline=None, max_examples=6)
def test_a_shift_of_everything_shifts_the_model(make, rule, before, seed, count):
    rows, start = normal(seed, count)
    assume(rule != "krum" or count not in {2, 3})  # of so few two are equally good
    shift, root = np.float32([4, -8, 0, 16, 1, 2]), rows.mean(axis=0)
    # The loss follows the shift; else the evaluator's samples would speak for another model.
    near = aggregate(rule, make.round(rows, start=start, root=root, loss=lambda w: float(w[0])), before)
    far = aggregate(
        rule,
        make.round(
            rows + shift, start=start + shift, root=root + shift, loss=lambda w: float((w - shift)[0])
        ),
        before,
    )
    assert far.model.vector - shift == pytest.approx(near.model.vector, abs=2e-4)


@_before
@pytest.mark.parametrize("rule", BY_WEIGHT)
def test_the_integers_give_the_model_away(make, rule, before):
    rows, _ = normal(8, 9)
    made = make.round(rows, samples=[3, 1, 4, 1, 5, 9, 2, 6, 5])
    found = aggregate(rule, made, before)
    if not before:
        assert found.model.vector.tobytes() == fold(made.updates, found.integers).vector.tobytes()
    elif before == ("nnm",):
        assert found.model.vector == pytest.approx(fold(made.updates, found.integers).vector, abs=1e-6)


def _attacked(seed, attackers, kind):
    """Ten updates of a hundred parameters around (1, …, 1), the last few of them far away, and a root."""
    rows, _ = normal(seed, 10, 100)
    rows += 1
    honest = rows[: 10 - attackers]
    direction = np.random.Generator(np.random.PCG64(seed + 1)).normal(size=(attackers, 100))
    rows[10 - attackers :] = {
        "apart": 1e6 * direction,
        "together": 1e6,
        "opposite": -1e6 * honest.mean(axis=0),
    }[kind]
    return rows, honest


@pytest.mark.parametrize("kind", ["apart", "together", "opposite"])
@pytest.mark.parametrize(
    ("rule", "attackers"),
    [("median", 4), ("trimmed_mean", 3), ("krum", 3), ("multi_krum", 3), ("validated_trimmed_mean", 3)],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_minority_at_a_million_leaves_the_model_among_the_honest(make, rule, attackers, kind, seed):
    rows, honest = _attacked(seed, attackers, kind)
    mean = honest.mean(axis=0)
    for before in ((), ("clipping",)):
        made = make.round(rows, loss=lambda vector: float(np.linalg.norm(vector - mean)))
        found = aggregate(rule, made, before).model.vector
        assert (found >= honest.min(axis=0) - 1e-5).all()
        assert (found <= honest.max(axis=0) + 1e-5).all()


@pytest.mark.parametrize("kind", ["apart", "together", "opposite"])
@pytest.mark.parametrize(
    ("rule", "before", "attackers"),
    [
        ("geometric_median", (), 4),
        ("centered_clipping", (), 4),
        ("norm_clipping", (), 4),
        ("fltrust", (), 4),
        ("trimmed_mean", ("nnm",), 3),
        ("median", ("nnm",), 4),
        ("geometric_median", ("nnm",), 4),
        ("krum", ("nnm",), 3),
        ("median", ("bucketing",), 2),
        ("fedavg", ({"name": "clipping", "factor": 1},), 4),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_or_near_the_honest_mean(make, rule, before, attackers, kind, seed):
    rows, honest = _attacked(seed, attackers, kind)
    mean = honest.mean(axis=0)
    found = aggregate(rule, make.round(rows, root=mean), before).model.vector
    # An honest update is 10 away from their centre; the plain mean 100,000 and more.
    assert np.linalg.norm(found - mean) < 15
    assert np.linalg.norm(rows.mean(axis=0) - mean) > 1e5


def test_the_mean_itself_breaks(make):
    rows, honest = _attacked(1, 1, "together")
    assert np.linalg.norm(aggregate("fedavg", make.round(rows)).model.vector - honest.mean(axis=0)) > 1e5


@pytest.mark.parametrize("rule", ROBUST)
def test_without_attackers_a_rule_is_not_far_from_the_mean(make, rule):
    rows, _ = normal(5, 10, 100)
    rows += 3
    mean = rows.mean(axis=0)
    found = aggregate(rule, make.round(rows, root=mean)).model.vector
    assert np.linalg.norm(found - mean) < (11 if rule == "krum" else 4)


_SCRIPT = """
import hashlib, anyio, numpy as np
from bcfl.models.aggregation.aggregator import AggregationRound
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.registry import create

draw = np.random.Generator(np.random.PCG64(11))
schema = Schema((TensorSpec("w", (70_001,)),))
def model(): return Weights(schema, draw.random(70_001, dtype=np.float32) - np.float32(0.25))
start, root, updates = model(), model(), tuple(model() for _ in range(9))
async def loss(weights): return 1.0
async def trained(): return root
made = AggregationRound(start=start, updates=updates, samples=(3, 1, 4, 1, 5, 9, 2, 6, 5),
                        scores=(0.1, 0.2, -0.1, 0.3, 0.7, 0.01, 0.5, 0.6, 0.4), loss=loss, root=trained)
digest = hashlib.sha256()
for rule in RULES:
    for before in ([], ["clipping", "bucketing"], ["nnm"]):
        found = anyio.run(create("aggregator", rule, {"before": before}).aggregate, made)
        digest.update(repr(found.integers).encode() + found.model.vector.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.parametrize("vectorised", [True, False])
def test_processors_with_and_without_vector_instructions_give_the_same_bits(vectorised):
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    done = subprocess.run(
        [sys.executable, "-c", f"RULES = {RULES!r}\n{_SCRIPT}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": "" if vectorised else " ".join(found)},
    )
    # Written down, so that another kind of machine is held to it too; it changes when a rule's arithmetic does.
    assert done.stdout.strip() == "c50770bf571e3d14d7bac3a21ab16249ba6d3359730ca4683d2c282809cbf3de"
