# SPDX-License-Identifier: Apache-2.0
"""The baselines train as the federation does, and are measured where the member's own patients are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import pytest_asyncio

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import UnknownSamples
from bcfl.models.networks.network import initial_weights
from bcfl.models.networks.tabular import Tabular
from bcfl.models.performance import performance
from bcfl.models.training.engine import Engine
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.scenarios.outcome.baselines import Setting, compare, own_part, trained
from bcfl.seeds import Seeds

_NETWORK = Tabular(inputs=6, hidden=(8,), dropout=0.2)
_NAMES = ("north", "south", "east")


def _patients(count, seed, *, owned=True):
    """Three hospitals, whose patients differ in what makes them ill; the third has few."""
    draw = np.random.default_rng(seed)
    owners = np.sort(draw.choice(3, size=count, p=(0.45, 0.45, 0.1)))
    inputs = draw.normal(size=(count, 6)).astype(np.float32)
    inputs[:, 5] = owners
    ill = inputs[:, 0] + inputs[:, 1] + 0.5 * draw.normal(size=count) > 0
    return Samples(inputs=inputs, targets=ill.astype(np.int64), owners=owners if owned else None)


_TRAIN, _TEST = _patients(240, 0), _patients(300, 1)


def _setting(**changes):
    given = {
        "network": _NETWORK,
        "hyperparameters": lambda _: Hyperparameters(learning_rate=0.05, batch_size=16, epochs=2),
        "genesis": initial_weights(_NETWORK, 3),
        "rounds": 3,
        "train": "train",
        "shares": {name: np.flatnonzero(_TRAIN.owners == place) for place, name in enumerate(_NAMES)},
        "seeds": Seeds(5),
    }
    return Setting(**{**given, **changes})


@pytest_asyncio.fixture
async def engine():
    async with Engine.start(executor="threads", workers=2) as engine:
        engine.add_samples("train", _TRAIN)
        engine.add_samples("unowned", _patients(240, 0, owned=False))
        yield engine


@pytest.mark.asyncio
async def test_alone_is_the_federations_training_without_the_others(engine):
    setting = _setting()
    indices = setting.shares["south"]

    def job(start, number):
        return TrainingJob(
            network=_NETWORK,
            hyperparameters=setting.hyperparameters(1),
            start=start,
            samples=SamplesRef("train", indices),
            seed=Seeds(5).integer("training", "south", number),  # a trainer's own seed
        )

    weights = setting.genesis
    for number in (1, 2, 3):
        weights = (await engine.train(job(weights, number))).weights
    found = await trained(setting, engine, "south", indices)
    assert found.vector.tobytes() == weights.vector.tobytes()


@pytest.mark.asyncio
async def test_each_model_is_measured_on_the_members_own_test_samples_and_on_all(engine):
    setting = _setting()
    federated = initial_weights(_NETWORK, 9)
    found = await compare(setting, engine, test=_TEST, federated=federated)
    assert [member.name for member in found.members] == list(_NAMES)

    async def measured(weights, place=None):
        part = _TEST if place is None else _TEST.select(np.flatnonzero(_TEST.owners == place))
        (outputs,) = await engine.outputs(_NETWORK, [weights], part)
        return performance(outputs, part.targets)

    everybody = np.concatenate([setting.shares[name] for name in _NAMES])
    assert len(everybody) == len(_TRAIN)
    for place, member in enumerate(found.members):
        alone = await trained(setting, engine, member.name, setting.shares[member.name])
        assert member.own_test
        assert member.alone == await measured(alone, place)
        assert member.alone_on_all == await measured(alone)
        assert member.federated == await measured(federated, place)
        assert member.alone.samples == (_TEST.owners == place).sum()
    assert found.federated == await measured(federated)
    assert found.pooled.samples == len(_TEST)
    assert sum(member.pooled.accuracy * member.pooled.samples for member in found.members) == pytest.approx(
        found.pooled.accuracy * len(_TEST)
    )


@pytest.mark.asyncio
async def test_pooled_data_help_the_member_with_few_patients(engine):
    found = await compare(_setting(rounds=8), engine, test=_TEST)
    few = found.members[2]
    assert few.pooled.auroc > few.alone.auroc
    assert few.pooled.loss < few.alone.loss
    assert found.pooled.auroc > 0.9


@pytest.mark.asyncio
async def test_only_what_is_wanted_is_trained(engine):
    for wanted, trainings in (((), 0), (("alone",), 9), (("pooled",), 3)):
        counted = _Counting(engine)
        found = await compare(_setting(), counted, test=_TEST, wanted=wanted)
        assert counted.trainings == trainings
        for member in found.members:
            assert (member.alone is not None) == (member.alone_on_all is not None) == ("alone" in wanted)
            assert (member.pooled is not None) == ("pooled" in wanted)
            assert member.federated is None
        assert (found.pooled is not None) == ("pooled" in wanted)


class _Counting:
    def __init__(self, engine):
        self._engine = engine
        self.trainings = 0
        self.outputs, self.samples = engine.outputs, engine.samples

    async def train(self, job):
        self.trainings += 1
        return await self._engine.train(job)


@pytest.mark.asyncio
async def test_data_without_owners_are_measured_on_the_whole_test_set(engine):
    found = await compare(_setting(train="unowned"), engine, test=_TEST)
    for member in found.members:
        assert not member.own_test
        assert member.alone == member.alone_on_all
        assert member.pooled == found.pooled


@pytest.mark.asyncio
async def test_the_same_seeds_give_the_same_baselines(engine):
    first = await compare(_setting(), engine, test=_TEST)
    assert first == await compare(_setting(), engine, test=_TEST)
    assert first != await compare(_setting(seeds=Seeds(6)), engine, test=_TEST)


@pytest.mark.asyncio
async def test_a_mistake_is_raised_as_itself(engine):
    with pytest.raises(UnknownSamples):
        await compare(_setting(train="unknown"), engine, test=_TEST)


def test_own_samples_are_those_of_ones_owners():
    assert own_part(np.array([2, 2, 0]), _TEST).tolist() == np.flatnonzero(_TEST.owners != 1).tolist()
    assert own_part(np.array([0, 1, 2]), _TEST) is None  # all
    assert own_part(np.array([7]), _TEST) is None  # a hospital that was never tested
    assert own_part(None, _TEST) is None
    assert own_part(np.array([1]), dataclasses.replace(_TEST, owners=None)) is None
