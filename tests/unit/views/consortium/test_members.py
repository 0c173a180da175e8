# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from bcfl.scenarios.definition.schema import Data, NamedEntry
from bcfl.scenarios.outcome.summary import Performance
from bcfl.views.consortium.members import (
    HOSPITALS,
    MEMBERS,
    Gain,
    contribution_words,
    everywhere_words,
    gain_of,
    gain_words,
    most_words,
    ranking_words,
    right,
    tokens_of,
    vocabulary_of,
)

TOKEN = 10**18


def performance(right, samples, auroc=0.8, loss=0.5):
    return Performance(accuracy=right / samples, auroc=auroc, loss=loss, samples=samples)


@pytest.mark.parametrize(
    ("together", "told"),
    [
        (95, "Of 100 patients of its own it gets 74 right alone, 95 with the consortium's model: 21 more."),
        (
            78,
            "Of 100 patients of its own it gets 74 right alone, 78 with the consortium's model: 4 more, which may be chance.",
        ),
        (
            73,
            "Of 100 patients of its own it gets 74 right alone, 73 with the consortium's model: 1 fewer, which may be chance.",
        ),
        (40, "Of 100 patients of its own it gets 74 right alone, 40 with the consortium's model: 34 fewer."),
        (74, "Of 100 patients of its own it gets 74 right alone, 74 with the consortium's model: as many."),
    ],
)
def test_gain_loss_and_tie_are_counted(member, together, told):
    assert gain_words(member(alone=74, together=together), HOSPITALS) == told


def test_a_real_difference_is_twice_what_two_independent_counts_differ_by():
    # of 100, about one half right: each count has a standard deviation of 5, their difference of 6.95
    assert Gain(alone=50, together=63, of=100).may_be_chance
    assert not Gain(alone=50, together=64, of=100).may_be_chance
    assert not Gain(alone=50, together=50, of=100).may_be_chance


def test_without_a_baseline_nothing_is_claimed(member):
    told = gain_words(_without_alone(member), HOSPITALS)
    assert told == (
        "Of 100 patients of its own the consortium's model gets 78 right; what training alone would give was not measured."
    )
    assert gain_of(_without_alone(member)) is None
    assert ranking_words(_without_alone(member), HOSPITALS) == ""


def _without_alone(member):
    return member().model_copy(update={"alone": None})


def test_what_is_the_same_for_all_members_is_not_said_of_each(member):
    everybodys = _without_alone(member).model_copy(update={"own_test": False})
    assert gain_words(everybodys, MEMBERS) == ""
    nothing = everybodys.model_copy(update={"federated": None})
    assert gain_words(nothing, MEMBERS) == ""


def test_without_owners_the_words_are_neutral(member):
    told = gain_words(member(own_test=False), MEMBERS)
    assert told.startswith("Of 100 test samples it gets 74 right alone")
    assert "patient" not in told + ranking_words(member(own_test=False), MEMBERS)


def test_hospitals_are_called_that_only_where_each_has_patients_of_its_own(hospitals, consortium, member):
    summary = consortium()
    assert vocabulary_of(hospitals, summary) is HOSPITALS
    digits = hospitals.model_copy(update={"data": Data(dataset=NamedEntry(name="mnist"))})
    assert vocabulary_of(digits, summary) is MEMBERS
    mixed = {**summary.members, "m-0": member(own_test=False)}
    assert vocabulary_of(hospitals, summary.model_copy(update={"members": mixed})) is MEMBERS


def test_an_accuracy_on_another_number_of_samples_is_not_counted():
    assert right(0.8264642, 461) == 381
    assert right(0.5, 461) is None
    assert right(None, 461) is None


def test_pairs_are_told_apart_in_so_many_of_a_hundred(member):
    assert ranking_words(member(), HOSPITALS) == (
        "Shown a sick and a healthy patient, it tells which is which in 67 of 100 pairs alone, in 66 with the consortium's model."
    )
    same = member(alone=74, federated=performance(78, 100, auroc=0.671))
    assert ranking_words(same, HOSPITALS).endswith(
        "in 67 of 100 pairs, alone and with the consortium's model."
    )


def test_almost_all_pairs_are_not_all(member):
    told = ranking_words(member(federated=performance(78, 100, auroc=0.998)), HOSPITALS)
    assert "in more than 99 with the consortium's model" in told
    perfect = ranking_words(member(federated=performance(78, 100, auroc=1.0)), HOSPITALS)
    assert "in 100 with" in perfect


def test_a_test_set_of_one_class_has_no_pairs(member):
    one_class = {key: performance(9, 10, auroc=None) for key in ("alone", "federated")}
    told = ranking_words(member().model_copy(update=one_class), HOSPITALS)
    assert told == (
        "Whether it tells a sick and a healthy patient apart cannot be said: its 10 patients are all of one kind."
    )


def test_a_broken_model_is_not_taken_for_patients_of_one_kind(member):
    broken = performance(50, 100, auroc=None, loss=None)
    told = ranking_words(member().model_copy(update={"alone": broken}), HOSPITALS)
    assert "its own model cannot tell which is which: training broke down" in told
    both = member().model_copy(update={"alone": broken, "federated": broken})
    assert ranking_words(both, HOSPITALS) == "Neither model can be used: training broke down."


def test_everybodys_samples_are_told_beside_ones_own(member, consortium):
    summary = consortium()
    final = summary.final.model_copy(update={"accuracy": 381 / 461})
    summary = summary.model_copy(update={"final": final})
    told = everywhere_words(member(alone_on_all=performance(255, 461)), summary, HOSPITALS)
    assert told == (
        "Of the 461 patients of all hospitals its own model gets 255 right, the consortium's 381: 126 more."
    )
    assert everywhere_words(member(), summary, HOSPITALS) == ""
    assert (
        everywhere_words(member(own_test=False, alone_on_all=performance(255, 461)), summary, MEMBERS) == ""
    )


@pytest.mark.parametrize(
    ("share", "told"),
    [(None, "–"), (0.0, "nothing"), (0.004, "under 1%"), (0.193, "19%"), (1.0, "100%")],
)
def test_contributions_have_no_false_precision(member, share, told):
    assert contribution_words(member(contribution=share)) == told


def test_tokens_are_split_into_training_and_judging(member):
    credited = member(training_tokens=str(15 * TOKEN // 10), judging_tokens=str(TOKEN // 4))
    assert tokens_of(credited) == {"all": "1.75", "training": "1.50", "judging": "0.25"}


def test_differences_in_words():
    assert [most_words(Gain(alone=5, together=t, of=2000)) for t in (5, 6, 3, 1305)] == [
        "as many",
        "1 more",
        "2 fewer",
        "1,300 more",
    ]
