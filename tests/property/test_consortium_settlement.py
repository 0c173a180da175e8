# SPDX-License-Identifier: Apache-2.0
"""A consortium's settlement: its laws, and what a minority of dishonest judges can do to it.

That the contract settles to the same numbers is in ``tests/chain/test_consortium_settlement.py``.
"""

from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from bcfl.contracts.settlement import FRACTION_UNIT, credit, evaluation_pays, majority_probe, settle, withheld

LIMIT = 2**63 - 1
PASSES = 3
scores = st.integers(0, 1000) | st.integers(-LIMIT - 1, LIMIT) | st.integers(-2, 2)


@st.composite
def rounds(draw, least=2, most=10):
    """Targets and vectors: of members who are targets and of some who are not."""
    members = draw(st.integers(least, most))
    targets = sorted(draw(st.sets(st.integers(0, members - 1))))
    judges = sorted(draw(st.sets(st.integers(0, members - 1))))
    vectors = {judge: {target: draw(scores) for target in targets if target != judge} for judge in judges}
    return targets, vectors


def _renamed(targets, vectors, names):
    return (
        sorted(names[target] for target in targets),
        {
            names[judge]: {names[target]: score for target, score in vector.items()}
            for judge, vector in vectors.items()
        },
    )


@given(rounds(), st.permutations(range(10)))
def test_who_has_which_index_changes_nothing(case, names):
    targets, vectors = case
    settled, again = settle(targets, vectors), settle(*_renamed(targets, vectors, names))
    assert again.fractions == {names[target]: part for target, part in settled.fractions.items()}
    assert again.scores == {names[target]: part for target, part in settled.scores.items()}
    assert again.distances == {names[judge]: part for judge, part in settled.distances.items()}


@given(rounds())
def test_fractions_sum_to_one_but_for_what_is_rounded_down(case):
    targets, vectors = case
    settled = settle(targets, vectors)
    assert list(settled.fractions) == targets
    assert all(part >= 0 for part in settled.fractions.values())
    whole = sum(settled.fractions.values())
    assert whole == 0 or 0 <= FRACTION_UNIT - whole < len(targets)
    assert 0 <= sum(settled.scores.values()) <= 10**9


@given(rounds())
def test_distances_are_those_of_two_distributions(case):
    targets, vectors = case
    settled = settle(targets, vectors)
    assert settled.distances.keys() == vectors.keys()
    # Each side is at most 1 − p of the judge itself.
    for judge, distance in settled.distances.items():
        left = FRACTION_UNIT - settled.fractions.get(judge, 0)
        assert 0 <= distance <= 2 * left


@given(rounds(), st.integers(0, 10), st.integers(2, 1000))
def test_only_a_judge_s_ratios_count(case, place, factor):
    targets, vectors = case
    assume(vectors and targets)
    judge = sorted(vectors)[place % len(vectors)]
    assume(all(abs(score) * factor <= LIMIT for score in vectors[judge].values()))
    louder = {target: score * factor for target, score in vectors[judge].items()}
    assert settle(targets, {**vectors, judge: louder}) == settle(targets, vectors)
    silenced = {target: max(score, 0) for target, score in vectors[judge].items()}
    assert settle(targets, {**vectors, judge: silenced}) == settle(targets, vectors)


def _middle(values):
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _reachable(members, honest):
    """Bounds of every member's fraction after three passes, whatever those say who are not in ``honest``.

    ``honest``: by honest judge its shares of the others. A median with a minority of arbitrary values lies within
    the others' range; the parts of the pass before, which scale the vectors, are within the bounds before.
    """
    low, high = [dict.fromkeys(members, Fraction(0)) for _ in range(2)]
    for _ in range(PASSES):
        values = {
            target: [
                (given[target] * (1 - high[judge]), given[target] * (1 - low[judge]))
                for judge, given in honest.items()
                if judge != target
            ]
            for target in members
        }
        least = {target: min(pair[0] for pair in pairs) for target, pairs in values.items()}
        most = {target: max(pair[1] for pair in pairs) for target, pairs in values.items()}
        low, high = {}, {}
        for target in members:
            others_least = sum(least.values()) - least[target]
            others_most = sum(most.values()) - most[target]
            low[target] = (
                Fraction(least[target], least[target] + others_most) if least[target] else Fraction(0)
            )
            high[target] = (
                Fraction(most[target], most[target] + others_least) if most[target] else Fraction(0)
            )
    return low, high


