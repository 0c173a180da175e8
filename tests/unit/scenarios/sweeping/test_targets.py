# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path

import pytest

from bcfl.scenarios.errors import TargetsInvalid
from bcfl.scenarios.sweeping.file import load_sweep
from bcfl.scenarios.sweeping.grid import expand
from bcfl.scenarios.sweeping.measures import Measured, measure
from bcfl.scenarios.sweeping.targets import Target, check, load_targets

SWEEPS = Path(__file__).parents[4] / "scenarios" / "sweeps"


@pytest.fixture
def measured(swept):
    cells = []
    for seed, (late, gap) in enumerate([(2, 0.0), (3, 0.01), (None, 0.08)]):
        cells += [
            swept("absent", seed=seed, accuracy=0.9),
            swept("zero", seed=seed, reference="absent", rounds_to_eject=(1, 1, late), accuracy=0.9),
            swept(
                "flip",
                seed=seed,
                reference="absent",
                rounds_to_eject=(2, 2, 2),
                accuracy=0.9 - gap,
                wronged=1,
            ),
        ]
    return measure([*cells, swept("broken", failed=True)])


def found(measured, **target):
    (finding,) = check([Target.model_validate({"name": "a target", **target})], measured)
    return finding


def test_a_pooled_rate_counts_everybody_once(measured):
    finding = found(measured, where={"attack": "zero"}, metric="recall", statistic="pooled", at_least=8 / 9)
    assert finding.estimate.value == pytest.approx(8 / 9)
    assert finding.met
    assert (finding.cells, finding.clients) == (3, 9)
    f1 = found(measured, where={"attack": "flip"}, metric="f1", statistic="pooled", at_least=0.99)
    assert f1.estimate.value == pytest.approx(2 * 9 / (9 + 9 + 3))
    assert not f1.met


@pytest.mark.parametrize(
    ("statistic", "expected"), [("median", 1), ("p95", math.inf), ("min", 1), ("max", math.inf)]
)
def test_rounds_to_eject_are_taken_over_adversaries_and_never_is_infinite(measured, statistic, expected):
    finding = found(
        measured, where={"attack": "zero"}, metric="rounds_to_eject", statistic=statistic, at_most=4
    )
    assert finding.estimate.value == expected
    assert finding.met == (expected <= 4)


def test_the_worst_attack_counts_and_is_named(measured):
    finding = found(
        measured, where={"attack": ["zero", "fl*"]}, metric="accuracy_gap", worst_over="attack", at_most=0.03
    )
    assert finding.estimate.value == pytest.approx(0.03)
    assert finding.worst == "flip"
    assert finding.met
    together = found(measured, where={"attack": ["zero", "flip"]}, metric="accuracy_gap", at_most=0.015)
    assert together.estimate.value == pytest.approx(0.015)
    lowest = found(
        measured, where={"attack": ["zero", "flip"]}, metric="accuracy", worst_over="attack", at_least=0.9
    )
    assert lowest.worst == "flip"
    assert not lowest.met


def test_a_failed_cell_misses_the_target_that_means_it(measured):
    finding = found(measured, where={}, metric="accuracy_gap", statistic="min", at_most=1)
    assert (finding.failed, finding.met) == (1, False)
    assert found(
        measured, where={"attack": ["zero", "flip"]}, metric="accuracy_gap", statistic="min", at_most=1
    ).met


def test_without_cells_a_target_is_missed(measured):
    finding = found(measured, where={"fraction": 0.4}, metric="accuracy_gap", at_most=1)
    assert (finding.estimate, finding.cells, finding.met) == (None, 0, False)


def test_references_count_only_where_they_are_named(measured):
    everybody = found(measured, where={"attack": "[!b]*"}, metric="accuracy", statistic="max", at_most=1)
    assert everybody.cells == 6
    assert found(measured, where={"attack": "absent"}, metric="accuracy", at_most=1).cells == 3


def test_the_missed_come_first_else_the_order_of_the_file(measured):
    names = [
        finding.target.name
        for finding in check(
            [
                Target(name=name, where={"attack": "zero"}, metric="recall", at_least=bound)
                for name, bound in (("a", 0.1), ("b", 1.0), ("c", 0.2), ("d", 1.0))
            ],
            measured,
        )
    ]
    assert names == ["b", "d", "a", "c"]


def test_rounding_noise_breaks_no_bound():
    assert Target(name="a", metric="recall", at_most=0.3).kept_by(0.1 + 0.2)
    assert not Target(name="a", metric="recall", at_most=0.3).kept_by(0.3001)


BAD = {
    "unknown-metric": ("{name: a, metric: speed, at_most: 1}", "'a' asks for 'speed', which is not measured"),
    "two-bounds": ("{name: a, metric: recall, at_most: 1, at_least: 1}", "'a' needs one bound"),
    "no-bound": ("{name: a, metric: recall}", "'a' needs one bound"),
    "pooled": ("{name: a, metric: accuracy, statistic: pooled, at_least: 1}", "'a' cannot pool 'accuracy'"),
    "unknown-key": ("{name: a, metric: recall, atmost: 1}", "'targets.0.atmost' is not a key here"),
    "statistic": ("{name: a, metric: recall, statistic: mode, at_most: 1}", "'mean', 'median'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_targets_are_refused_in_one_sentence(kind, write):
    text, words = BAD[kind]
    with pytest.raises(TargetsInvalid) as refused:
        load_targets(write(f"targets:\n  - {text}\n"))
    assert "line 2" in str(refused.value)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("targets", "sweep"), [("quick-targets", "quick"), ("targets", "full"), ("fair-targets", "fair")]
)
def test_every_target_of_the_committed_files_has_cells_in_its_sweep(targets, sweep):
    cells = expand(load_sweep(SWEEPS / f"{sweep}.yaml"))
    planned = [
        Measured(labels=cell.labels, key="", status="completed", sentence=None, values={}) for cell in cells
    ]
    for target in load_targets(SWEEPS / f"{targets}.yaml"):
        assert any(target.where.holds(one) for one in planned), target.name


@pytest.mark.parametrize(
    "name", sorted(path.name for path in SWEEPS.glob("*.yaml") if "targets" not in path.name)
)
def test_what_is_called_the_pipeline_has_it_and_what_is_called_undefended_has_none(name):
    """A sweep that forgot its defence once met nearly every target."""
    for cell in expand(load_sweep(SWEEPS / name)):
        label, defence = cell.labels.defence, cell.scenario.task.defence.name
        if "undefended" in label:
            assert defence == "none", label
        elif label.startswith(("pipeline", "no_", "by_samples")):
            assert defence == "pipeline", label
