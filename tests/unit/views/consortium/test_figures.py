# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.scenarios.outcome.summary import Performance
from bcfl.views.consortium.figures import contributions, right_answers, tokens
from bcfl.views.consortium.members import HOSPITALS, MEMBERS
from bcfl.views.kit import canvas


def test_contributions_are_stacked_by_round(consortium):
    (axes,) = contributions(consortium(4)).axes
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([0.25] * 8)
    assert axes.patches[-1].get_y() == pytest.approx(0.75)


def test_more_members_than_colours_are_told_apart(consortium):
    (axes,) = contributions(consortium(16)).axes
    looks = {(patch.get_facecolor(), patch.get_hatch()) for patch in axes.patches}
    assert len(looks) == 16


def test_tokens_are_split_into_training_and_judging(consortium):
    (axes,) = tokens(consortium(2)).axes
    assert [patch.get_width() for patch in axes.patches] == [30, 30, 3, 3]
    assert axes.patches[2].get_x() == 30


def test_right_answers_have_a_row_a_member_with_the_counts(consortium, member):
    summary = consortium(2)
    pooled = Performance(accuracy=0.8, auroc=None, loss=0.4, samples=100)
    members = {**summary.members, "m-1": member(pooled=pooled)}
    (axes,) = right_answers(summary.model_copy(update={"members": members}), HOSPITALS).axes
    dots = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}
    assert dots["trained alone"] == ([0.74, 0.74], [0, 1])
    assert dots["everybody's data in one place"] == ([0.8], [1])
    assert dots["the consortium's"] == ([0.78, 0.78], [0, 1])
    assert [text.get_text() for text in axes.texts] == ["74, 78 of 100", "74, 80, 78 of 100"]
    assert "patients of its own" in axes.get_title(loc="left")


def test_a_run_without_members_or_measures_can_be_drawn(consortium, member):
    empty = consortium().model_copy(update={"rounds": (), "members": {}})
    bare = member().model_copy(update={"alone": None, "federated": None})
    unmeasured = consortium().model_copy(update={"members": {"_$x": bare}})
    for summary in (empty, unmeasured):
        for figure in (contributions(summary), tokens(summary), right_answers(summary, MEMBERS)):
            assert canvas.as_svg(figure).startswith("<svg")
