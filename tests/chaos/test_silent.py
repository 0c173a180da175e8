# SPDX-License-Identifier: Apache-2.0
"""Members that say nothing any more (SIGSTOP), with all connections open: nobody waits for them past a deadline."""

import pytest

from bcfl.contracts.phases import Phase

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]


def test_one_of_four_falls_silent_between_commitment_and_opening(
    chain, consortium, timely, agreed, losses, paid
):
    run = consortium(members=4, rounds=3)
    run.start(*run.names)
    run.reached(1, Phase.AGGREGATION)
    with chain.held():
        run.about_to("commit", 2, "dora")
        run.stop("dora")
    run.silent = {"dora"}
    run.completed()
    others = run.names[:3]
    assert set(run.ended(*others).values()) == {0}
    # what it had promised and did not open, then what it did not begin
    assert timely() == [Phase.REVEAL, Phase.EVALUATION, Phase.TRAINING, Phase.EVALUATION, Phase.CLOSING]
    agreed(run, others, every_round=others)
    assert losses(run) == {("dora", "stake", 2)}
    paid(run)  # also who is not there to ask for it


@pytest.mark.thorough
def test_two_of_five_fall_silent_and_one_wakes_when_all_is_over(
    chain, consortium, timely, agreed, losses, paid
):
    run = consortium(members=5, rounds=3)
    run.start(*run.names)
    run.reached(1, Phase.AGGREGATION)
    with chain.held():
        run.about_to("commit", 2, "dora")
        run.stop("dora")
        run.silent = {"dora"}
        run.about_to("commit_scores", 2, "emil")
        run.stop("emil")
        run.silent = {"dora", "emil"}
    run.completed()
    others = run.names[:3]
    assert set(run.ended(*others).values()) == {0}
    assert timely() == [
        Phase.REVEAL, Phase.EVALUATION, Phase.SCORE_REVEAL, Phase.TRAINING, Phase.EVALUATION, Phase.CLOSING,
    ]  # fmt: skip
    run.wake("emil")
    assert run.ended("emil") == {"emil": 0}
    agreed(run, (*others, "emil"), every_round=others)
    assert losses(run) == {("dora", "stake", 2), ("emil", "bond", 2)}
    paid(run)
