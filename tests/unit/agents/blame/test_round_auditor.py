# SPDX-License-Identifier: Apache-2.0
"""An auditor that lives: a crowd's rounds with real training and a dishonest judge now and then, a consortium's model that was not the updates'."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from bcfl import registry
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.consortium.member_round import MemberRounds
from bcfl.agents.hosting.auditing import AuditorProgram
from bcfl.agents.hosting.observing.complaints import Complaints
from bcfl.agents.hosting.programs import OpenTask
from bcfl.agents.hosting.round_auditor import AuditedRounds, AuditRound, RoundAuditor, next_round
from bcfl.agents.runtime.actions import View
from bcfl.contracts.consortium_state import ConsortiumRound, ConsortiumState
from bcfl.contracts.phases import Phase
from bcfl.contracts.scores import SCORE_UNIT


class Heard:
    """What an auditor says, by round."""

    def __init__(self):
        self.findings = {}

    def decided(self, *, agent, role, name, round_number, evidence):
        assert (agent, role, name) == ("watch", "auditor", "audited")
        self.findings[round_number] = list(evidence["findings"])


def services(made, heard, folder=None):
    return SimpleNamespace(
        engine=made.engine,
        retrieval=Retrieval(made.store),
        observer=heard,
        task_folder=lambda task: None if folder is None else folder / task,
    )


async def audited(auditor, state):
    """All that it wants, one round after the other; which rounds those were."""
    numbers = []
    view = View(seen=state, final=state, now=0)
    while wanted := auditor.decide(view, {}):
        (work,) = wanted
        assert isinstance(work, AuditRound)
        await auditor.perform(work)
        numbers.append(work.round)
    return numbers


@pytest.mark.asyncio
async def test_of_a_crowd_s_rounds_the_one_whose_model_is_another_is_found(crowd, tmp_path):
    async with crowd(trainers=4, defence="pipeline") as made:
        for number in (1, 2, 3):
            judge = registry.create("judge", "equivocator", {"noise": 0.1}) if number == 2 else None
            await (made.round(judge) if judge is not None else made.round())
        heard = Heard()
        done = AuditedRounds(tmp_path / "audited")
        auditor = RoundAuditor(name="watch", done=done, secret=b"s" * 32, services=services(made, heard))
        assert await audited(auditor, made.state) == [1, 2, 3]
        assert heard.findings == {1: [], 2: ["model_mismatch"], 3: []}
        # an earlier life has audited them
        again = RoundAuditor(
            name="watch",
            done=AuditedRounds(tmp_path / "audited"),
            secret=b"s" * 32,
            services=services(made, heard),
        )
        assert await audited(again, made.state) == []
        await made.round()
        assert await audited(again, made.state) == [4]


@pytest.mark.asyncio
async def test_honest_sanctions_long_ago_are_not_held_against_the_evaluator(crowd):
    """Whoever comes late sees later standings than those of the round."""
    async with crowd(trainers=5, defence="pipeline") as made:
        for _ in range(2):
            await made.round(updates={0: b"no update"})
        first = made.state.rounds[1]
        assert first.suspended or made.state.rounds[2].suspended
        for _ in range(3):
            await made.round()
        # it was suspended again, for other rounds, by an evaluation that came later
        index = (first.suspended or made.state.rounds[2].suspended)[0]
        members = {
            **made.state.members,
            index: dataclasses.replace(made.state.members[index], suspended_until=99),
        }
        state = dataclasses.replace(made.state, members=members)
        heard = Heard()
        auditor = RoundAuditor(
            name="watch", done=AuditedRounds(None), secret=b"s" * 32, services=services(made, heard)
        )
        await audited(auditor, state)
        assert set(map(tuple, heard.findings.values())) == {()}


@pytest.mark.asyncio
async def test_a_consortium_s_model_is_computed_again(crowd):
    async with crowd(trainers=3) as made:
        await made.round()
        played, config = made.state.rounds[1], made.state.config
        record = ConsortiumRound(
            number=1,
            start_model=played.start_model,
            cohort=played.cohort,
            updates=played.updates,
            scores=dict.fromkeys(played.cohort, SCORE_UNIT),
        )
        rounds = MemberRounds(engine=made.engine, retrieval=Retrieval(made.store), held_out="")
        joint = await rounds.aggregate(
            specification=made.specification, record=record, max_update_size=config.max_update_size
        )
        right = await made.store.put(joint.model)
        wrong = played.start_model
        for model, found in ((right, 0), (wrong, 1)):
            agreed = dataclasses.replace(record, model=model, model_votes={0: model, 1: model})
            state = ConsortiumState(
                **{
                    field.name: getattr(made.state, field.name)
                    for field in dataclasses.fields(ConsortiumState)
                    if field.name not in {"rounds", "allowed", "proposals"}
                },
                rounds={1: agreed},
            )
            heard = Heard()
            auditor = RoundAuditor(
                name="watch", done=AuditedRounds(None), secret=b"s" * 32, services=services(made, heard)
            )
            assert await audited(auditor, state) == [1]
            assert len(heard.findings[1]) == found
        assert "model_mismatch" in heard.findings[1][0]


@pytest.mark.asyncio
async def test_it_stays_until_the_last_round_was_audited(crowd, tmp_path):
    async with crowd(trainers=3) as made:
        await made.round()
        program, heard = AuditorProgram(), Heard()
        ended = dataclasses.replace(made.state, phase=Phase.COMPLETED)
        me = SimpleNamespace(name="watch", secret=b"s" * 32)
        assert not program.over(ended, me)
        (auditor,) = program.agents(
            OpenTask(state=made.state, specification=made.specification), me, services(made, heard, tmp_path)
        )
        assert not program.over(ended, me)
        await audited(auditor, ended)
        assert program.over(ended, me)
        assert not program.over(made.state, me)
        assert (tmp_path / ended.address / "audited").read_text() == "1\n"


def test_a_line_that_was_cut_off_is_done_again(tmp_path):
    (tmp_path / "audited").write_text("1\n2\n1")
    done = AuditedRounds(tmp_path / "audited")
    assert 2 in done
    assert 3 not in done
    done.add(3)
    again = AuditedRounds(tmp_path / "audited")
    assert [number for number in range(20) if number in again] == [1, 2, 3]


@pytest.mark.asyncio
async def test_a_round_that_was_overturned_is_nobody_s(crowd):
    async with crowd(trainers=3) as made:
        await made.round()
        made.revert()
        assert next_round(made.state, AuditedRounds(None)) is None


def test_its_owner_hears_what_was_found_once():
    said = []
    complaints = Complaints(lambda agent, sentence: said.append((agent, sentence)))
    line = {"event": "audited", "agent": "watch", "round": 3, "task": "0xa", "findings": ["model_mismatch"]}
    complaints(line)
    complaints(line)
    complaints({**line, "round": 4, "findings": []})
    assert said == [("watch", "task 0xa, round 3: model_mismatch")]
