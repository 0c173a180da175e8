# SPDX-License-Identifier: Apache-2.0
"""A round of many: judged by gradients and likeness instead of each left out, to the same end as a round of few."""

from __future__ import annotations

import subprocess
import sys

import anyio
import numpy as np
import pytest
import pytest_asyncio

from bcfl.models.data.mnist import Mnist
from bcfl.models.defences import many
from bcfl.models.defences.defence import DefenceRound, Fault, Member, Memory
from bcfl.models.defences.evidence import _agreement_of_many, _unit
from bcfl.models.defences.freshness import _significances, freshness, significance
from bcfl.models.defences.history import History
from bcfl.models.defences.many import MANY
from bcfl.models.defences.measuring import drawn_samples
from bcfl.models.defences.pipeline import Pipeline
from bcfl.models.defences.selection_of_many import select_of_many
from bcfl.models.defences.worth import worth_of
from bcfl.models.networks.cnn import MnistCnnSmall
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights

NETWORK = MnistCnnSmall()
IMAGES = 60
VALIDATION = 600


class Crowd:
    """Rounds of so many honest trainers, some of whose updates a test replaces."""

    def __init__(self, engine, clients):
        self.engine = engine
        self.clients = clients
        self.start = initial_weights(NETWORK, 5)
        self.memory = Memory()
        self.number = 0
        self.suspended = set()
        self.gone = set()

    async def trained(self):
        self.number += 1
        models = {}

        async def train(index):
            job = TrainingJob(
                network=NETWORK,
                hyperparameters=Hyperparameters(learning_rate=0.05, batch_size=10, epochs=2),
                start=self.start,
                samples=SamplesRef("train", np.arange(index * IMAGES, (index + 1) * IMAGES)),
                seed=1000 * self.number + index,
            )
            models[index] = (await self.engine.train(job)).weights

        async with anyio.create_task_group() as group:
            for index in range(self.clients):
                group.start_soon(train, index)
        return models

    def step(self, model):
        return model.vector.astype(np.float64) - self.start.vector

    def shifted(self, step):
        return Weights(self.start.schema, (self.start.vector + step).astype(np.float32))

    def made(self, models):
        return DefenceRound(
            number=self.number,
            network=NETWORK,
            samples_key="validation",
            start=self.start,
            members=tuple(
                Member(index=index, model=models[index], position=index)
                for index in sorted(models)
                if index not in self.suspended | self.gone
            ),
            invalid={},
            absent=frozenset(),
            suspended=frozenset(self.suspended),
        )

    async def judge(self, models, defence=None):
        verdict = await (defence or Pipeline()).judge(self.made(models), self.memory, self.engine)
        self.memory = verdict.memory
        self.gone |= set(verdict.eject)
        self.suspended = (self.suspended - set(verdict.eject)) | set(verdict.suspend)
        if verdict.models:
            mean = np.mean([model.vector.astype(np.float64) for model in verdict.models.values()], axis=0)
            self.start = Weights(self.start.schema, mean.astype(np.float32))
        return verdict


@pytest_asyncio.fixture
async def crowd():
    data = Mnist().load()
    async with Engine.start(executor="threads", workers=2, kernel="lanes") as engine:
        engine.add_samples("train", data.train)
        engine.add_samples("validation", data.test.select(np.arange(VALIDATION)))
        yield lambda clients: Crowd(engine, clients)


@pytest.fixture
def as_few(monkeypatch):
    """The way of few for any number."""

    def change():
        monkeypatch.setattr(many, "MANY", 10**6)

    return change


@pytest.mark.asyncio
async def test_a_worth_by_gradients_is_that_by_evaluation(crowd, as_few):
    task = crowd(MANY + 16)
    models = await task.trained()
    for index in range(8):
        models[index] = task.shifted(-task.step(models[index]))
    made, asked = task.made(models), [models[index] for index in sorted(models)]
    estimated = await worth_of(made, asked, [1] * len(asked), task.engine)
    as_few()
    exact = await worth_of(made, asked, [1] * len(asked), task.engine)
    assert np.corrcoef(estimated.values, exact.values)[0, 1] > 0.99
    assert estimated.gain == pytest.approx(exact.gain, rel=1e-3)
    worst = set(np.argsort(exact.values)[:8])
    assert len(worst & set(np.argsort(estimated.values)[:8])) >= 7
    assert np.sign(estimated.values) == pytest.approx(np.sign(exact.values))
    assert len(worst & set(range(8))) >= 6
    # the noise is told from blocks of samples, as it is from the samples themselves
    assert np.median(estimated.errors / exact.errors) == pytest.approx(1, abs=0.25)


