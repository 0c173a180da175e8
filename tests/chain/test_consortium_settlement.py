# SPDX-License-Identifier: Apache-2.0
"""Rounds of consortia as hypothesis draws them, on a real anvil: settled and folded in Python to the last unit.

``played_consortium.py`` compares each ``ScoresSettled`` with ``contracts.settlement``; here, after each round, the
folded state is compared with all of the task's views.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Step
from hypothesis import strategies as st

from bcfl.contracts.phases import Phase

_spec = importlib.util.spec_from_file_location(
    "bcfl_test_played_consortium", Path(__file__).with_name("played_consortium.py")
)
_played = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_played)
GENESIS, PROBE, ConsortiumStage, content = (
    _played.GENESIS,
    _played.PROBE,
    _played.ConsortiumStage,
    _played.content,
)

pytestmark = pytest.mark.anvil

MOST = 16
LIMIT = 2**63
ROUNDS = 3
OTHER_PROBE = b"\x06" * 32


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How a member judges: ``says`` of each member; ``commits`` and ``opens`` or is silent."""

    says: tuple[int, ...]
    commits: bool
    opens: bool
    probe: bytes


@dataclass(frozen=True, kw_only=True)
class Round:
    """``copies``: by member, whose content it sends too (own: none; -1: genesis); ``models``: what it votes for."""

    trains: tuple[bool, ...]
    opens: tuple[bool, ...]
    copies: tuple[int, ...]
    judges: tuple[Judge, ...]
    models: tuple[str | None, ...]


mostly = st.sampled_from([True] * 9 + [False])
drawn_scores = st.one_of(
    st.integers(0, 10**9),
    st.just(0),
    st.integers(-(10**9), 10**9),
    st.integers(-LIMIT, LIMIT - 1),
    st.just(LIMIT - 1),
)


@st.composite
def judges(draw, members, truth, probes):
    manner = draw(st.sampled_from(["near", "near", "near", "any", "nothing", "one"]))
    if manner == "near":
        factors = draw(st.lists(st.integers(90, 110), min_size=members, max_size=members))
        says = [value * factor for value, factor in zip(truth, factors, strict=True)]
    elif manner == "any":
        says = draw(st.lists(drawn_scores, min_size=members, max_size=members))
    else:
        friend = draw(st.integers(0, members - 1)) if manner == "one" else None
        says = [LIMIT - 1 if index == friend else 0 for index in range(members)]
    return Judge(
        says=tuple(says),
        commits=draw(mostly),
        opens=draw(mostly),
        probe=draw(st.sampled_from(probes)),
    )


@st.composite
def rounds(draw, members):
    def each(strategy):
        return tuple(draw(st.lists(strategy, min_size=members, max_size=members)))

    truth = each(st.integers(0, 10**7))
    someone = st.integers(-1, members - 1)
    probes = draw(st.sampled_from([[PROBE] * 5 + [OTHER_PROBE], [PROBE, OTHER_PROBE]]))
    return Round(
        trains=each(mostly),
        opens=each(mostly),
        copies=tuple(
            draw(someone) if copies else index
            for index, copies in enumerate(each(mostly.map(lambda x: not x)))
        ),
        judges=tuple(draw(judges(members, truth, probes)) for _ in range(members)),
        models=each(st.sampled_from(["agreed"] * 6 + ["other", None])),
    )


