# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from bcfl.scenarios.outcome.summary import Participant
from bcfl.views.kit import canvas
from bcfl.views.kit.trajectories import lanes, score_trajectories

MISBEHAVED = {"bob": (1, 2)}


def marks(axes, marker) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for line in axes.get_lines()
        if line.get_marker() == marker
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def test_scores_carry_the_marks_of_what_was_done(judged):
    (axes,) = score_trajectories(judged, MISBEHAVED).axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert lines["bob: sign_flip"] == pytest.approx([1.2, np.nan], nan_ok=True)
    assert lines["honest"] == pytest.approx([0.6, 0.1])
    assert marks(axes, "v") == [(1, 1.2)]
    assert marks(axes, "X") == [(2, 1.2)]  # where the line ended


def test_adversaries_have_the_first_lanes(judged):
    axes = lanes(judged, {"charlie": (2,)}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["charlie (honest)", "bob"]


def test_lanes_show_scores_and_marks(judged):
    axes = lanes(judged, MISBEHAVED).axes[0]
    (mesh,) = axes.collections
    values = np.ma.filled(mesh.get_array().reshape(2, 2), np.nan)
    assert values.tolist() == [[1.2, pytest.approx(np.nan, nan_ok=True)], [0.6, 0.1]]
    assert marks(axes, "X") == [(2, 0)]
    assert [y for _, y in marks(axes, "o")] == [0, 0]


def test_many_trainers_become_a_band_and_their_lanes_are_bounded(judged):
    people = {f"t{number}": Participant(role="trainer", address="0x00") for number in range(100)}
    crowd = judged.model_copy(update={"participants": {**people, **judged.participants}})
    axes = score_trajectories(crowd, MISBEHAVED).axes[0]
    assert len(axes.collections) == 1
    labels = [label.get_text() for label in lanes(crowd, MISBEHAVED).axes[0].get_yticklabels()]
    assert labels[0] == "bob (sign_flip)"
    assert len(labels) == 40


def test_of_many_rounds_the_first_have_cells(judged):
    done = judged.rounds[0]
    rounds = tuple(done.model_copy(update={"round": number}) for number in range(1, 1001))
    axes = lanes(judged.model_copy(update={"rounds": rounds}), {"bob": tuple(range(1, 1001))}).axes[0]
    assert axes.collections[0].get_array().size == 2 * 200
    assert len(marks(axes, "o")) == 200
    assert "first 200 rounds" in axes.get_title(loc="left")


def test_a_run_without_rounds_or_trainers_can_be_drawn(summary):
    for empty in (
        summary.model_copy(update={"rounds": ()}),
        summary.model_copy(update={"participants": {}, "rounds": ()}),
    ):
        for figure in (score_trajectories(empty, {}), lanes(empty, {})):
            assert canvas.as_svg(figure).startswith("<svg")