@pytest.mark.asyncio
async def test_of_many_those_that_harm_are_dropped_together_and_nobody_where_nobody_harms(crowd):
    task = crowd(MANY + 40)
    for _ in range(4):  # until the round learns something
        await task.judge(await task.trained())
    models = await task.trained()

    async def subset():
        made, asked = task.made(models), [models[index] for index in sorted(models)]
        worth = await worth_of(made, asked, [1] * len(asked), task.engine)
        return await select_of_many(made, asked, worth, task.engine, gain=0.02, least=1 / 3)

    assert len((await subset()).kept) >= 0.9 * len(models)
    for index in range(20):
        models[index] = task.shifted(-3 * task.step(models[index]))
    found = await subset()
    assert len(found.kept & set(range(20))) <= 2  # the opposite of an honest update that did harm
    assert len(found.kept) >= 0.85 * (len(models) - 20)
    marginal = np.array(found.marginal)
    assert np.median(marginal[:20]) < np.median(marginal[20:])


def test_significances_are_those_of_each():
    rng = np.random.default_rng(2)
    gradients, residuals = rng.standard_normal((12, 5000)), rng.standard_normal((9, 5000))
    residuals[3] = 0
    found = _significances(residuals, np.linalg.norm(residuals, axis=1) + 1e-9, gradients, crowded=False)
    expected = [significance(row, gradients) if row.any() else 0.0 for row in residuals]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_agreement_is_that_of_each():
    rng = np.random.default_rng(2)
    residuals, inside = rng.standard_normal((7, 300)), np.array([1.0, 0, 1, 1, 0, 1, 1])
    together = inside @ residuals
    expected = [
        float(_unit(residuals)[place] @ _unit(together - inside[place] * residuals[place]))
        for place in range(7)
    ]
    assert _agreement_of_many(residuals, range(7), inside, together) == pytest.approx(expected)


def _crowd_of_work(count, dimensions=4000):
    rng = np.random.default_rng(4)
    gradients = rng.standard_normal((30, dimensions))
    directions = rng.standard_normal((count, 30)) @ gradients
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    noise = rng.standard_normal((count, dimensions))
    return gradients, noise + 0.4 * directions * np.linalg.norm(noise, axis=1, keepdims=True)


def test_a_copy_among_many_has_nothing_beside_its_original():
    gradients, work = _crowd_of_work(MANY + 30)
    noise = np.random.default_rng(5).standard_normal(work.shape[1])
    work[70] = work[12] + 0.3 * noise * np.linalg.norm(work[12]) / np.linalg.norm(noise)
    found = freshness(work, range(len(work)), gradients, History(), least=4.0)
    assert found.beside[70] < 4 < found.alone[70]
    others = np.delete(found.beside, 70)
    assert others.min() > 4  # the original too, though the copy is like it
    turned = freshness(work, range(len(work))[::-1], gradients, History(), least=4.0)
    assert turned.beside[70] < 4 < turned.beside[12]  # however late the original is


def test_the_past_of_many_is_bounded_and_holds_what_all_have_in_common():
    _, work = _crowd_of_work(MANY + 30)
    common = np.random.default_rng(6).standard_normal(work.shape[1])
    history = History(most=80)
    for _ in range(4):
        history = history.extended(work + 30 * common)
    assert history.rank <= 20
    assert not history.recent
    rest = history.residual(common[None])
    assert np.linalg.norm(rest) < 0.05 * np.linalg.norm(common)


def test_few_are_measured_on_all_samples_and_many_on_the_same_part():
    assert drawn_samples(MANY, 10**6) is None
    assert drawn_samples(1000, 1000) is None
    part = drawn_samples(1000, 10_000)
    assert len(part) == (1 << 20) // 1000
    assert np.array_equal(part, drawn_samples(1000, 10_000))
    assert len(np.unique(part)) == len(part)


