# SPDX-License-Identifier: Apache-2.0
"""What is looked at before a run costs anything: do data, network, limits, device and disk fit the scenario and each other?"""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection
from pathlib import Path

from bcfl import registry
from bcfl.models.data.dataset import Dataset
from bcfl.models.data.soundness import check_dataset
from bcfl.models.errors import NetworkUnfit
from bcfl.models.kernel.choice import chosen_kernel
from bcfl.models.training.privacy import Privacy, check_opacus, is_here, steps_of
from bcfl.models.training.private import private_module
from bcfl.models.training.trial import check_device, model_bytes, needs_pairs, try_batch
from bcfl.scenarios.definition.schema import PrivacyKeys, Scenario
from bcfl.scenarios.errors import DiskTooSmall, ModelTooLarge
from bcfl.scenarios.planning.population import Population

__all__ = (
    "check_disk",
    "check_fit",
    "check_model_size",
    "check_privacy",
    "check_shares",
    "fitted",
    "privacy_of",
    "steps_in",
    "with_kernel",
)

_HEADER_BYTES = 4096
"""Of an update beside its numbers: names and shapes of its tensors."""


def fitted(scenario: Scenario, dataset: Dataset) -> Scenario:
    """The scenario with what its network leaves open taken from the data: numbers a sample (``inputs``), ``vocabulary``, ``classes``."""
    entry = scenario.task.network
    keys = {parameter.name for parameter in registry.find("network", entry.name).parameters}
    network = entry.create("network")
    train, test = dataset.train, dataset.test
    found = {"inputs": math.prod(train.inputs.shape[1:]), "classes": max(train.classes, test.classes)}
    if (
        train.tokens
    ):  # an alphabet has letters that few texts have: it grows where it is too small, and never shrinks
        for key in ("vocabulary", "classes"):
            least = max(train.vocabulary, test.vocabulary, found["classes"])
            found[key] = max(least, getattr(network, key, 0))
    taken = {
        key: value
        for key, value in found.items()
        if key in keys and key not in entry.parameters and getattr(network, key) != value
    }
    if not taken:
        return scenario
    entry = entry.model_copy(update={"parameters": {**entry.parameters, **taken}})
    task = scenario.task.model_copy(update={"network": entry})
    return scenario.model_copy(update={"task": task})


def with_kernel(scenario: Scenario, dataset: Dataset) -> Scenario:
    """The scenario with ``compute.kernel`` chosen: what it says, or what suits its network on this machine.

    Raises:
        KernelUnavailable: it asks for ``lanes``, and that cannot be.
    """
    compute, task = scenario.compute, scenario.task
    kernel = chosen_kernel(
        compute.kernel,
        task.network.create("network"),
        task.training.stated(),
        shape=dataset.train.inputs.shape[1:],
        device=compute.device,
    )
    return scenario.model_copy(update={"compute": compute.model_copy(update={"kernel": kernel})})


def check_fit(scenario: Scenario, dataset: Dataset) -> int:
    """Look at the data, at the size of a model, and send one batch of each part through the network; how many classes that tells apart.

    Raises:
        ModelError: data, network or device do not fit, with the key to mend.
        ModelTooLarge: no update could be handed in.
    """
    check_device(scenario.compute.device)
    check_dataset(dataset)
    check_model_size(scenario)
    entry = scenario.task.network
    network = entry.create("network")
    if is_here() and any(privacy_of(trainers.privacy) for trainers in scenario.population.present):
        private_module(entry.name, network)
    parts = (dataset.train, dataset.test)
    return max(try_batch(entry.name, network, part, dataset.classes) for part in parts)


def check_model_size(scenario: Scenario) -> None:
    """Raise ``ModelTooLarge`` where no update of the scenario's network could be handed in."""
    entry, limit = scenario.task.network, scenario.task.intake.max_update_bytes
    size = model_bytes(entry.name, entry.create("network"))
    if size is not None and size + _HEADER_BYTES > limit:
        raise ModelTooLarge(
            f"A model of the network '{entry.name}' has {size:,} bytes, and task.intake.max_update_bytes is {limit:,}: set it to "
            f"{size + _HEADER_BYTES} or more, or make the network smaller."
        )


def privacy_of(keys: PrivacyKeys) -> Privacy | None:
    """What a trainer promises its samples; None where it adds no noise."""
    return Privacy(**keys.model_dump()) if keys.noise_multiplier else None


def check_privacy(scenario: Scenario, names: Collection[str] | None = None) -> None:
    """Whether those who train with privacy can, all or those of these names: nobody else needs the package.

    Raises:
        PrivacyUnavailable: it is not installed.
    """
    private = (
        name
        for entry in scenario.population.present
        if privacy_of(entry.privacy) is not None
        for name in entry.names
    )
    if any(names is None or name in names for name in private):
        check_opacus()


def steps_in(scenario: Scenario, samples: int) -> int:
    """Steps of a round with privacy, for a trainer with so many samples."""
    training = scenario.task.training
    return steps_of(samples=samples, batch_size=training.batch_size, epochs=training.epochs)


def check_shares(scenario: Scenario, population: Population) -> None:
    """Whether each trainer's part can be trained on.

    Raises:
        NetworkUnfit: somebody has one sample, and the network needs two in a batch.
    """
    alone = [name for name, share in population.shares.items() if len(share) == 1]
    if alone and needs_pairs(scenario.task.network.create("network")):
        raise NetworkUnfit(
            f"'{alone[0]}' has one sample, and the network '{scenario.task.network.name}' normalises over a batch, which needs two: "
            f"give it more, or leave it out."
        )


def check_disk(scenario: Scenario, directory: Path, model: int) -> None:
    """Whether the models of a run fit the disk of its directory, where they are kept there.

    Args:
        scenario: of the run.
        directory: where its files go; it need not exist yet.
        model: bytes of one model.

    Raises:
        DiskTooSmall: there is less free than the updates of all rounds take.
    """
    if scenario.storage.kind != "directory":
        return
    place = next(one for one in (directory, *directory.absolute().parents) if one.exists())
    remembered = len(scenario.task.server_optimizer.create("server_optimizer").memories)
    wanted = model * (scenario.task.rounds * (len(scenario.trainer_names) + 1 + remembered) + 1)
    free = shutil.disk_usage(place).free
    if free < wanted:
        raise DiskTooSmall(
            f"The models of {scenario.task.rounds} rounds take up to {wanted:,} bytes, and {place} has {free:,} left: make room, write "
            f"fewer rounds, or name another directory with --out."
        )
