# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import html.parser
import io

import pytest
from rich.console import Console

from bcfl.scenarios.sweeping.file import Sweep
from bcfl.scenarios.sweeping.measures import measure
from bcfl.scenarios.sweeping.sweep import CellDone, SweepStarted
from bcfl.scenarios.sweeping.targets import Target, check
from bcfl.views.kit.canvas import as_svg, on_a_phone
from bcfl.views.sweep import curves
from bcfl.views.sweep import figures as sweep_figures
from bcfl.views.sweep.progress import SweepBar, SweepLines, duration, open_sweep_view
from bcfl.views.sweep.report import write_sweep_report
from bcfl.views.sweep.tables import failures, markdown, results, targets_table

SWEEP = Sweep(name="swept", description="<b>two</b> attacks", base={})


@pytest.fixture
def outcomes(swept):
    found = []
    for defence, gap, late in (("ours", 0.0, 2), ("off", 0.2, None)):
        for seed in (20, 21):
            at = {"labels": {"defence": defence}, "seed": seed}
            found += [
                swept("none", **at),
                swept("absent", accuracy=0.95, **at),
                swept("zero", reference="absent", rounds_to_eject=(1, late), accuracy=0.95 - gap, **at),
                swept("flip_$x$", reference="absent", rounds_to_eject=(2, 2), accuracy=0.94, wronged=1, **at),
            ]
    return [*found, swept("broken", failed=True, labels={"defence": "off"})]


@pytest.fixture
def measured(outcomes):
    return measure(outcomes)


@pytest.fixture
def findings(measured):
    targets = [
        Target(
            name="the gap",
            metric="accuracy_gap",
            where={"defence": "ours"},
            worst_over=("attack",),
            at_most=0.02,
        ),
        Target(name="found", metric="recall", where={"attack": "zero"}, statistic="pooled", at_least=0.99),
    ]
    return check(targets, measured)


class _Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.outside = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.outside += [
            value for name, value in attributes if name in ("src", "href") and not value.startswith("#")
        ]


def test_the_report_is_one_file_with_the_missed_targets_first(outcomes, measured, findings, tmp_path):
    report = write_sweep_report(SWEEP, outcomes, measured, findings, tmp_path)
    text = report.read_text()
    page = _Page()
    page.feed(text)
    assert page.outside == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == 2 * 7
    assert "&lt;b&gt;two&lt;/b&gt;" in text
    assert (
        text.index("MISSED")
        < text.index(">met<")
        < text.index("Worst case over attacks")
        < text.index("Results")
    )
    assert "16 of 17 cells ran" in text
    assert "It broke." in text
    assert (tmp_path / "report.md").read_text().startswith("# swept\n")


def test_a_sweep_in_which_everything_failed_still_has_a_report(swept, tmp_path):
    outcomes = [swept("zero", failed=True)]
    report = write_sweep_report(SWEEP, outcomes, measure(outcomes), (), tmp_path)
    assert "Failed cells: 1" in report.read_text()
    assert "<svg" not in report.read_text()


def test_the_table_of_targets_says_what_was_measured(findings):
    table = targets_table(findings)
    assert table.title == "Targets: 1 met, 1 missed"
    assert table.rows[0][:4] == ("found", "MISSED", "≥ 0.99", "0.75")
    assert table.rows[1][:4] == ("the gap", "met", "≤ 0.02", "0.01")
    assert table.rows[1][5] == "mean accuracy_gap (worst: flip_$x$)"
    assert "why it is missed" not in table.heads


def test_a_known_cause_stands_beside_what_was_missed_only(findings):
    known = [
        dataclasses.replace(finding, target=finding.target.model_copy(update={"cause": "nobody looked"}))
        for finding in findings
    ]
    table = targets_table(known)
    place = table.heads.index("why it is missed")
    assert [(row[1], row[place]) for row in table.rows] == [("MISSED", "nobody looked"), ("met", "")]


def test_results_have_a_row_an_attack_and_defence_without_references(measured):
    table = results(measured)
    assert [row[:2] for row in table.rows] == [
        ("off", "flip_$x$"), ("off", "none"), ("off", "zero"),
        ("ours", "flip_$x$"), ("ours", "none"), ("ours", "zero"),
    ]  # fmt: skip
    by_cell = {row[:2]: dict(zip(table.heads, row, strict=True)) for row in table.rows}
    zero = by_cell["off", "zero"]
    assert (zero["seeds"], zero["gap, points"], zero["rounds to eject"]) == ("2", "20.00", "1 / never")
    assert zero["recall"].startswith("50.0 %")
    assert by_cell["ours", "none"]["reward share"] == "–"


