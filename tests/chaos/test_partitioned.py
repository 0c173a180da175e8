# SPDX-License-Identifier: Apache-2.0
"""Members that lose their node: connections are reset and refused, or nothing comes through any more, and it heals."""

import pytest

from bcfl.contracts.phases import Phase

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]

OUTAGE_S = 4


@pytest.mark.thorough  # tests/e2e/test_interruption.py takes a node away from a run
def test_one_then_two_of_five_lose_their_node_and_find_it_again(
    chain, consortium, relays, timely, agreed, losses, paid
):
    run = consortium(members=5, rounds=3)
    relay = {"ben": relays(), "emil": relays()}
    for name in run.names:
        run.start(name, url=relay[name].url if name in relay else None)
    run.reached(1, Phase.TRAINING)
    # one is cut off between commitment and opening
    with chain.held():
        run.about_to("commit", 1, "ben")
        relay["ben"].cut()
    run.reached(1, Phase.REVEAL)
    run.any_time(OUTAGE_S)
    relay["ben"].heal()
    # nothing comes through to two between judging and opening
    run.reached(1, Phase.AGGREGATION)
    with chain.held():
        run.about_to("commit_scores", 2, *relay)
        for one in relay.values():
            one.hang()
    run.reached(2, Phase.SCORE_REVEAL)
    run.any_time(OUTAGE_S)
    relay["emil"].cut()  # it finds its connection gone, the other's goes on
    for one in relay.values():
        one.heal()
    # two are cut off from Aggregation to the end of the next Training
    with chain.held():
        run.reached(2, Phase.AGGREGATION, mining=True)
        for one in relay.values():
            one.cut()
    run.silent = set(relay)
    run.reached(3, Phase.REVEAL)
    run.silent = set()
    for one in relay.values():
        one.heal()
    run.completed()
    assert set(run.ended(*run.names, "host").values()) == {0}
    assert all(run.warned(name, "connection_lost") >= 2 for name in relay)
    assert timely() == [Phase.TRAINING, Phase.CLOSING]
    agreed(run, run.names)
    assert losses(run) == set()
    paid(run)
    last = chain.task.rounds[3]
    away = {run.index(name) for name in relay}
    assert away.isdisjoint(last.commitments)
    assert away <= set(last.vectors)  # back in time to judge
