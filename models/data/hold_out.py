# SPDX-License-Identifier: Apache-2.0
"""A part of somebody's samples that is not trained on, to judge others on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import PartitionImpossible

__all__ = ("hold_out",)

Indices = npt.NDArray[np.int64]


def hold_out(
    part: Indices, targets: npt.NDArray[np.int64], share: float, seed: int
) -> tuple[Indices, Indices]:
    """A part of the data in two: what stays to train on, in its order, and ``share`` of it to judge on, ascending.

    Each class is divided alike, as far as whole samples go: classes with the largest rest give the ones that are
    missing. Both halves have at least one sample.

    Args:
        part: indices into ``targets``, shape (n,).
        targets: classes of the whole split.
        share: above 0 and below 1.
        seed: of the draw.

    Raises:
        PartitionImpossible: there are fewer than two samples.
    """
    if len(part) < 2:
        raise PartitionImpossible(
            f"A member needs at least 2 samples, one to train and one to judge on, not {len(part)}: give it more data."
        )
    wanted = min(max(round(share * len(part)), 1), len(part) - 1)
    shuffled = np.random.default_rng(seed).permutation(part)
    by_class = [shuffled[targets[shuffled] == label] for label in np.unique(targets[part])]
    exact = [wanted * len(members) / len(part) for members in by_class]
    quotas = [int(quota) for quota in exact]
    rests = sorted(range(len(exact)), key=lambda place: (quotas[place] - exact[place], place))
    for place in rests[: wanted - sum(quotas)]:
        quotas[place] += 1
    held = np.sort(np.concatenate([members[:quota] for members, quota in zip(by_class, quotas, strict=True)]))
    return part[~np.isin(part, held)], held
