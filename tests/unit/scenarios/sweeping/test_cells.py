# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from bcfl.scenarios.sweeping.cells import CellStore, compact


def test_a_result_is_read_back_as_it_was_written(swept, tmp_path):
    outcome = swept("zero", rounds_to_eject=(1, None))
    store = CellStore(tmp_path / "cells", code="code")
    assert store.read(outcome.cell) is None
    store.write(outcome.cell, outcome.result)
    assert store.read(outcome.cell) == outcome.result
    assert [path.suffix for path in (tmp_path / "cells").iterdir()] == [".json"]


def test_a_result_of_other_code_counts_only_where_that_is_wanted(swept, tmp_path):
    outcome = swept("zero")
    CellStore(tmp_path, code="code").write(outcome.cell, outcome.result)
    later = CellStore(tmp_path, code="other")
    assert later.read(outcome.cell) is None
    assert later.read(outcome.cell, any_code=True) == outcome.result


def test_a_damaged_result_is_none(swept, tmp_path):
    outcome = swept("zero")
    store = CellStore(tmp_path, code="code")
    (tmp_path / f"{outcome.cell.key}.json").write_text('{"schema_version": 1, "code"')
    assert store.read(outcome.cell) is None


def test_the_status_is_the_runs_or_failed(swept):
    assert swept("zero").result.status == "completed"
    assert swept("zero", failed=True).result.status == "failed"


def test_a_compact_summary_keeps_what_figures_need(swept):
    summary = swept("zero", rounds_to_eject=(1,)).result.summary
    small = compact(summary)
    assert small.rounds[0].gas == {}
    assert [done.scores for done in small.rounds] == [done.scores for done in summary.rounds]
    assert [done.tokens for done in small.rounds] == [done.tokens for done in summary.rounds]
    assert small.detection == summary.detection
