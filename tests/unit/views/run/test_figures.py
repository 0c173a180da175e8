# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.scenarios.directory.run_directory import RunDirectory
from bcfl.scenarios.errors import SummaryUnreadable
from bcfl.views.run.figures import SCENARIO, main, write_figures

_PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def directory(tmp_path, scenario, summary) -> RunDirectory:
    with RunDirectory.create(scenario, out=tmp_path / "out") as made:
        made.append_event({"event": "training", "source": "bob", "round": 1, "time": 100, "block": 1})
        made.write_summary(summary)
    return made


def test_a_run_becomes_five_pictures_and_a_table(directory, tmp_path):
    *pictures, table = write_figures(directory, tmp_path / "new" / "figures")
    assert len({picture.name for picture in pictures}) == 5
    assert all(picture.read_bytes().startswith(_PNG) for picture in pictures)
    lines = table.read_text().splitlines()
    assert lines[0] == "small · seed 7 · completed"
    assert any(line.startswith("bob ") and line.endswith("1.4000") for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_a_finished_run_is_drawn_where_the_documentation_looks(
    directory, tmp_path, monkeypatch, capsys, request
):
    assert (request.config.rootpath / SCENARIO).is_file()
    monkeypatch.chdir(tmp_path)
    main([str(directory.path)])
    assert "docs/figures/loss-and-accuracy.png" in capsys.readouterr().out
    assert (tmp_path / "docs/figures/final-table.txt").is_file()


def test_a_run_without_an_end_is_refused(directory, tmp_path):
    directory.summary_file.unlink()
    with pytest.raises(SummaryUnreadable):
        write_figures(directory, tmp_path / "figures")