@pytest.mark.asyncio
async def test_of_many_honest_trainers_nobody_is_suspended(crowd):
    task = crowd(MANY + 36)
    for _ in range(4):
        verdict = await task.judge(await task.trained())
        assert verdict.suspend == {}
        assert verdict.eject == {}
        assert len(verdict.scored) >= 0.97 * task.clients


@pytest.mark.asyncio
async def test_cheats_among_many_go_and_the_honest_stay(crowd):
    task = crowd(MANY + 56)
    flippers, copiers, idle = set(range(6)), {110, 111, 112}, {20, 21}
    cheats = flippers | copiers | idle
    for _ in range(5):
        models = await task.trained()
        noise = np.random.default_rng(task.number)
        for index in flippers:
            models[index] = task.shifted(-task.step(models[index]))
        for index in copiers:  # accomplices of 50, with noise of their own
            step = task.step(models[50])
            shape = noise.standard_normal(step.shape)
            models[index] = task.shifted(step + 0.3 * shape * np.linalg.norm(step) / np.linalg.norm(shape))
        for index in idle:
            step = task.step(models[index])
            shape = noise.standard_normal(step.shape)
            models[index] = task.shifted(shape * np.linalg.norm(step) / np.linalg.norm(shape))
        verdict = await task.judge(models)
        assert set(verdict.eject) <= cheats
        assert set(verdict.suspend) <= cheats
    assert task.gone == cheats


@pytest.mark.asyncio
async def test_one_more_than_few_is_judged_alike(crowd, as_few):
    """Both ways agree on a round that either could take."""
    task = crowd(MANY + 6)
    models = await task.trained()
    models[3] = task.shifted(-task.step(models[3]))
    models[60] = models[7]
    by_gradients = await Pipeline().judge(task.made(models), Memory(), task.engine)
    as_few()
    by_evaluation = await Pipeline().judge(task.made(models), Memory(), task.engine)
    assert by_gradients.suspend == by_evaluation.suspend
    assert by_gradients.suspend[60][1] is Fault.COPIED
    for index, told in by_evaluation.evidence.items():
        assert by_gradients.evidence[index]["suspicion"] == pytest.approx(told["suspicion"], abs=1.5), index


@pytest.mark.parametrize("parts", [2, 3, 5, 8, 20])
def test_a_mixture_of_others_has_nothing_of_its_own(parts):
    gradients, work = _crowd_of_work(MANY + 30)
    chosen = np.arange(parts) * 2 + 1
    work[80] = work[chosen].mean(axis=0)
    found = freshness(work, range(len(work)), gradients, History(), least=4.0)
    assert found.beside[80] < 4
    assert np.delete(found.beside, 80).min() > 4


def test_of_two_alike_who_has_something_beside_all_keeps_it_however_late():
    gradients, work = _crowd_of_work(MANY + 30)
    work[10] = 0.8 * work[60] + 0.6 * work[10]
    found = freshness(work, range(len(work)), gradients, History(), least=4.0)
    assert found.beside[[10, 60]].min() > 4


@pytest.mark.parametrize("variables", [{"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_CORETYPE": "SkylakeX"}])
def test_what_is_told_of_many_does_not_follow_threads_or_processor(variables):
    program = (
        "import numpy as np\n"
        "from bcfl.models.defences.freshness import freshness\n"
        "from bcfl.models.defences.history import History\n"
        "rng = np.random.default_rng(1)\n"
        "common = rng.standard_normal(3000)\n"
        "def work():\n"
        "    return (rng.standard_normal((300, 3000)) + 2 * common).astype(np.float32)\n"
        "history = History().extended(work()).extended(work())\n"
        "gradients = rng.standard_normal((30, 3000))\n"
        "found = freshness(work(), range(300), gradients, history, least=4.0)\n"
        "print(history.rank, ' '.join(f'{x:.9g}' for x in found.alone), ' '.join(f'{x:.9g}' for x in found.beside))\n"
    )

    def numbers(given):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PATH": "/usr/bin:/bin", **given},
            check=True,
            capture_output=True,
            text=True,
        )
        return np.array([float(word) for word in done.stdout.split()])

    assert numbers(variables) == pytest.approx(numbers({}), rel=1e-6, abs=1e-7)