def test_markdown_tables_keep_their_columns(measured):
    lines = markdown([failures(measured)]).splitlines()
    assert lines[0] == "## Failed cells: 1"
    assert {line.count("|") for line in lines[2:5]} == {3}


def test_figures_show_the_worst_attack_and_who_is_never_ejected(measured, outcomes):
    worst = as_svg(sweep_figures.worst_case(measured))
    assert "20.0" in worst
    assert "zero" in worst
    assert "never" in as_svg(sweep_figures.ejections(measured))
    # two adversaries of nine who are paid alike
    axes = sweep_figures.reward_shares(outcomes).axes[0]
    assert axes.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(2 / 9)


def test_the_trajectory_is_of_a_cell_in_which_adversaries_were_ejected(outcomes):
    chosen = sweep_figures.telling(outcomes)
    name, figure = chosen.cell.labels.name, sweep_figures.trajectory(chosen)
    assert name.split("/")[0] != "none"
    assert "thrown out" in as_svg(figure)
    assert sweep_figures.telling(outcomes[:2]) is None


# --- progress -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"), [(40.4, "40 s"), (89, "89 s"), (400, "7 min"), (7500, "2 h 05 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def told(view, outcomes):
    with view:
        view.on_event(SweepStarted(total=3, known=1, other_code=2, jobs=2))
        for done, outcome in enumerate((outcomes[2], outcomes[-1]), start=2):
            view.on_event(
                CellDone(
                    cell=outcome.cell, result=outcome.result, done=done, total=3, left_s=400.0 * (3 - done)
                )
            )


def test_lines_say_how_far_it_is_and_how_long_it_takes(outcomes):
    stream = io.StringIO()
    told(SweepLines(stream), outcomes)
    first, second, third = stream.getvalue().splitlines()
    assert first.startswith("3 cells, 1 of them done before, 2 done by other code and run again")
    assert "2/3  zero/ours/0.3/iid/10/20  completed in 2.0 s  about 7 min left" in second
    assert "broken/off/0.3/iid/10/20  failed: It broke." in third


def test_the_bar_keeps_failures_on_the_screen(outcomes):
    stream = io.StringIO()
    told(SweepBar(Console(file=stream, force_terminal=True, width=120)), outcomes)
    assert "failed: It broke." in stream.getvalue()
    assert "3/3" in stream.getvalue()


def test_a_file_gets_lines():
    assert isinstance(open_sweep_view(io.StringIO()), SweepLines)


def test_what_did_not_run_is_hatched_and_has_no_number(measured):
    attacked = sweep_figures.attacked(measured)
    some = [one for one in attacked if (one.labels.attack, one.labels.defence) != ("zero", "off")]
    axes = sweep_figures.attacks_by_defence(some).axes[0]
    shown = {(round(text.get_position()[1]), round(text.get_position()[0])) for text in axes.texts}
    hatched = {(round(patch.get_y() + 0.5), round(patch.get_x() + 0.5)) for patch in axes.patches}
    assert len(hatched) == 1
    assert len(shown) == 3
    assert not shown & hatched
    assert not sweep_figures.attacks_by_defence(attacked).axes[0].patches


def test_on_a_phone_both_panels_name_the_attacks(measured):
    with on_a_phone():
        left, right = sweep_figures.attacks_by_defence(measured).axes
    named = [[label.get_text() for label in axes.get_yticklabels()] for axes in (left, right)]
    assert named[0] == named[1]
    assert named[0]


def test_curves_have_a_line_a_fraction_and_a_line_a_defence(outcomes, measured):
    by_round = curves.accuracy_by_round(outcomes)
    assert len(by_round.axes) == 2
    for axes in by_round.axes:
        assert len(axes.get_lines()) == len(axes.collections) >= 1  # each with its interval
    (axes,) = curves.gap_by_fraction(measured).axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert set(lines) == {"ours", "off"}
    assert lines["off"][0] > lines["ours"][0]
    assert curves.accuracy_by_round([]).axes
    assert curves.gap_by_fraction([]).axes


def test_a_round_that_paid_nothing_is_marked_where_the_scale_has_no_zero(outcomes):
    (axes,) = curves.tokens_by_round(outcomes).axes
    assert "×" not in axes.get_title(loc="left")
    first = outcomes[0]
    summary = first.result.summary
    unpaid = summary.rounds[-1].model_copy(update={"tokens": {}})
    rounds = (*summary.rounds[:-1], unpaid)
    result = first.result.model_copy(update={"summary": summary.model_copy(update={"rounds": rounds})})
    (axes,) = curves.tokens_by_round([dataclasses.replace(first, result=result)]).axes
    crosses = [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in crosses] == [[unpaid.round]]
    assert "×: a run that paid nothing" in axes.get_title(loc="left")
