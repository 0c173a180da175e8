# SPDX-License-Identifier: Apache-2.0
"""The fold equals exact arithmetic where float64 sums are exact, and is the same bytes everywhere."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.models.aggregation.fold import INTEGER_LIMIT, fold
from bcfl.models.errors import InvalidFold, SchemaMismatch
from bcfl.models.weights import Schema, TensorSpec, Weights


def _weights(values, name="w"):
    vector = np.array(values, dtype=np.float32)
    return Weights(Schema((TensorSpec(name, vector.shape),)), vector)


@st.composite
def _small_models(draw):
    """Models of multiples of 1/16 and weights so small that every float64 sum is exact."""
    size, count = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    sixteenths = st.lists(st.integers(-4096, 4096), min_size=size, max_size=size)
    models = [[value / 16 for value in draw(sixteenths)] for _ in range(count)]
    integers = draw(st.lists(st.integers(0, 60_000), min_size=count, max_size=count).filter(any))
    return models, integers


@given(_small_models())
@settings(deadline=None)
def test_the_fold_is_the_exact_mean_rounded_to_float64_then_float32(case):
    models, integers = case
    folded = fold([_weights(model) for model in models], integers).vector
    for place, found in enumerate(folded):
        exact = sum(Fraction(model[place]) * k for model, k in zip(models, integers, strict=True)) / sum(
            integers
        )
        assert found == np.float32(float(exact))


_ANY_FLOAT = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    st.integers(1, 5).flatmap(
        lambda count: st.tuples(
            st.lists(st.lists(_ANY_FLOAT, min_size=7, max_size=7), min_size=count, max_size=count),
            st.lists(st.integers(0, INTEGER_LIMIT - 1), min_size=count, max_size=count).filter(any),
        )
    ),
    st.integers(1, 8),
)
@settings(deadline=None)
def test_every_product_is_exact_and_the_block_size_changes_nothing(case, block):
    models, integers = case
    folded = fold([_weights(model) for model in models], integers)
    assert (
        folded.vector.tobytes()
        == fold([_weights(model) for model in models], integers, block=block).vector.tobytes()
    )
    expected = []
    for column in zip(*models, strict=True):
        running = 0.0
        for value, integer in zip(column, integers, strict=True):
            if integer:
                assert (
                    Fraction(float(np.float32(value)) * integer)
                    == Fraction(float(np.float32(value))) * integer
                )
                running += float(np.float32(value)) * integer
        expected.append(np.float32(running / sum(integers)))
    assert folded.vector.tobytes() == np.array(expected, dtype=np.float32).tobytes()


@given(st.lists(_ANY_FLOAT, min_size=3, max_size=3), st.integers(1, INTEGER_LIMIT - 1))
@settings(deadline=None)
def test_one_model_folds_to_itself(values, integer):
    assert np.array_equal(fold([_weights(values)], [integer]).vector, np.array(values, dtype=np.float32))


def test_a_model_of_weight_zero_is_not_read():
    broken = _weights([np.nan, np.inf])
    assert fold([broken, _weights([1, 2])], [0, 3]).vector.tolist() == [1.0, 2.0]


_SCRIPT = """
import hashlib, numpy as np
from bcfl.models.aggregation.fold import fold
from bcfl.models.weights import Schema, TensorSpec, Weights
draw = np.random.Generator(np.random.PCG64(5))
schema = Schema((TensorSpec("w", (100_003,)),))
models = [Weights(schema, draw.normal(size=100_003).astype(np.float32)) for _ in range(7)]
print(hashlib.sha256(fold(models, [3, 536870911, 1, 0, 77, 12000, 5]).vector.tobytes()).hexdigest())
"""


def test_another_process_folds_to_the_same_bytes():
    draw = np.random.Generator(np.random.PCG64(5))
    models = [_weights(draw.normal(size=100_003)) for _ in range(7)]
    here = hashlib.sha256(fold(models, [3, 536870911, 1, 0, 77, 12000, 5]).vector.tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


@pytest.mark.parametrize("integers", [[1], [1, -1], [1, INTEGER_LIMIT], [0, 0], []])
def test_integers_that_do_not_fit_are_refused(integers):
    with pytest.raises(InvalidFold):
        fold([_weights([1.0]), _weights([2.0])], integers)


def test_models_of_different_networks_are_refused():
    with pytest.raises(SchemaMismatch):
        fold([_weights([1.0]), _weights([1.0], name="other")], [1, 1])
