# SPDX-License-Identifier: Apache-2.0
"""The process of publisher and keeper is killed: members go on by themselves, and deadlines wait for another keeper."""

import pytest

from bcfl.contracts.phases import Phase

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]


def test_members_go_on_without_a_keeper_until_a_deadline_needs_one(
    chain, consortium, timely, agreed, losses, paid
):
    run = consortium(members=4, rounds=3)
    run.start(*run.names)
    run.reached(1, Phase.TRAINING)
    run.kill("host")
    run.reached(1, Phase.AGGREGATION)  # nobody was missing, so nobody had to move the task on
    with chain.held():
        run.about_to("commit_scores", 2, "dora")
        run.stop("dora")
    run.silent = {"dora"}
    run.reached(2, Phase.SCORE_REVEAL)
    run.until(lambda: chain.now > chain.task.deadline + 2, "the deadline passes")
    assert chain.is_in(2, Phase.SCORE_REVEAL)
    run.start_together("publisher", "keeper")  # one process again, of the same journals
    run.reached(3, Phase.TRAINING)
    run.silent = set()
    run.wake("dora")
    run.completed()
    assert set(run.ended(*run.names, "publisher").values()) == {0}
    timely(apart_from=[(2, Phase.SCORE_REVEAL)])
    agreed(run, run.names)
    assert losses(run) == {("dora", "bond", 2)}
    paid(run)
