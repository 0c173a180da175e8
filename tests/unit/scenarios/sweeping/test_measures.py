# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import math

import pyarrow.parquet as pq
import pytest

from bcfl.scenarios.definition.schema import Trainers
from bcfl.scenarios.outcome.summary_fairness import Fairness
from bcfl.scenarios.sweeping.measures import METRICS, at_least, measure
from bcfl.scenarios.sweeping.table import COLUMNS, write_tables


@pytest.fixture
def measured(swept):
    return measure(
        [
            swept("absent", accuracy=0.95),
            swept("zero", reference="absent", rounds_to_eject=(1, 2, None), accuracy=0.93, wronged=1),
            swept("flip", failed=True),
        ]
    )


def test_the_gap_is_to_the_cell_without_the_adversaries(measured):
    assert measured[1].values["accuracy_gap"] == pytest.approx(0.02)
    assert measured[1].values["reference_accuracy"] == 0.95
    assert measured[0].values["accuracy_gap"] is None


def test_a_model_that_diverged_has_lost_everything(swept):
    gone = swept("zero", reference="absent")
    summary = gone.result.summary
    final = summary.final.model_copy(update={"accuracy": None})
    gone.result.__dict__["summary"] = summary.model_copy(update={"final": final})
    assert measure([swept("absent", accuracy=0.9), gone])[1].values["accuracy_gap"] == pytest.approx(0.9)


def test_who_is_never_ejected_counts_as_later_than_any_round(measured):
    values = measured[1].values
    assert measured[1].rounds_to_eject == (1, 2, math.inf)
    assert (values["rounds_to_eject_median"], values["rounds_to_eject_p95"]) == (2, math.inf)


def test_counts_come_with_the_names_behind_them(measured):
    one = measured[1]
    assert one.adversaries == ("bad-0", "bad-1", "bad-2")
    assert len(one.honest) == 7
    assert (one.ejected_adversaries, one.ejected_honest) == (2, 1)
    assert one.values["precision"] == pytest.approx(2 / 3)


def test_returns_are_in_tokens_and_a_group_is_held_against_one_honest_trainer(measured):
    values = measured[1].values
    assert values["return_on_misbehaviour"] == -2
    # three accounts with 3 − 2 tokens each: as much as the one honest trainer has
    assert values["group_return"] == 0


def test_a_failed_cell_has_its_sentence_and_no_numbers_but_its_time(measured):
    one = measured[2]
    assert (one.status, one.sentence) == ("failed", "It broke.")
    assert {name for name, value in one.values.items() if value is not None} == {"wall_s"}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.51, 3), (0.95, 4), (0, 1)])
def test_at_least(share, expected):
    assert at_least([4, 1, 3, 2], share) == expected


def test_both_tables_have_every_column_and_the_same_rows(measured, tmp_path):
    as_csv, as_parquet = write_tables(measured, tmp_path)
    with as_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = pq.read_table(as_parquet)
    assert tuple(rows[0]) == tuple(table.column_names) == COLUMNS
    assert set(METRICS) <= set(COLUMNS)
    assert [row["attack"] for row in rows] == table["attack"].to_pylist() == ["absent", "zero", "flip"]
    for row, other in zip(rows, table.to_pylist(), strict=True):
        for name, value in other.items():
            assert row[name] == ("" if value is None else str(value)), name
    assert rows[1]["rounds_to_eject_p95"] == "inf"
    assert rows[2]["sentence"] == "It broke."


def _with_fairness(outcome, **told):
    summary = outcome.result.summary
    outcome.result.__dict__["summary"] = summary.model_copy(update={"fairness": Fairness(**told)})
    return outcome


def test_how_the_honest_fared_is_measured_and_held_against_the_cell_without_a_defence(swept):
    sizes = {"a": 8, "b": 1, "c": 1}
    found = measure(
        [
            _with_fairness(
                swept("zero", labels={"defence": "by_samples"}),
                updates=20,
                refused=3,
                first_updates=4,
                first_refused=1,
                suspended=7,
                pay={"a": "6", "b": "2", "c": "1"},
                samples=sizes,
            ),
            _with_fairness(
                swept("zero", labels={"defence": "by_samples_undefended"}),
                pay={"a": "9", "b": "3", "c": "3"},
                samples=sizes,
            ),
        ]
    )
    values = found[0].values
    assert (values["refused_rate"], values["refused_rate_first"]) == (0.15, 0.25)
    assert values["false_suspension_rate"] == 1.0
    assert (values["least_pay"], values["best_pay"], values["equal_pay"]) == pytest.approx((1 / 3, 2, 2))
    assert values["smallest_pay_kept"] == 0.5
    assert found[1].values["smallest_pay_kept"] is None
    assert found[1].values["refused_rate"] is None


def test_the_last_round_is_held_against_the_first_and_tells_the_honest_from_the_others(swept):
    told = swept("zero", honest=4, rounds_to_eject=(None, 3))
    summary = told.result.summary
    last = summary.rounds[-1].model_copy(update={"tokens": {"good-0": "3", "good-1": "2", "bad-0": "1"}})
    rounds = (summary.rounds[0].model_copy(update={"tokens": {"good-0": "30", "bad-0": "30"}}), last)
    told.result.__dict__["summary"] = summary.model_copy(update={"rounds": rounds})
    values = measure([told])[0].values
    assert values["last_round_pay"] == pytest.approx(0.1)
    assert values["last_paid_honest"] == 0.5
    assert values["last_reward_share"] == pytest.approx(1 / 6)


def test_pay_is_ranked_against_the_samples_with_right_labels(swept):
    told = _with_fairness(
        swept("none", honest=3), pay={"a": "5", "b": "9", "c": "3"}, samples={"a": 10, "b": 10, "c": 10}
    )
    participants = told.result.summary.participants
    who = next(iter(participants.values()))
    paid = {
        name: who.model_copy(update={"tokens": amount}) for name, amount in zip("abc", "593", strict=True)
    }
    told.result.__dict__["summary"] = told.result.summary.model_copy(update={"participants": paid})
    trainers = (Trainers(name="a", flipped=0.5), Trainers(name="b"), Trainers(name="c"))
    population = told.cell.scenario.population.model_copy(update={"trainers": trainers})
    told.cell.__dict__["scenario"] = told.cell.scenario.model_copy(update={"population": population})
    # b is worth more than a and paid more, c is worth more and paid less; b and c are worth the same
    assert measure([told])[0].values["quality_correlation"] == 0
