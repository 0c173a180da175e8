# SPDX-License-Identifier: Apache-2.0
"""A report's bytes, which its digest on chain is of."""

from __future__ import annotations

import json

import pytest

from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.evaluation_report import EvaluationReport
from bcfl.contracts.ids import ContentId

REPORT = EvaluationReport(
    round=3,
    start_model=ContentId(b"\x01" * 32, 10),
    model=ContentId(b"\x02" * 32, 11),
    scores={10: 5, 2: -(2**62), 9: 0},
    weights={10: 100, 2: 3},
    validation_samples=50,
    validation_loss={2: 0.1, 10: 1e-17},
    rejected={9: "wrong_digest"},
    start_loss=2.3,
    start_accuracy=0.1,
    loss=1.1,
    accuracy=0.7,
)


def test_it_survives_encoding_to_the_last_bit():
    assert EvaluationReport.decode(REPORT.encode()) == REPORT


def test_members_stand_in_the_order_of_their_indices_so_that_bytes_do_not_depend_on_arrival():
    turned = dict(sorted(REPORT.scores.items()))
    other = EvaluationReport(
        **{**{f: getattr(REPORT, f) for f in REPORT.__dataclass_fields__}, "scores": turned}
    )
    assert list(turned) != list(REPORT.scores)
    assert other.encode() == REPORT.encode()


def _changed(**changes):
    return json.dumps({**json.loads(REPORT.encode()), **changes}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        _changed(round=1e999),
        _changed(round="first"),
        _changed(model=[]),
        _changed(model=["00", 1]),
        _changed(model=["zz" * 32, 1]),
        _changed(model=["00" * 32, -1]),
        _changed(scores=[1, 2]),
        _changed(scores={"one": 1}),
        _changed(validation_loss={"1": "high"}),
    ],
)
def test_what_is_no_report_is_refused_by_name(data):
    with pytest.raises(MalformedReport):
        EvaluationReport.decode(data)
