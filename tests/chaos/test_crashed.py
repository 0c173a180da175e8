# SPDX-License-Identifier: Apache-2.0
"""Members that are killed (SIGKILL) and started again: their journals know what they had promised."""

import random

import pytest

from bcfl.contracts.phases import Phase

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]


def killed_after_their_commitments(chain, run, victims):
    """In round 1 those to their updates, in round 2 those to their scores; and up to the end of Training in round 3."""
    run.reached(1, Phase.TRAINING)
    with chain.held():
        run.about_to("commit", 1, *victims)
        run.kill(*victims)
    run.reached(1, Phase.REVEAL)
    run.start(*victims)
    run.reached(1, Phase.AGGREGATION)
    with chain.held():
        run.about_to("commit_scores", 2, *victims)
        run.kill(*victims)
    run.reached(2, Phase.SCORE_REVEAL)
    run.start(*victims)


def test_one_of_four(chain, consortium, timely, agreed, losses, paid):
    run = consortium(members=4, rounds=4)
    run.start(*run.names)
    killed_after_their_commitments(chain, run, ["cleo"])
    run.reached(2, Phase.AGGREGATION)
    with chain.held():
        run.about_to("reveal_scores", 3, "cleo")
        run.kill("cleo")
        run.stop("dora")  # so that it takes cleo's vote
    run.reached(3, Phase.AGGREGATION)
    run.start("cleo")
    run.until(lambda: run.index("cleo") in chain.task.rounds[3].model_votes, "cleo votes")
    run.wake("dora")
    run.reached(4, Phase.TRAINING)
    run.any_time(random.Random(1).uniform(0, 5))  # noqa: S311 - when, not what
    run.kill("cleo")
    run.start("cleo")
    run.completed()
    assert set(run.ended(*run.names, "host").values()) == {0}
    timely()
    agreed(run, run.names)
    assert losses(run) == set()
    paid(run)


@pytest.mark.thorough
def test_two_of_five(chain, consortium, timely, agreed, losses, paid):
    run = consortium(members=5, rounds=3)
    victims = ["ben", "emil"]
    run.start(*run.names)
    killed_after_their_commitments(chain, run, victims)
    run.reached(2, Phase.AGGREGATION)
    moments = random.Random(2)  # noqa: S311 - when, not what
    for victim in victims:
        run.any_time(moments.uniform(0, 2.5))
        run.kill(victim)
    run.start(*victims)
    run.completed()
    assert set(run.ended(*run.names, "host").values()) == {0}
    timely()
    agreed(run, run.names)
    assert losses(run) == set()
    paid(run)
