# SPDX-License-Identifier: Apache-2.0
"""How samples are divided among clients: every entry gives disjoint index arrays, one for each client.

All randomness comes from the ``seed`` argument. Where a partition has ``samples_per_client``, a client
keeps at most that many of the samples that fall to it, drawn by the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import PartitionImpossible
from bcfl.registry import register

__all__ = (
    "BySize",
    "Dirichlet",
    "Disjoint",
    "Equal",
    "Indices",
    "Natural",
    "Partition",
    "Shards",
    "Slices",
    "SoleClass",
)

Indices = npt.NDArray[np.int64]

_DIRICHLET_DRAWS = 200


class Partition(Protocol):
    """An entry of kind ``partition``: a frozen dataclass whose fields are its parameters."""

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """Disjoint, non-empty index arrays into ``samples``, one for each of ``clients``.

        Raises:
            PartitionImpossible: the samples cannot be divided in that way.
        """
        ...


@register("partition", "equal")
@dataclass(frozen=True, kw_only=True)
class Equal:
    """Shuffled, the same number for everybody; a remainder goes to the first clients, one each."""

    samples_per_client: int | None = None

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """Equal shares that differ by one sample at most."""
        _enough(samples, clients)
        shares = np.array_split(_generator(seed).permutation(len(samples)), clients)
        return tuple(_capped(share, self.samples_per_client) for share in shares)


@register("partition", "slices", source="the published MNIST experiments")
@dataclass(frozen=True, kw_only=True)
class Slices:
    """Contiguous slices of ``size`` samples in the data's own order, after the first ``skip`` slices.

    The defaults are the published cut of MNIST: five slices of 12,000, of which four clients take the
    second to the fifth.
    """

    size: int = 12_000
    skip: int = 1

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:  # noqa: ARG002 - nothing is drawn
        """The slices ``skip`` … ``skip + clients − 1``."""
        needed = self.size * (self.skip + clients)
        if self.size < 1 or self.skip < 0 or clients < 1 or needed > len(samples):
            raise PartitionImpossible(
                f"{clients} slices of {self.size} samples after the first {self.skip} need {needed} samples, but there "
                f"are {len(samples)}: take smaller slices or fewer clients."
            )
        starts = (self.size * (self.skip + client) for client in range(clients))
        return tuple(np.arange(start, start + self.size, dtype=np.int64) for start in starts)


@register("partition", "by_size")
@dataclass(frozen=True, kw_only=True)
class BySize:
    """Shuffled, shares in proportion to ``ratios``, one ratio for each client: [4, 2, 1, 1].

    ``samples`` limits how many samples are dealt out in all.
    """

    ratios: tuple[float, ...]
    samples: int | None = None

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """Shares whose sizes follow the ratios, rounded down at each cut."""
        if len(self.ratios) != clients or not all(np.isfinite(ratio) and ratio > 0 for ratio in self.ratios):
            raise PartitionImpossible(
                f"{clients} clients need {clients} positive ratios, not {list(self.ratios)}: give one for each client."
            )
        total = min(len(samples), len(samples) if self.samples is None else self.samples)
        cuts = np.floor(np.cumsum(self.ratios) / np.sum(self.ratios) * total).astype(np.int64)
        shares = np.split(_generator(seed).permutation(len(samples))[:total], cuts[:-1])
        return _none_empty(
            shares, f"the ratios {list(self.ratios)} leave a client without a sample of {total}"
        )


@register("partition", "dirichlet", source="Hsu, Qi, Brown 2019, arXiv 1909.06335")
@dataclass(frozen=True, kw_only=True)
class Dirichlet:
    """Each class is divided by a draw from a symmetric Dirichlet distribution: label skew.

    ``alpha`` 0.1 leaves most clients with one or two classes, 100 is nearly even. Draws are repeated until
    every client has at least ``min_size`` samples.
    """

    alpha: float = 0.5
    min_size: int = 10
    samples_per_client: int | None = None

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """Shares of uneven size and classes that together are all samples, before the cap."""
        _enough(samples, clients, each=max(1, self.min_size))
        if not self.alpha > 0:
            raise PartitionImpossible(f"A Dirichlet partition needs an alpha above 0, not {self.alpha}.")
        generator = _generator(seed)
        by_class = [np.flatnonzero(samples.targets == target) for target in np.unique(samples.targets)]
        for _ in range(_DIRICHLET_DRAWS):
            pieces: list[list[Indices]] = [[] for _ in range(clients)]
            for members in by_class:
                proportions = generator.dirichlet(np.full(clients, self.alpha))
                cuts = np.floor(np.cumsum(proportions)[:-1] * len(members)).astype(np.int64)
                for mine, piece in zip(pieces, np.split(generator.permutation(members), cuts), strict=True):
                    mine.append(piece)
            shares = [generator.permutation(np.concatenate(mine)) for mine in pieces]
            if min(len(share) for share in shares) >= max(1, self.min_size):
                return tuple(_capped(share, self.samples_per_client) for share in shares)
        raise PartitionImpossible(
            f"{_DIRICHLET_DRAWS} draws of a Dirichlet partition with alpha {self.alpha} left one of {clients} clients with "
            f"fewer than {self.min_size} of {len(samples)} samples: raise alpha or lower min_size."
        )


@register("partition", "shards", source="McMahan et al. 2017, arXiv 1602.05629")
@dataclass(frozen=True, kw_only=True)
class Shards:
    """Samples sorted by class and cut in equal shards, of which each client gets ``classes_per_client`` at random."""

    classes_per_client: int = 2
    samples_per_client: int | None = None

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """Equal shares of a few classes each."""
        if self.classes_per_client < 1:
            raise PartitionImpossible(
                f"Every client needs at least one class, not {self.classes_per_client}: raise classes_per_client."
            )
        _enough(samples, clients, each=self.classes_per_client)
        generator = _generator(seed)
        shuffled = generator.permutation(len(samples))
        by_class = shuffled[np.argsort(samples.targets[shuffled], kind="stable")]
        shards = np.array_split(by_class, clients * self.classes_per_client)
        dealt = generator.permutation(len(shards)).reshape(clients, self.classes_per_client)
        return tuple(
            _capped(
                generator.permutation(np.concatenate([shards[shard] for shard in mine])),
                self.samples_per_client,
            )
            for mine in dealt
        )


@register("partition", "disjoint", source="Cai, Rueckert, Passerat-Palmbach 2020, arXiv 2011.07516")
@dataclass(frozen=True, kw_only=True)
class Disjoint:
    """Samples sorted by class, all but a share ``disjointness`` of them shuffled again, and cut in equal parts.

    0 is ``equal``; with 1 and as many clients as half the classes nobody shares a class with anybody.
    """

    disjointness: float = 1.0
    samples_per_client: int | None = None

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """Equal parts whose classes overlap the less, the more of them stay sorted."""
        if not 0 <= self.disjointness <= 1:
            raise PartitionImpossible(f"'disjointness' is a share, 0 to 1, not {self.disjointness}.")
        _enough(samples, clients)
        generator = _generator(seed)
        order = generator.permutation(len(samples))
        order = order[np.argsort(samples.targets[order], kind="stable")]
        loose = np.sort(generator.permutation(len(order))[round(self.disjointness * len(order)) :])
        order[loose] = generator.permutation(order[loose])
        return tuple(
            _capped(generator.permutation(part), self.samples_per_client)
            for part in np.array_split(order, clients)
        )


@register("partition", "sole_class", source="Cai, Rueckert, Passerat-Palmbach 2020, arXiv 2011.07516")
@dataclass(frozen=True, kw_only=True)
class SoleClass:
    """The first client alone has the samples of ``classes``, and no others; these are divided equally among the rest."""

    classes: tuple[int, ...] = (9,)
    samples_per_client: int | None = None

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """The sole holder's part, then equal parts of the other classes."""
        if clients < 2:
            raise PartitionImpossible("A class that one client alone holds needs a second client without it.")
        generator = _generator(seed)
        order = generator.permutation(len(samples))
        sole = np.isin(samples.targets[order], self.classes)
        shares = [order[sole], *np.array_split(order[~sole], clients - 1)]
        return tuple(
            _capped(share, self.samples_per_client)
            for share in _none_empty(
                shares,
                f"of the classes {list(self.classes)} or of the others there are too few samples for {clients} clients",
            )
        )


