# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from bcfl.scenarios.outcome.summary import Participant
from bcfl.views.kit import plots


def lines(axes) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_the_loss_starts_at_the_genesis(summary):
    left, right = plots.loss_and_accuracy(summary).axes
    assert lines(left)["global model"] == [2.3, 0.5, 0.2]
    assert lines(left)["trainers, own data (median)"] == pytest.approx([0.425, 0.17])
    assert list(right.get_lines()[0].get_ydata()) == pytest.approx([0.1, 0.875, 0.95])


def test_a_loss_that_was_not_measured_is_a_gap(summary):
    rounds = (summary.rounds[0].model_copy(update={"global_loss": None}), summary.rounds[1])
    left, _ = plots.loss_and_accuracy(summary.model_copy(update={"rounds": rounds})).axes
    assert math.isnan(lines(left)["global model"][1])


def test_tokens_are_summed_and_scores_are_not(summary):
    left, right = plots.scores_and_tokens(summary).axes
    assert lines(left)["bob"] == [1.2, 0.2]
    assert lines(right)["bob"] == pytest.approx([0, 1.2, 1.4])
    assert "alice" not in lines(right)


def test_many_trainers_become_a_band(summary):
    people = {f"t{number}": Participant(role="trainer", address="0x00") for number in range(100)}
    figure = plots.scores_and_tokens(summary.model_copy(update={"participants": people}))
    assert list(lines(figure.axes[1])) == ["median"]


def test_gas_is_stacked_by_role(summary):
    (axes,) = plots.gas_by_role(summary).axes
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([0.06, 0.06, 0.19, 0.19])
    assert axes.patches[2].get_y() == pytest.approx(0.06)


def test_the_timeline_has_a_row_for_each_kind_of_event_the_first_on_top():
    happened = [("B", 12), ("A", 10), ("B", 15)]
    records = [{"source": "chain", "event": event, "block": block} for event, block in happened]
    records += [{"source": "runner", "event": "run_started", "block": 0}, {"odd": 1}]
    (axes,) = plots.timeline(records).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["B (2)", "A (1)"]
    assert sorted(list(line.get_xdata()) for line in axes.get_lines()) == [[10], [12, 15]]


def test_a_run_without_rounds_and_events_can_be_drawn(summary):
    empty = summary.model_copy(update={"rounds": (), "participants": {}})
    for figure in (
        plots.loss_and_accuracy(empty),
        plots.scores_and_tokens(empty),
        plots.gas_by_role(empty),
        plots.timeline([]),
    ):
        assert plots.as_svg(figure).startswith("<svg")


def test_svg_takes_the_pages_colour_and_is_the_same_each_time(summary):
    first, second = (plots.as_svg(plots.loss_and_accuracy(summary)) for _ in range(2))
    assert first == second
    assert "currentColor" in first
    assert "#010203" not in first
    ET.fromstring(first)  # noqa: S314 - our own


def test_png_is_written(summary, tmp_path):
    plots.save_png(plots.gas_by_role(summary), tmp_path / "gas.png", dpi=40)
    assert (tmp_path / "gas.png").read_bytes().startswith(b"\x89PNG")
