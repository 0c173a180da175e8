# SPDX-License-Identifier: Apache-2.0
"""What the members of a federation would have without it: each a model of its own, or one model of everybody's data.

Both are trained as the federation trains: from the same genesis, for as many rounds of as many epochs, the optimiser
begun afresh in each round. Alone, a member's first round is its first round in the federation, bit for bit. Pooled, the
samples of all lie in one place, which is what a federation is there to avoid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio
import numpy as np
import numpy.typing as npt

from bcfl.agents.runtime.ports import LearningEngine
from bcfl.errors import BcflError
from bcfl.models.data.dataset import Samples
from bcfl.models.networks.network import Network
from bcfl.models.performance import Performance, performance
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.job import SamplesRef, TrainingJob
from bcfl.models.weights import Weights
from bcfl.seeds import Seeds

__all__ = ("Baseline", "Baselines", "MemberBaselines", "Setting", "compare", "own_part", "trained")

Baseline = Literal["alone", "pooled"]

_POOLED = "all together"  # no name that a member may have


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """How the federation trained, and on what.

    Attributes:
        genesis: the global model that it began with.
        rounds: how many it had.
        train: names the samples in the engine that ``shares`` point to.
        shares: each member's samples to train on, without those that it kept to judge others.
        seeds: of the run.
    """

    network: Network
    hyperparameters: Callable[[int], Hyperparameters]
    """Of a round."""
    genesis: Weights
    rounds: int
    train: str
    shares: Mapping[str, npt.NDArray[np.int64]]
    seeds: Seeds


@dataclass(frozen=True, kw_only=True)
class MemberBaselines:
    """Three models on the test samples like a member's own; None for a model that was not asked for.

    ``own_test``: these are those of the owners of its own data; else they are all test samples, as the data do not say
    whose is whose. ``alone_on_all`` is the member's own model on all test samples: what it would be worth elsewhere.
    """

    name: str
    own_test: bool
    alone: Performance | None
    pooled: Performance | None
    federated: Performance | None
    alone_on_all: Performance | None


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Every member's comparison, in their order; and the models that all share, on all test samples."""

    members: tuple[MemberBaselines, ...]
    pooled: Performance | None
    federated: Performance | None


async def compare(
    setting: Setting,
    engine: LearningEngine,
    *,
    test: Samples,
    wanted: Collection[Baseline] = ("alone", "pooled"),
    federated: Weights | None = None,
) -> Baselines:
    """Train the wanted baselines and measure them beside the federation's final model.

    Args:
        setting: of the federation.
        engine: that has the samples to train on.
        test: samples that nobody trained on or judged with; their owners, where they have any, tell hospitals apart.
        wanted: which baselines.
        federated: the final model; None: it is left out.

    Raises:
        ModelError: as ``LearningEngine.train``.
    """
    parts = dict(setting.shares) if "alone" in wanted else {}
    if "pooled" in wanted:
        parts[_POOLED] = np.concatenate([*setting.shares.values()])
    found = await _trained_side_by_side(setting, engine, parts)
    pooled = found.get(_POOLED)
    alone = [found.get(name) for name in setting.shares]
    *alone_on_all, pooled_on_all, federated_on_all = await _measured(
        setting, engine, test, [*alone, pooled, federated]
    )
    owners = engine.samples(SamplesRef(setting.train)).owners
    members = []
    for name, mine, on_all in zip(setting.shares, alone, alone_on_all, strict=True):
        part = own_part(None if owners is None else owners[setting.shares[name]], test)
        own = [on_all, pooled_on_all, federated_on_all]
        if part is not None:
            own = await _measured(setting, engine, test.select(part), [mine, pooled, federated])
        members.append(
            MemberBaselines(
                name=name,
                own_test=part is not None,
                alone=own[0],
                pooled=own[1],
                federated=own[2],
                alone_on_all=on_all,
            )
        )
    return Baselines(members=tuple(members), pooled=pooled_on_all, federated=federated_on_all)


async def trained(
    setting: Setting, engine: LearningEngine, name: str, indices: npt.NDArray[np.int64]
) -> Weights:
    """The genesis after all rounds on these samples alone, with the seeds that a trainer of that name has."""
    weights = setting.genesis
    for number in range(1, setting.rounds + 1):
        job = TrainingJob(
            network=setting.network,
            hyperparameters=setting.hyperparameters(number),
            start=weights,
            samples=SamplesRef(setting.train, indices),
            seed=setting.seeds.integer("training", name, number),
        )
        weights = (await engine.train(job)).weights
    return weights


def own_part(owners: npt.NDArray[np.int64] | None, test: Samples) -> npt.NDArray[np.int64] | None:
    """Which test samples are of these owners, ascending; None where all are, or none, or nobody says whose they are."""
    if owners is None or test.owners is None:
        return None
    part = np.flatnonzero(np.isin(test.owners, owners))
    return part if 0 < len(part) < len(test) else None


async def _trained_side_by_side(
    setting: Setting, engine: LearningEngine, parts: Mapping[str, npt.NDArray[np.int64]]
) -> dict[str, Weights]:
    found: dict[str, Weights] = {}

    async def train(name: str, indices: npt.NDArray[np.int64]) -> None:
        found[name] = await trained(setting, engine, name, indices)

    failures: list[BaseException] = []
    try:
        async with anyio.create_task_group() as group:
            for name, indices in parts.items():
                group.start_soon(train, name, indices)
    except* BcflError as errors:
        failures.extend(errors.exceptions)  # the first is raised as itself, for callers that name it
    if failures:
        raise failures[0]
    return found


async def _measured(
    setting: Setting, engine: LearningEngine, samples: Samples, models: Sequence[Weights | None]
) -> list[Performance | None]:
    """Each model on the samples, which are sent to a worker once; None for those that there are not."""
    outputs = iter(
        await engine.outputs(setting.network, [model for model in models if model is not None], samples)
    )
    return [None if model is None else performance(next(outputs), samples.targets) for model in models]
