# SPDX-License-Identifier: Apache-2.0
"""The wrappers show an attack what its knowledge covers and nothing more, and hand in what it makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import numpy as np
import pytest

from bcfl.agents.adversaries.poisoners import DataPoisoner, Poisoner, outlook
from bcfl.agents.common.behaviour import HONEST, Conduct, Turn
from bcfl.agents.common.circle import Circle
from bcfl.contracts.ids import Address, TrainerIndex
from bcfl.errors import StorageError
from bcfl.models.attacks.attack import Attack, DataAttack, Outlook
from bcfl.models.attacks.backdoor import Backdoor
from bcfl.models.attacks.copying import Plagiarist
from bcfl.models.attacks.free_riding import DeltaWeights, StaleResubmit
from bcfl.models.attacks.poisoning import SignFlip
from bcfl.models.data.dataset import Samples
from bcfl.models.evaluation import Evaluation
from bcfl.models.networks.mlp import Mlp
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob, TrainingResult
from bcfl.models.weights import Schema, TensorSpec, Weights

SCHEMA = Schema((TensorSpec("fc.weight", (3, 2)), TensorSpec("fc.bias", (3,))))
NAMES = ("ann", "bob", "cat")
SAMPLES = Samples(inputs=np.ones((100, 2), dtype=np.float32), targets=np.arange(100, dtype=np.int64) % 3)


def _weights(value):
    return Weights(SCHEMA, np.full(SCHEMA.size, value, dtype=np.float32))


class _Engine:
    """A mini-batch adds one to every weight; a model's loss is its first weight."""

    def __init__(self):
        self.jobs = []
        self.added = {}

    async def train(self, job):
        self.jobs.append(job)
        steps = 20 if job.most_steps is None else job.most_steps
        weights = Weights(SCHEMA, job.start.vector + np.float32(steps))
        return TrainingResult(weights=weights, loss=0.0, train_loss=0.0, steps=steps, seconds=0.0)

    async def evaluate(self, network, weights, samples_key, indices=None):
        return Evaluation(loss=float(weights.vector[0]), accuracy=0.0, samples=1)

    def samples(self, chosen):
        return SAMPLES

    def add_samples(self, key, samples):
        self.added[key] = samples


class _Retrieval:
    def __init__(self, models):
        self.models = models

    async def model(self, content, schema, *, max_bytes):
        if content not in self.models:
            raise StorageError
        return self.models[content]

    async def update(self, content, schema, *, max_bytes, packing=None):
        return await self.model(content, schema, max_bytes=max_bytes), {}


@dataclass(frozen=True, eq=False)
class _Watching(Attack):
    """Remembers what it was shown."""

    knowledge: str = "self"
    share: float = 1.0
    scenes: list = field(default_factory=list)

    def effort(self, full):
        return round(self.share * full)

    async def craft(self, scene):
        self.scenes.append(scene)
        return -scene.own


@dataclass(frozen=True)
class _Boosting(DataAttack):
    def poison(self, samples, classes, rng):
        assert classes == 3
        return Samples(inputs=samples.inputs, targets=(samples.targets + 1) % classes)

    def factor(self, outlook):
        return float(outlook.cohort)


@pytest.fixture
def circle():
    return Circle({name: Address(f"0x{place + 1:040x}") for place, name in enumerate(NAMES)})


@pytest.fixture
def history(story, content):
    """The task in round 3 whose rounds moved the model from 0 to 10 and to 14; cat's second update is gone."""
    told = story().enrol(3).start(1)
    for round_number in (1, 2):
        for index in range(3):
            told.submit(index, f"update-{round_number}-{index}")
        told.finalise(f"model-{round_number}").start(round_number + 1)
    models = {
        content("genesis"): _weights(0),
        content("model-1"): _weights(10),
        content("model-2"): _weights(14),
    }
    for round_number, values in ((1, (20, 10, 0)), (2, (16, 12, None))):
        for index, value in enumerate(values):
            if value is not None:
                models[content(f"update-{round_number}-{index}")] = _weights(value)
    return told.state, models


def _turn(state, models, name="bob", *, circle=None, seed=0):
    start = models[state.current.start_model]
    job = TrainingJob(
        network=Mlp(inputs=2, hidden=0, classes=3),
        hyperparameters=Hyperparameters(learning_rate=0.1, batch_size=10, epochs=2),
        start=start,
        samples=SamplesRef("train"),
        seed=1,
    )
    return Turn(
        name=name,
        index=TrainerIndex(NAMES.index(name)),
        round=state.round,
        state=state,
        start=start,
        start_id=state.current.start_model,
        job=job,
        samples=len(SAMPLES),
        rng=np.random.default_rng(seed),
        steady_rng=lambda: np.random.default_rng(seed),
        engine=_Engine(),
        retrieval=_Retrieval(models),
        circle=circle,
    )


async def _handed_in(behaviour, turn):
    weights = await behaviour.update(turn)
    assert len(set(weights.vector.tolist())) == 1
    return float(weights.vector[0])


@pytest.mark.asyncio
async def test_an_attack_gets_its_honest_work_and_replaces_it(history):
    turn = _turn(*history)
    assert await _handed_in(Poisoner(attack=SignFlip(scale=2)), turn) == 14 - 2 * 20
    assert [job.most_steps for job in turn.engine.jobs] == [None]


@pytest.mark.parametrize(("share", "trained"), [(1.0, [None]), (0.25, [5]), (0.0, [])])
@pytest.mark.asyncio
async def test_it_trains_as_much_as_the_attack_wants(history, share, trained):
    turn, attack = _turn(*history), _Watching(share=share)
    await Poisoner(attack=attack).update(turn)
    assert [job.most_steps for job in turn.engine.jobs] == trained
    assert attack.scenes[0].own.tolist() == [20 * share] * SCHEMA.size


