# SPDX-License-Identifier: Apache-2.0
"""When an aggregator that the publisher has named acts, and on what."""

from __future__ import annotations

import dataclasses

from bcfl.agents.crowdsourcing.aggregator import BuildModel, decide
from bcfl.agents.runtime.actions import View
from bcfl.contracts import calls
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Phase

ME = Address(f"0x{0xA6:040x}")
OTHER = Address(f"0x{0xA7:040x}")


def _wants(seen, results=(), *, final=None, me=ME):
    return decide(View(seen=seen, final=final, now=0), me, dict(results))


def _evaluated(story, **options):
    """A round of two whose evaluation stands, and whose model is missing."""
    tale = story(aggregator=ME, **options).enrol(2).start().commit(0, 1).phase(Phase.REVEAL)
    tale.submit(0, "a").submit(1, "b").phase(Phase.EVALUATION)
    return tale.evaluate([10, 20], 30).phase(Phase.AGGREGATION)


def test_it_builds_the_model_of_an_evaluated_round_and_names_it_once_that_is_final(story, content):
    state = _evaluated(story).state
    (work,) = _wants(state, final=state)
    assert isinstance(work, BuildModel)
    assert (work.round, work.start, work.report) == (1, state.current.start_model, state.current.report)
    assert work.scores == ((0, 10), (1, 20))
    model = content("model")
    assert _wants(state, {work: model}, final=None) == [work]
    before = dataclasses.replace(state, phase=Phase.EVALUATION)
    assert _wants(state, {work: model}, final=before) == [work]
    kept, named = _wants(state, {work: model}, final=state)
    assert kept == work
    assert (named.round, named.name) == (1, "submit_model")
    assert named.call == calls.submit_model(state.address, round_number=1, model=model)


def test_it_rests_in_every_other_phase(story):
    tale = story(aggregator=ME).enrol(2).start()
    assert _wants(tale.state) == []
    for phase in (Phase.REVEAL, Phase.EVALUATION, Phase.CLOSING):
        tale.phase(phase)
        assert _wants(tale.state) == []
    assert _wants(None) == []


def test_nobody_else_acts_for_it_and_it_acts_in_no_task_of_another(story):
    assert _wants(_evaluated(story).state, me=OTHER) == []


def test_the_same_round_with_other_scores_is_another_work(story):
    """After a reorganisation the evaluation may be another one."""
    tale = _evaluated(story)
    (work,) = _wants(tale.state)
    scores = {**tale.state.current.scores, 0: 11}
    record = dataclasses.replace(tale.state.current, scores=scores)
    (again,) = _wants(dataclasses.replace(tale.state, rounds={**tale.state.rounds, 1: record}))
    assert again != work
