# SPDX-License-Identifier: Apache-2.0
"""Many classes as few groups: what is looked at class by class must not cost a gradient for each letter of an alphabet."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from bcfl.models.training.job import ClassEvaluation

__all__ = ("class_groups", "grouped")

_MANY = 64
"""Classes above which they are grouped: up to here a class is a group."""


def class_groups(counts: npt.NDArray[np.int64], groups: int) -> npt.NDArray[np.int64]:
    """The group of each class, (classes,), numbered from 0: about ``groups`` of about as many samples, a frequent class by itself.

    With 64 classes or fewer each is its own group. Largest first, each to the group that has least so far (Graham 1969), which
    depends on the counts alone, so that whoever repeats it has the same groups.

    Args:
        counts: samples of each class.
        groups: that are wanted, at least 1.
    """
    if len(counts) <= _MANY:
        return np.arange(len(counts))
    found = np.zeros(len(counts), dtype=np.int64)
    loads = np.zeros(min(groups, len(counts)), dtype=np.int64)
    for label in np.argsort(-counts, kind="stable"):
        found[label] = np.argmin(loads)
        loads[found[label]] += counts[label]
    return found


def grouped(evaluation: ClassEvaluation, groups: npt.NDArray[np.int64]) -> ClassEvaluation:
    """The evaluation with groups (``class_groups``) in the place of classes; the very same where each class is its own."""
    count = int(groups.max(initial=-1)) + 1
    if count == len(groups):
        return evaluation
    members = (groups == np.arange(count)[:, None]) * evaluation.counts  # (groups, classes)
    sizes = members.sum(axis=1)
    # A broken model's loss is no number, and 0 times that is none either: only what has samples is added up.
    losses = np.where(evaluation.counts > 0, evaluation.losses, 0.0) @ members.T / np.maximum(sizes, 1)
    return dataclasses.replace(evaluation, losses=losses, counts=sizes)
