# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from bcfl.scenarios.outcome.summary import Participant
from bcfl.views.kit import canvas, plots


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
        assert canvas.as_svg(figure).startswith("<svg")


def test_svg_takes_the_pages_colour_and_is_the_same_each_time(summary):
    first, second = (canvas.as_svg(plots.loss_and_accuracy(summary)) for _ in range(2))
    assert first == second
    assert "currentColor" in first
    assert "#010203" not in first
    ET.fromstring(first)  # noqa: S314 - our own


def test_png_is_written(summary, tmp_path):
    canvas.save_png(plots.gas_by_role(summary), tmp_path / "gas.png", dpi=40)
    assert (tmp_path / "gas.png").read_bytes().startswith(b"\x89PNG")


def test_rounds_that_are_far_apart_have_a_scale_each():
    rows = {"bob": [2.0, -0.01], "eve": [1.0, math.nan], "joe": [0.0, 0.005]}
    scaled, relative = plots.per_round(rows)
    assert relative
    assert scaled["bob"] == [1.0, -1.0]
    assert scaled["joe"] == [0.0, 0.5]
    assert math.isnan(scaled["eve"][1])
    near = {"bob": [2.0, 0.2], "eve": [1.0, 0.1]}
    assert plots.per_round(near) == (near, False)
    assert plots.per_round({"bob": [0.0, 0.0]}) == ({"bob": [0.0, 0.0]}, False)
    assert plots.per_round({}) == ({}, False)


def test_empty_bars_say_why(summary):
    rounds = tuple(done.model_copy(update={"gas": {}}) for done in summary.rounds)
    (axes,) = plots.gas_by_role(summary.model_copy(update={"rounds": rounds})).axes
    assert [text.get_text() for text in axes.texts] == ["no transaction of a round was included"]
    assert not plots.gas_by_role(summary).axes[0].texts


def test_on_a_phone_panels_stand_one_below_the_other_and_letters_keep_their_size(summary):
    page = plots.loss_and_accuracy(summary)
    with canvas.on_a_phone():
        phone = plots.loss_and_accuracy(summary)
    assert phone.get_figwidth() < page.get_figwidth() / 2
    assert phone.get_figheight() == 2 * page.get_figheight()
    # 390 pixels less the page's margins: points of the figure become at least as many pixels
    assert 358 / (72 * phone.get_figwidth()) > 1.1


def test_files_for_a_paper_are_dark_and_the_same_each_time(summary, tmp_path):
    for name in ("one", "two"):
        figure = plots.gas_by_role(summary)
        canvas.save_svg(canvas.as_svg(figure), tmp_path / f"{name}.svg")
        canvas.save_pdf(figure, tmp_path / f"{name}.pdf")
    for kind, begins in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        one, two = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("one", "two"))
        assert one.startswith(begins)
        assert one == two
        assert b"currentColor" not in one
    ET.parse(tmp_path / "one.svg")  # noqa: S314 - our own