@register("partition", "natural", source="Caldas et al. 2018 (LEAF), arXiv 1812.01097")
@dataclass(frozen=True, kw_only=True)
class Natural:
    """By the owners that the data bring: writers, hospitals.

    With ``merge`` all owners are dealt to the clients in turn; without it each client is one owner, drawn
    by the seed. Owners with fewer than ``least`` samples are left out.
    """

    merge: bool = False
    least: int = 1
    samples_per_client: int | None = None

    def of_owner(self, samples: Samples, owner: int) -> Indices:
        """The samples of one owner, in their order."""
        own: Indices = np.flatnonzero(samples.owners == owner)
        return _capped(own, self.samples_per_client)

    def split(self, samples: Samples, clients: int, seed: int) -> tuple[Indices, ...]:
        """The samples of one owner, or of several whole owners, for each client."""
        if samples.owners is None:
            raise PartitionImpossible(
                "These data do not say who owns a sample: choose another partition, or data with owners."
            )
        generator = _generator(seed)
        owners, counts = np.unique(samples.owners, return_counts=True)
        owners = owners[counts >= self.least]
        if not 1 <= clients <= len(owners):
            having = f" with {self.least} samples or more" if self.least > 1 else ""
            raise PartitionImpossible(
                f"{len(owners)} owners{having} cannot be divided among {clients} clients."
            )
        if not self.merge:
            owners = np.sort(generator.choice(owners, size=clients, replace=False))
        client_of = {int(owner): place % clients for place, owner in enumerate(owners)}
        assigned = np.array([client_of.get(int(owner), -1) for owner in samples.owners])
        shares = [generator.permutation(np.flatnonzero(assigned == client)) for client in range(clients)]
        return tuple(_capped(share, self.samples_per_client) for share in shares)


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _capped(share: Indices, most: int | None) -> Indices:
    if most is not None and most < 1:
        raise PartitionImpossible(
            f"A client needs at least one sample, not {most}: raise samples_per_client."
        )
    return share[:most]


def _enough(samples: Samples, clients: int, *, each: int = 1) -> None:
    if clients < 1 or len(samples) < clients * each:
        raise PartitionImpossible(
            f"{len(samples)} samples cannot be divided among {clients} clients with at least {each} for each."
        )


def _none_empty(shares: list[Indices], situation: str) -> tuple[Indices, ...]:
    if any(len(share) == 0 for share in shares):
        raise PartitionImpossible(f"No partition: {situation}.")
    return tuple(shares)
