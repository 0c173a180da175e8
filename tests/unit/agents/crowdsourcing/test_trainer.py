# SPDX-License-Identifier: Apache-2.0
"""What a trainer wants in every phase, and what its hands leave in the journal."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from bcfl.agents.common.joining import AllowStake, TrainerIdentity
from bcfl.agents.common.retrieval import Retrieval
from bcfl.agents.common.services import AgentServices
from bcfl.agents.common.training import Publish, Train, Update
from bcfl.agents.common.update_maker import OwnData
from bcfl.agents.crowdsourcing.trainer import Trainer, decide
from bcfl.agents.errors import UpdateLost
from bcfl.agents.runtime.actions import Transact, View
from bcfl.chain.journal import TEMPORARY, Journal
from bcfl.chain.outbox import ActionKey
from bcfl.contracts import calls
from bcfl.contracts import events as e
from bcfl.contracts.commitments import commitment, salt_for
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import CancelReason, Phase
from bcfl.contracts.specification import EntryReference, Specification
from bcfl.models.networks.mlp import Mlp
from bcfl.models.training.job import SamplesRef, TrainingResult
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import encode
from bcfl.seeds import Seeds
from bcfl.storage.content_id import content_id
from bcfl.storage.memory import MemoryStore

ME = TrainerIdentity(name="bob", address=Address(f"0x{1:040x}"), chain_id=31337)  # member 0
STRANGER = dataclasses.replace(ME, address=Address(f"0x{99:040x}"))


def _view(seen, final=None):
    return View(seen=seen, final=final, now=0)


def _wants(seen, results=(), *, final=None, me=ME):
    return decide(_view(seen, final), me, dict(results))


def _train(state):
    return Train(
        round=state.round,
        task=state.address,
        specification=state.config.specification,
        start=state.current.start_model,
        max_update_size=state.config.max_update_size,
        state=state,
    )


@pytest.fixture
def update(content):
    return Update(key=ActionKey("bob", "task", 1, "update"), content=content("update"), salt=b"s" * 16)


def test_without_a_task_it_waits():
    assert _wants(None) == []


# ---------------------------------------------------------------- joining


def _at_the_door(state, results=(), *, me=STRANGER):
    return _wants(state, results, final=state, me=me)


def test_it_joins_at_once_without_a_stake(story):
    state = story().state
    (join,) = _at_the_door(state)
    assert (join.round, join.name) == (0, "join")
    assert join.call == calls.join(state.address, STRANGER.address)


def test_it_does_not_join_a_task_that_could_be_undone(story):
    assert _wants(story().state, final=None, me=STRANGER) == []


def test_it_signs_for_the_stake_first_and_joins_with_the_permit(story):
    state = story(stake=7).state
    (allow,) = _at_the_door(state)
    assert allow == AllowStake(round=0, task=state.address, token=state.token, amount=7)
    permit = calls.Permit(value=7, deadline=1, v=27)
    (join,) = _at_the_door(state, {allow: permit})
    assert join.call == calls.join(state.address, STRANGER.address, permit=permit)


@pytest.mark.parametrize(
    ("turn", "members", "joins"), [(2, 1, False), (2, 2, True), (2, 3, True), (0, 0, True)]
)
def test_it_joins_in_turn(story, turn, members, joins):
    me = dataclasses.replace(STRANGER, turn=turn)
    assert bool(_at_the_door(story().enrol(members).state, me=me)) is joins


def test_it_does_not_knock_at_a_full_or_closing_task(story):
    assert _at_the_door(story(capacity=2).enrol(2).state) == []
    assert _at_the_door(story().enrol(1).start().phase(Phase.CLOSING).state) == []
    assert len(_at_the_door(story().enrol(1).start().phase(Phase.EVALUATION).state)) == 1


@pytest.mark.parametrize(
    "ending", [(e.TaskCompleted, {}), (e.TaskCancelled, {"reason": CancelReason.PUBLISHER})]
)
def test_an_ended_task_needs_nobody(story, ending):
    kind, fields = ending
    tale = story().enrol(2).start().commit(0).tell(kind, **fields)
    for me in (ME, STRANGER):
        assert _wants(tale.state, me=me, final=tale.state) == []


def test_who_has_left_or_was_ejected_does_not_come_back(story):
    tale = story().enrol(3).tell(e.TrainerLeft, index=0, forfeited=0)
    assert _at_the_door(tale.state, me=ME) == []
    assert _at_the_door(tale.start().state, me=ME) == []
    tale = story().enrol(3).start(cohort=(1, 2))
    tale.tell(e.TrainerEjected, round=1, index=0, reason=6, evidence=bytes(32), forfeited=0)
    assert _at_the_door(tale.state, me=ME) == []


# ---------------------------------------------------------------- training and committing


def test_it_waits_for_the_first_round(story):
    assert _wants(story().enrol(2).state) == []


def test_it_trains_then_commits_and_goes_on_wanting_both(story, update):
    state = story().enrol(2).start().state
    train = _train(state)
    assert _wants(state) == [train]
    hidden = commitment(
        chain_id=31337, task=state.address, round_number=1, index=0, content=update.content, salt=update.salt
    )
    work, commit = _wants(state, {train: update})
    assert work == train
    assert (commit.round, commit.name) == (1, "commit")
    assert commit.call == calls.commit(state.address, round_number=1, index=0, commitment=hidden)


def test_before_the_reveal_nothing_leaves_it(story, update):
    tale = story().enrol(2).start()
    for state in (tale.state, tale.commit(0).state):
        wanted = _wants(state, {_train(state): update}, final=state)
        assert not any(isinstance(action, Publish) for action in wanted)


@pytest.mark.parametrize("cohort", [(), (1,)])
def test_outside_the_cohort_it_rests(story, cohort):
    assert _wants(story().enrol(2).start(cohort=cohort).state) == []


def test_suspended_it_rests_and_comes_back_with_the_cohort(story):
    tale = story().enrol(2).start()
    tale.tell(e.TrainerSuspended, round=1, index=0, until_round=3, reason=1, evidence=bytes(32))
    tale.finalise(None).start(2, cohort=(1,))
    assert _wants(tale.state) == []
    tale.finalise(None).tell(e.TrainerReinstated, round=3, index=0).start(3)
    assert _wants(tale.state) == [_train(tale.state)]


def test_once_committed_it_rests_until_the_reveal(story, update):
    state = story().enrol(2).start().commit(0).state
    assert _wants(state, {_train(state): update}) == []


def test_another_round_or_another_start_is_another_training(story, update):
    tale = story().enrol(2).start()
    first = _train(tale.state)
    tale.finalise("next").start(2)
    (second,) = _wants(tale.state, {first: update})
    assert second == _train(tale.state)
    assert second != first
    assert dataclasses.replace(first, start=second.start) != first


@pytest.mark.parametrize("phase", [Phase.EVALUATION, Phase.AGGREGATION, Phase.CLOSING])
def test_in_other_phases_it_rests(story, update, phase):
    tale = story().enrol(2).start().commit(0, 1).phase(phase)
    assert _wants(tale.state, {_train(tale.state): update}, final=tale.state) == []


# ---------------------------------------------------------------- opening


def test_a_reveal_that_is_only_seen_could_be_undone(story, update):
    tale = story().enrol(2).start()
    training = tale.commit(1, 0).state
    state = tale.phase(Phase.REVEAL).state
    results = {_train(state): update}
    assert _wants(state, results, final=None) == []
    assert _wants(state, results, final=training) == []


def test_a_final_reveal_of_an_earlier_round_does_not_open_this_one(story, update):
    tale = story().enrol(2).start().commit(0).phase(Phase.REVEAL)
    earlier = tale.state
    tale.finalise(None).start(2).commit(0).phase(Phase.REVEAL)
    assert _wants(tale.state, {_train(tale.state): update}, final=earlier) == []


def _hidden(state, update):
    """What the trainer, member 0, commits to."""
    return commitment(
        chain_id=ME.chain_id,
        task=state.address,
        round_number=state.round,
        index=0,
        content=update.content,
        salt=update.salt,
    )


def test_it_opens_what_it_committed_to_even_where_the_round_began_anew_from_another_model(
    story, update, content
):
    tale = story().enrol(2).start()
    newer = dataclasses.replace(update, content=content("newer"))
    tale.commit(0, hidden={0: _hidden(tale.state, update)}).phase(Phase.REVEAL)
    state = tale.state
    train = _train(state)
    before = dataclasses.replace(train, start=content("the model before the reorganisation"))
    results = {train: newer, before: update}
    assert Publish(round=1, update=update, state=state) in _wants(state, results, final=state)


def test_it_publishes_first_and_then_opens_its_own_entry(story, update):
    tale = story().enrol(2).start()
    state = tale.commit(1, 0, hidden={0: _hidden(tale.state, update)}).phase(Phase.REVEAL).state
    train = _train(state)
    publish = Publish(round=1, update=update, state=state)
    assert _wants(state, {train: update}, final=state) == [train, publish]
    *works, reveal = _wants(state, {train: update, publish: True}, final=state)
    assert works == [train, publish]
    opening = calls.Opening(place=1, content=update.content, salt=update.salt)
    entries = state.current.batches[0]
    assert reveal.call == calls.reveal(
        state.address, round_number=1, batch=0, entries=entries, openings=[opening]
    )
    assert (reveal.round, reveal.name) == (1, "reveal")


def test_after_a_restart_the_update_comes_from_the_journal(story):
    state = story().enrol(2).start().commit(0).phase(Phase.REVEAL).state
    assert _wants(state, {}, final=state) == [_train(state)]


def test_without_a_commitment_or_already_open_there_is_nothing_to_open(story, update):
    tale = story().enrol(2).start().commit(1).phase(Phase.REVEAL)
    assert _wants(tale.state, {_train(tale.state): update}, final=tale.state) == []
    tale = story().enrol(2).start().commit(0, 1).phase(Phase.REVEAL).submit(0, "update")
    assert _wants(tale.state, {_train(tale.state): update}, final=tale.state) == []


def test_without_commit_and_reveal_it_publishes_and_submits(story, update):
    tale = story(commit_reveal=False).enrol(2).start()
    state = tale.state
    train, publish = _train(state), Publish(round=1, update=update, state=state)
    assert _wants(state, {train: update}) == [train, publish]
    *_, submit = _wants(state, {train: update, publish: True})
    assert submit.call == calls.submit(state.address, round_number=1, index=0, content=update.content)
    assert _wants(tale.submit(0, "update").state, {train: update, publish: True}) == []


def test_a_decision_is_a_function_of_its_arguments(story, update):
    state = story().enrol(2).start().commit(0).phase(Phase.REVEAL).state
    results = {_train(state): update}
    assert _wants(state, results, final=state) == _wants(state, results, final=state)
    assert all(
        isinstance(action, Train | Publish | Transact) for action in _wants(state, results, final=state)
    )


# ---------------------------------------------------------------- hands


class Engine:
    """Adds one to every weight, and counts."""

    def __init__(self):
        self.jobs = []

    async def train(self, job):
        self.jobs.append(job)
        weights = Weights(job.start.schema, job.start.vector + np.float32(1))
        return TrainingResult(weights=weights, loss=1.0, train_loss=0.5, steps=3, seconds=0.0)


STATE = SimpleNamespace(
    index_of={ME.address: 0}, round=4, rounds={}, ended=False, current=SimpleNamespace(cohort=(0,))
)
"""What an honest trainer's hands read of a task."""


