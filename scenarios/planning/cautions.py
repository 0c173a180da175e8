# SPDX-License-Identifier: Apache-2.0
"""What may be meant, and is worth a sentence before it costs anything: classes that nobody measures, parts below a batch, privacy spent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bcfl.models.data.dataset import Dataset
from bcfl.models.training.privacy import is_here
from bcfl.scenarios.definition.schema import Scenario
from bcfl.scenarios.planning.population import Population
from bcfl.scenarios.planning.preflight import privacy_of, steps_in

__all__ = ("cautions",)

_MOST_NAMED = 5


def cautions(scenario: Scenario, dataset: Dataset, population: Population) -> Iterator[str]:
    """Sentences, in the order in which somebody would want to hear them."""
    yield from _unmeasured(dataset, population)
    yield from _below_a_batch(scenario, population)
    yield from _privacy(scenario, population)


def _unmeasured(dataset: Dataset, population: Population) -> Iterator[str]:
    """Classes that somebody trains on, and whoever judges has no sample of: the evaluator, or all of a consortium's members."""
    train = population.train.targets
    used = np.concatenate([train[share] for share in population.shares.values()])
    held = [train[share] for share in population.held_out.values()]
    judged = np.concatenate(held) if held else population.validation.targets
    missing = np.setdiff1d(used, judged)
    if len(missing):
        labels = dataset.labels(int(missing.max()) + 1)
        yield (
            f"the {len(judged):,} samples to measure on have none of {_listed([labels[one] for one in missing])}: what is learnt "
            f"of that is neither seen nor paid"
        )


def _below_a_batch(scenario: Scenario, population: Population) -> Iterator[str]:
    """Trainers whose whole part is less than one batch."""
    batch = scenario.task.training.batch_size
    small = sorted((len(share), name) for name, share in population.shares.items() if len(share) < batch)
    if small:
        yield (
            f"{_listed([name for _, name in small])} {'has' if len(small) == 1 else 'have'} fewer samples than a batch of {batch} "
            f"(the fewest: {small[0][0]}): an epoch is one step for them"
        )


def _privacy(scenario: Scenario, population: Population) -> Iterator[str]:
    """What those who train with privacy will have spent when the task ends."""
    task = scenario.task
    private = [entry for entry in scenario.population.present if privacy_of(entry.privacy) is not None]
    if private and task.defence.name != "none":
        yield (
            f"the defence '{task.defence.name}' takes noise that keeps samples private for work that was not done, and throws out who adds it: "
            "without a defence (task.defence: none) noise only earns less"
        )
    if not is_here():
        return  # whoever trains so has to have it, and says so
    for entry in private:
        privacy = privacy_of(entry.privacy)
        if privacy is None:
            continue
        for name in entry.names[:_MOST_NAMED]:
            samples = len(population.shares[name])
            epsilon = privacy.epsilon(
                samples=samples,
                batch_size=task.training.batch_size,
                steps=task.rounds * steps_in(scenario, samples),
            )
            yield (
                f"'{name}' will have spent a privacy of ε {epsilon:.3g} (δ {privacy.delta:g}) on {samples:,} samples after "
                f"{task.rounds} rounds"
            )


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return shown + (f" and {more:,} more" if more > 0 else "")