@st.composite
def tasks(draw):
    members = draw(st.integers(2, 10) | st.just(MOST))
    round_budget = draw(st.sampled_from([1, 7, 10**8, 10**8 + 7]))
    pool = draw(st.sampled_from([0, 1, 5 * 10**7, 5 * 10**7, 10**8 + 3, 10**8 + 3]))
    options = {
        "founders": members,
        "round_budget": round_budget,
        "evaluation_pool": pool,
        "tolerance": draw(st.sampled_from([1, 10**8, 5 * 10**8, 10**9, 3 * 10**9])),
        "vesting_rounds": draw(st.integers(0, 3)),
        "stake": draw(st.sampled_from([0, 3_000])),
        "bond": draw(st.sampled_from([0, 5_000, 10**8])),
        "budget": (round_budget + pool) * ROUNDS + draw(st.sampled_from([0, 11])),
        "rounds": ROUNDS,
        "unique_digests": draw(mostly),
        "commit_reveal": True,
        "min_trainers": 1,
    }
    aggregator = draw(st.sampled_from([None, None, members - 1]))
    return options, aggregator, [draw(rounds(members)) for _ in range(ROUNDS)]


async def _play(stage, plan, aggregator, number):
    """One round as planned, as far as it comes."""
    members = range(len(plan.judges))
    own = {index: content(f"update {stage.task} {number} {index}") for index in members}
    updates = {
        index: GENESIS if plan.copies[index] < 0 else own[plan.copies[index]]
        for index in members
        if plan.trains[index]
    }
    if not updates:
        return await stage.advance()
    await stage.commit(updates)
    opened = {index: update for index, update in updates.items() if plan.opens[index]}
    await stage.must_in(Phase.REVEAL)
    if not opened:
        return await stage.advance()
    await stage.reveal(opened)
    await stage.must_in(Phase.EVALUATION)
    targets = stage.state.current.targets
    vectors = {
        index: tuple(judge.says[target] for target in targets if target != index)
        for index, judge in enumerate(plan.judges)
    }
    probes = {index: judge.probe for index, judge in enumerate(plan.judges)}
    silent = {index for index, judge in enumerate(plan.judges) if not judge.commits}
    sealed = {index: vector for index, vector in vectors.items() if index not in silent}
    await stage.commit_scores(sealed, probes)
    if len(sealed) > len(members) // 2:
        opened = {index: vector for index, vector in sealed.items() if plan.judges[index].opens}
        await stage.reveal_scores(opened, probes)
        assert stage.state.current.vectors == {
            judge: dict(zip([one for one in targets if one != judge], vector, strict=True))
            for judge, vector in opened.items()
        }
    return await _agree(stage, plan, aggregator)


async def _agree(stage, plan, aggregator):
    votes = {index: model for index, model in enumerate(plan.models) if model}
    if aggregator is not None:
        proposed = plan.models[aggregator]
        votes = {index: model for index, model in votes.items() if model == proposed}
        votes = {index: votes[index] for index in sorted(votes, key=lambda one: one != aggregator)}
    needed = len(plan.models) // 2 + 1
    cast = {}
    for index, model in votes.items():
        cast[index] = f"model {stage.task} {stage.state.round} {model}"
        if list(cast.values()).count(cast[index]) == needed:
            return await stage.vote_model(cast)
    await stage.vote_model(cast)
    return await stage.advance()


@pytest_asyncio.fixture
async def stage(node):
    opened = await ConsortiumStage.open(node, people=MOST + 1)
    opened.thorough = False  # all views after a round, not after each of its blocks
    return opened


@pytest.mark.asyncio
@settings(
    max_examples=12,
    deadline=None,
    # One anvil for all examples; and a failure is told as it was drawn: to make it small would take minutes.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Step.explicit, Step.generate],
)
@given(task=tasks())
async def test_whole_rounds_settle_as_python_settles_them(stage, task):
    options, aggregator, plans = task
    if aggregator is not None:
        options = {**options, "aggregator": stage.people[aggregator + 1].address}
    await stage.create(**options)
    await stage.enrol()
    for number, plan in enumerate(plans, 1):
        assert stage.state.round == number
        await _play(stage, plan, aggregator, number)
        assert stage.state.rounds[number].finalized
        await stage.compare_now()
        if stage.state.ended:
            break
    else:
        assert stage.state.phase is Phase.CLOSING
        await stage.advance()
    await stage.settle()
    await stage.compare_now()