async def _hands(journal, store, engine):
    network = Mlp(inputs=2, hidden=0, classes=2)
    schema = network.schema()
    specification = Specification(
        title="t",
        network=EntryReference("mlp", {"inputs": 2, "hidden": 0, "classes": 2}),
        training={"learning_rate": 0.1},
        score=EntryReference("shapley"),
        aggregator=EntryReference("fedavg"),
        tensors=tuple((tensor.name, tensor.shape) for tensor in schema.tensors),
    )
    start = await store.put(encode(Weights(schema, np.zeros(schema.size, np.float32)), {}))
    told = []
    trainer = Trainer(
        identity=ME,
        secret=b"k" * 32,
        data=OwnData(samples=SamplesRef("bob"), count=12),
        services=AgentServices(
            seeds=Seeds(1),
            engine=engine,
            store=store,
            retrieval=Retrieval(store),
            journal=journal,
            permits=SimpleNamespace(),
            observer=SimpleNamespace(decided=lambda **said: told.append(said["name"])),
        ),
    )
    work = Train(
        round=4,
        task=Address("0x" + "a" * 40),
        specification=await store.put(specification.encode()),
        start=start,
        max_update_size=10_000,
        state=STATE,
    )
    return trainer, work, told


def _journal(path):
    return Journal.open(path, chain_id=1, genesis_hash="0x00")


