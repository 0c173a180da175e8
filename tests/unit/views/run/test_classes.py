# SPDX-License-Identifier: Apache-2.0
"""The report's section class by class: shares, who is taken for whom, and a figure; many classes stay readable."""

from __future__ import annotations

import pytest

from bcfl.scenarios.errors import RunDirectoryUnreadable
from bcfl.scenarios.outcome.classes import classification_of
from bcfl.views.run.classes import section


def _found(cells, labels, trainers=()):
    return classification_of({"labels": labels, "overall": cells, "trainers": dict(trainers)})


def test_shares_and_mistakes(tmp_path):
    cells = [[0, 0, 3], [0, 1, 1], [1, 0, 2], [1, 1, 4]]
    found = _found(cells, ["cat", "<dog>", "cow"], {"bob": [[0, 0, 2]]})
    html = section(found, whose="the evaluator", files=tmp_path / "it")
    for cell in (
        "<td>the evaluator</td><td>10</td><td>70.00%</td>",
        "&lt;dog&gt; (1)",
        "<td>bob</td><td>2</td>",
    ):
        assert cell in html
    assert "cow" not in html
    assert html.count("<svg") == 2
    assert (tmp_path / "it.pdf").is_file()


def test_many_classes(tmp_path):
    labels = [f"class {place}" for place in range(200)]
    html = section(
        _found([[place, 0, 1] for place in range(200)], labels), whose="all", files=tmp_path / "it"
    )
    assert "… and 160 more in summary.json" in html
    assert len(html) < 500_000


@pytest.mark.parametrize(
    "measured",
    [
        {"labels": ["a"], "overall": [[0, 1, 3]], "trainers": {}},
        {"labels": ["a"], "overall": [[0, 0]], "trainers": {}},
        {"labels": ["a"], "overall": [], "trainers": []},
        {"overall": []},
    ],
)
def test_a_damaged_record_is_said_to_be(measured):
    with pytest.raises(RunDirectoryUnreadable, match="'classes_measured' of the event log is damaged"):
        classification_of(measured)


def test_nothing_measured():
    assert classification_of({}) is None
