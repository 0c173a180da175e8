# SPDX-License-Identifier: Apache-2.0
"""FLTrust weighs by the positive cosine and lends every update the root's length."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from bcfl.models.aggregation.aggregator import Aggregate
from bcfl.models.aggregation.trust import FLTrust, fltrust
from bcfl.models.errors import SchemaMismatch


@pytest.mark.asyncio
async def test_by_hand(make):
    # From (1, 1) the root goes (0, 2); cosines 1, cos 45°, 0, −1; the zero update has none.
    made = make.round(
        [[1, 101], [1.5, 1.5], [9, 1], [1, -50], [1, 1]],
        start=[1, 1],
        root=[1, 3],
    )
    found = await FLTrust().aggregate(made)
    slanted = math.sqrt(0.5)
    x = slanted * 2 * slanted / (1 + slanted)
    y = (2 + slanted * 2 * slanted) / (1 + slanted)
    assert found.model.vector == pytest.approx([1 + x, 1 + y], rel=1e-6)
    assert found.integers[1] / found.integers[0] == pytest.approx(slanted, rel=1e-8)
    assert found.integers[2:] == (0, 0, 0)


@pytest.mark.parametrize("root", [[1, 1], [5, 1]])
def test_where_nobody_points_the_roots_way_or_it_points_nowhere_the_model_is_kept(make, root):
    start = make.weights([1, 1])
    found = fltrust([make.weights([0, 1]), make.weights([-7, 1])], start, make.weights(root))
    assert found.model is start
    assert found.integers == (0, 0)


def test_length_gives_no_power(make):
    start, root = make.weights([0, 0, 0]), make.weights([1, 1, 0])
    honest = [make.weights([1, 0.9, 0.1]), make.weights([0.8, 1, 0.2])]
    near = fltrust([*honest, make.weights([1e-3, 0, 1e-3])], start, root)
    far = fltrust([*honest, make.weights([1e6, 0, 1e6])], start, root)
    assert far.model.vector == pytest.approx(near.model.vector, rel=1e-5)
    assert np.linalg.norm(far.model.vector) <= np.linalg.norm(root.vector) * (1 + 1e-6)


def test_updates_equal_to_the_root_give_the_root(make):
    root = make.weights([0.3, -2])
    found = fltrust([root, root], make.weights([1, 1]), root)
    assert found.model.vector == pytest.approx(root.vector)


def test_models_of_different_networks_are_refused(make):
    with pytest.raises(SchemaMismatch):
        fltrust([make.weights([1.0], name="other")], make.weights([0.0]), make.weights([1.0]))


@pytest.mark.asyncio
async def test_whatever_the_root_is_the_model_lies_where_the_weights_point(make):
    draw = np.random.default_rng(1)
    start, rows = draw.normal(size=400), draw.normal(size=(5, 400))
    for scale in (1e-3, 1.0, 50.0):
        made = make.round(rows, start=start, root=start + scale * draw.normal(size=400))
        found = await FLTrust().aggregate(made)
        assert FLTrust().possible(found, made)
        moved = make.weights(found.model.vector + 1e-3 * draw.normal(size=400))
        assert not FLTrust().possible(dataclasses.replace(found, model=moved), made)
        back = make.weights(2 * made.start.vector - found.model.vector)
        assert not FLTrust().possible(dataclasses.replace(found, model=back), made), (
            "away from what it trusts"
        )
        other = dataclasses.replace(found, integers=(1,) * 5)
        assert not FLTrust().possible(other, made)
        assert FLTrust(before=("nnm",)).possible(other, made)


@pytest.mark.asyncio
async def test_without_weights_only_the_model_before_is_possible(make):
    made = make.round([[1, 1], [2, 1]], start=[1, 1], root=[0, 0])
    idle = (1, 0)  # of an update that did not move
    assert FLTrust().possible(Aggregate(model=made.start, integers=(0, 0)), made)
    assert not FLTrust().possible(Aggregate(model=made.updates[1], integers=(0, 0)), made)
    assert not FLTrust().possible(Aggregate(model=made.updates[1], integers=idle), made)