@pytest.mark.asyncio
async def test_training_is_durable_before_it_is_known_and_is_not_done_twice(tmp_path):
    store, engine = MemoryStore(), Engine()
    async with _journal(tmp_path / "journal") as journal:
        trainer, work, told = await _hands(journal, store, engine)
        update = await trainer.perform(work)
        assert update.salt == salt_for(b"k" * 32, work.task, 4)
        assert not await store.has(update.content), "the update left the trainer before the reveal"
        recorded = await journal.action(update.key)
        assert content_id(recorded) == update.content
        assert told == ["training", "trained"]
    async with _journal(tmp_path / "journal") as journal:
        again, work, _ = await _hands(journal, store, engine)
        assert await again.perform(work) == update
        assert len(engine.jobs) == 1, "a restarted trainer trained again"
        await again.perform(Publish(round=4, update=update, state=STATE))
        assert await store.has(update.content)


@pytest.mark.asyncio
async def test_rounds_starts_and_tasks_have_updates_of_their_own():
    async with _journal(TEMPORARY) as journal:
        store, engine = MemoryStore(), Engine()
        trainer, work, _ = await _hands(journal, store, engine)
        first = await trainer.perform(work)
        await trainer.perform(dataclasses.replace(work, round=5))
        await trainer.perform(
            dataclasses.replace(
                work,
                start=await store.put(
                    encode(
                        Weights(engine.jobs[0].start.schema, engine.jobs[0].start.vector + np.float32(9)), {}
                    )
                ),
            )
        )
        assert len(engine.jobs) == 3
        assert engine.jobs[0].seed != engine.jobs[1].seed
        assert engine.jobs[0].hyperparameters.learning_rate == 0.1
        assert await trainer.perform(work) == first


@pytest.mark.asyncio
async def test_a_lost_update_is_an_error_with_a_name():
    async with _journal(TEMPORARY) as journal:
        trainer, work, _ = await _hands(journal, MemoryStore(), Engine())
        missing = Update(key=ActionKey("bob", "t", 1, "update"), content=work.start, salt=b"")
        with pytest.raises(UpdateLost):
            await trainer.perform(Publish(round=1, update=missing, state=STATE))


@pytest.mark.asyncio
async def test_a_round_whose_model_cannot_be_used_is_sat_out_and_wanted_no_more(story, content):
    async with _journal(TEMPORARY) as journal:
        store, engine = MemoryStore(), Engine()
        trainer, work, told = await _hands(journal, store, engine)
        garbage = await store.put(b"\x08\0\0\0\0\0\0\0garbage!")
        for start in (content("never stored"), garbage):
            assert await trainer.perform(dataclasses.replace(work, start=start)) is None
        assert told == ["unusable", "unusable"]
        assert engine.jobs == []
    state = story().enrol(2).start().state
    train = _train(state)
    assert _wants(state, {train: None}) == [train]  # asked for and answered: the shell does not repeat it