@given(st.data())
def test_a_minority_of_judges_cannot_carry_a_member_beyond_what_the_others_say(data):
    count = data.draw(st.integers(4, 10))
    members = list(range(count))
    dishonest = data.draw(st.sets(st.sampled_from(members), max_size=(count - 2) // 2))
    true = [data.draw(st.integers(50, 200)) for _ in members]
    vectors, honest = {}, {}
    for judge in members:
        others = [target for target in members if target != judge]
        if judge in dishonest:
            vectors[judge] = {target: data.draw(scores) for target in others}
            continue
        # Honest judges differ: each saw other samples.
        seen = {target: true[target] * data.draw(st.integers(90, 110)) for target in others}
        vectors[judge] = {target: value * 10**6 for target, value in seen.items()}
        whole = sum(seen.values())
        honest[judge] = {target: Fraction(value, whole) for target, value in seen.items()}
    fractions = settle(members, vectors).fractions
    low, high = _reachable(members, honest)
    rounding = Fraction(1, 10**7)  # shares are kept in 10⁻⁹
    for member in members:
        assert low[member] - rounding <= Fraction(fractions[member], FRACTION_UNIT) <= high[member] + rounding


@given(st.data())
def test_the_median_of_one_pass_ignores_a_minority_where_the_others_agree(data):
    judges = data.draw(st.integers(1, 9))
    honest = {0: 3, 1: 2, 2: 5}
    vectors = {10 + judge: honest for judge in range(judges)}
    minority = data.draw(st.sets(st.sampled_from(sorted(vectors)), max_size=(judges - 1) // 2))
    arbitrary = {judge: {target: data.draw(scores) for target in honest} for judge in minority}
    settled = settle((0, 1, 2), {**vectors, **arbitrary})
    assert settled.fractions == {0: 3 * 10**17, 1: 2 * 10**17, 2: 5 * 10**17}
    assert all(settled.distances[judge] == 0 for judge in vectors.keys() - minority)


@given(
    rounds(),
    st.lists(st.sampled_from([b"a" * 32, b"b" * 32, b"c" * 32]), min_size=10, max_size=10),
    st.integers(0, 2**50),
    st.integers(1, 2 * 10**9),
    st.integers(0, 2**50),
)
def test_judges_are_paid_at_most_their_part_and_nothing_for_another_probe(
    case, digests, pool, tolerance, escrow
):
    settled = settle(*case)
    probes = {judge: digests[judge] for judge in settled.distances}
    pays = evaluation_pays(settled, probes, pool=pool, cohort=10, tolerance=tolerance, escrow=escrow)
    agreed = majority_probe(probes)
    assert list(pays) == sorted(probes)
    assert sum(pays.values()) <= min(pool, escrow)
    for judge, pay in pays.items():
        assert 0 <= pay <= pool // 10
        if probes[judge] != agreed or settled.distances[judge] >= tolerance * 10**9:
            assert pay == 0
    free = evaluation_pays(settled, probes, pool=pool, cohort=10, tolerance=tolerance, escrow=2**60)
    paid = [(settled.distances[judge], free[judge]) for judge in free if probes[judge] == agreed]
    assert [pay for _, pay in sorted(paid, key=lambda one: (one[0], -one[1]))] == sorted(
        (pay for _, pay in paid), reverse=True
    ), "who is nearer is not paid less"


@given(rounds(), st.integers(0, 2**56), st.sets(st.integers(0, 9)))
def test_forfeiters_take_nothing_and_leave_the_others_theirs(case, total, forfeiters):
    settled = settle(*case).scores
    shares = dict(zip(settled, credit(list(settled.values()), total), strict=True))
    left = withheld(shares, forfeiters)
    assert sum(left.values()) <= total
    for index, share in left.items():
        assert share == (0 if index in forfeiters else shares[index])