@pytest.mark.asyncio
async def test_who_knows_itself_only_sees_its_own_work_and_past(history, circle):
    attack = _Watching()
    await Poisoner(attack=attack).update(_turn(*history, circle=circle))
    (scene,) = attack.scenes
    assert len(scene.peers) == 1
    assert (scene.place, scene.steps, await scene.revealed()) == (0, (), ())
    assert [update[0] for update in scene.past] == [10 - 0, 12 - 10]
    assert [model[0] for model in scene.past_models] == [10, 12]
    assert scene.handed_in == 2


@pytest.mark.asyncio
async def test_what_is_public_are_past_steps_and_the_last_rounds_updates_that_can_be_had(history):
    attack = _Watching(knowledge="public")
    await Poisoner(attack=attack).update(_turn(*history))
    (scene,) = attack.scenes
    assert [step[0] for step in scene.steps] == [10, 4]
    assert scene.last_step[0] == 4
    assert [update[0] for update in await scene.revealed()] == [6, 2]  # the third cannot be fetched
    assert len(scene.peers) == 1


@pytest.mark.asyncio
async def test_its_own_loss_is_that_of_the_start_plus_an_update(history):
    attack = _Watching()
    await Poisoner(attack=attack).update(_turn(*history))
    assert await attack.scenes[0].loss(np.full(SCHEMA.size, 2.5)) == 16.5


@pytest.mark.asyncio
async def test_colluders_see_what_the_circle_learnt_this_round_the_honest_leader_included(history, circle):
    attacks = {name: _Watching(knowledge="colluders", share=0.5) for name in ("bob", "cat")}
    async with anyio.create_task_group() as group:
        for name, attack in attacks.items():
            group.start_soon(Poisoner(attack=attack).update, _turn(*history, name, circle=circle))
        group.start_soon(HONEST.update, _turn(*history, "ann", circle=circle))
    for place, attack in enumerate(attacks.values(), start=1):
        (scene,) = attack.scenes
        assert [peer[0] for peer in scene.peers] == [20, 10, 10]
        assert scene.place == place


@pytest.mark.asyncio
async def test_a_plagiarist_hands_in_the_leaders_model_without_work(history, circle):
    copier = _turn(*history, "cat", circle=circle)
    circle.share((3, copier.start_id.digest), "bob", None)
    async with anyio.create_task_group() as group:
        group.start_soon(HONEST.update, _turn(*history, "ann", circle=circle))
        copied = await _handed_in(Poisoner(attack=Plagiarist()), copier)
    assert copied == 14 + 20
    assert copier.engine.jobs == []


@pytest.mark.asyncio
async def test_who_finds_nothing_to_abuse_after_all_does_the_whole_work(story, content):
    turn = _turn(story().enrol(3).start(1).state, {content("genesis"): _weights(0)})
    assert await _handed_in(Poisoner(attack=StaleResubmit()), turn) == 20
    assert [job.most_steps for job in turn.engine.jobs] == [None]


@pytest.mark.asyncio
async def test_an_overflowing_attack_sends_infinities_without_a_warning(history):
    weights = await Poisoner(attack=SignFlip(scale=1e300)).update(_turn(*history))
    assert np.isinf(weights.vector).all()


def test_the_outlook_tells_rounds_steps_and_the_circle(history, story, circle):
    state, _ = history
    assert outlook(state, "bob", circle) == Outlook(round=3, moved=True, cohort=3, colluders=3, place=1)
    assert outlook(state, "bob", None) == Outlook(round=3, moved=True, cohort=3)
    first = story().enrol(3).start(1, cohort=(1, 2)).state
    assert outlook(first, "cat", circle) == Outlook(round=1, moved=False, cohort=2, colluders=2, place=1)
    assert outlook(first, "ann", circle) == Outlook(round=1, moved=False, cohort=2)


def test_rounds_without_a_model_of_their_own_move_nothing(story):
    state = story().enrol(3).start(1).finalise(None).start(2).state
    assert not outlook(state, "bob", None).moved
    attack = Poisoner(attack=DeltaWeights())
    assert not attack.acts(state, "bob", None)


def test_an_attack_that_is_not_ready_leaves_the_trainer_honest(history, story, circle):
    state, _ = history
    lazy = Conduct(behaviour=Poisoner(attack=DeltaWeights()))
    assert lazy.at(state, "bob", TrainerIndex(1)) is lazy.behaviour
    assert lazy.at(story().enrol(3).start(1).state, "bob", TrainerIndex(1)) is HONEST
    copying = Conduct(behaviour=Poisoner(attack=Plagiarist()), circle=circle)
    assert copying.at(state, "ann", TrainerIndex(0)) is HONEST
    assert copying.at(state, "cat", TrainerIndex(2)) is copying.behaviour


@pytest.mark.asyncio
async def test_a_data_attack_trains_on_the_poisoned_samples_and_boosts_what_comes_of_it(history, circle):
    turn = _turn(*history, "bob", circle=circle)
    assert await _handed_in(DataPoisoner(attack=_Boosting()), turn) == 14 + 3 * 20
    (job,) = turn.engine.jobs
    poisoned = turn.engine.added[job.samples.key]
    assert poisoned.targets.tolist() == ((SAMPLES.targets + 1) % 3).tolist()
    assert job.samples.indices is None


@pytest.mark.asyncio
async def test_the_poisoned_samples_are_the_same_in_every_round(history, story, content):
    state, models = history
    turns = [_turn(story().enrol(3).start(1).state, models), _turn(state, models)]
    for turn in turns:
        await DataPoisoner(attack=Backdoor(size=1, target=2)).update(turn)
    assert list(turns[0].engine.added) == list(turns[1].engine.added)
