# SPDX-License-Identifier: Apache-2.0
"""The kernel's C functions with Python's types: weights and samples in, weights and numbers out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Samples
from bcfl.models.errors import JobCancelled, KernelUnavailable, WorkFailed
from bcfl.models.kernel.building import built, processor_build
from bcfl.models.kernel.plan import LayerPlan
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.hyperparameters import Hyperparameters
from bcfl.models.training.optimizers import Sgd

__all__ = ("Library", "Measured", "library")

_FORMS = {np.dtype(np.float32): 0, np.dtype(np.uint8): 1, np.dtype(np.int64): 2}
_CANCELLED = 1
_REASONS = {
    2: "cannot take such samples",
    3: "found no memory for a job: use fewer workers",
    4: "met a token beyond the network's vocabulary",
}
_NARROW, _WIDE = 8, 16


class _Samples(ctypes.Structure):
    _fields_ = (
        ("inputs", ctypes.c_void_p),
        ("form", ctypes.c_int32),
        ("scale", ctypes.c_float),
        ("targets", ctypes.c_void_p),
    )


class _Call(ctypes.Structure):
    _fields_ = (
        *((axis, ctypes.c_int32) for axis in ("channels", "height", "width", "layers")),
        ("plan", ctypes.c_void_p),
        ("samples", _Samples),
        ("indices", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("cancelled", ctypes.c_void_p),
    )


class _Descent(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_double)
            for name in ("learning_rate", "momentum", "weight_decay", "proximal", "clip_norm")
        ),
        *((name, ctypes.c_int64) for name in ("batch_size", "epochs", "most_steps")),
        *((name, ctypes.c_int32) for name in ("shuffle", "nesterov")),
    )


class _Trained(ctypes.Structure):
    _fields_ = (("loss", ctypes.c_double), ("steps", ctypes.c_int64))


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Of each sample, in the order of the indices: loss in nats, probability of its class, the class with the largest logit."""

    losses: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    largest: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32] | None
    """(n, classes), where asked for."""


class Library:
    """One build of the kernel; its functions hold nothing, so any thread may call them, and Python's lock is free meanwhile.

    Args:
        path: of the shared library.
        width: lanes of a register, 8 or 16; None: 16 where the build has them, and a batch more than 8 samples.
    """

    def __init__(self, path: Path, width: int | None = None) -> None:
        try:
            self._functions: Any = ctypes.CDLL(str(path))
        except OSError as error:
            raise KernelUnavailable(
                f"The kernel 'lanes' at {path} cannot be loaded ({error}): delete it, and it is made anew."
            ) from error
        self._functions.lanes_parameters.restype = ctypes.c_int64
        self._widest: int = self._functions.lanes_widest()
        self._width = width

    def train(
        self,
        plan: LayerPlan,
        vector: npt.NDArray[np.float32],
        samples: Samples,
        indices: npt.NDArray[np.int64],
        *,
        given: Hyperparameters,
        seed: int,
        most_steps: int | None,
        cancelled: Cancellation,
    ) -> tuple[npt.NDArray[np.float32], float, int]:
        """Weights (d,) after descent from ``vector``, the last epoch's mean loss a sample, and the steps; as torch's, within rounding.

        Raises:
            JobCancelled: ``cancelled`` said so.
            WorkFailed: samples and network do not fit.
        """
        call = _Arguments(plan.training, plan, samples, indices, cancelled)
        weights = np.array(vector, dtype=np.float32)
        trained = _Trained()
        descent = _Descent(
            given.learning_rate,
            given.momentum,
            given.weight_decay,
            given.proximal,
            given.clip_norm,
            given.batch_size,
            given.epochs,
            -1 if most_steps is None else most_steps,
            int(given.shuffle),
            int(isinstance(given.optimizer, Sgd) and given.optimizer.nesterov and given.momentum > 0),
        )
        self._do(
            "lanes_train",
            min(given.batch_size, len(indices)),
            call,
            _pointer(weights),
            ctypes.byref(descent),
            ctypes.c_uint64(seed % 2**64),
            ctypes.byref(trained),
        )
        return weights, float(trained.loss), int(trained.steps)

    def measure(
        self,
        plan: LayerPlan,
        vector: npt.NDArray[np.float32],
        samples: Samples,
        indices: npt.NDArray[np.int64],
        *,
        cancelled: Cancellation,
        logits: bool = False,
    ) -> Measured:
        """The network with weights ``vector`` (d,) on samples; raises as ``train``."""
        call = _Arguments(plan.evaluation, plan, samples, indices, cancelled)
        count = len(indices)
        found = Measured(
            losses=np.empty(count, dtype=np.float32),
            probabilities=np.empty(count, dtype=np.float32),
            largest=np.empty(count, dtype=np.int64),
            logits=np.empty((count, plan.classes), dtype=np.float32) if logits else None,
        )
        self._do(
            "lanes_evaluate",
            count,
            call,
            _pointer(vector),
            _pointer(found.losses),
            _pointer(found.probabilities),
            _pointer(found.largest),
            None if found.logits is None else _pointer(found.logits),
        )
        return found

    def gradient(
        self,
        plan: LayerPlan,
        vector: npt.NDArray[np.float32],
        samples: Samples,
        indices: npt.NDArray[np.int64],
        *,
        divisor: float,
        cancelled: Cancellation,
    ) -> npt.NDArray[np.float32]:
        """Gradient (d,) at ``vector`` of the sum of the samples' losses over ``divisor``, without dropout; raises as ``train``."""
        call = _Arguments(plan.evaluation, plan, samples, indices, cancelled)
        found = np.zeros(plan.parameters, dtype=np.float32)
        self._do(
            "lanes_gradient",
            len(indices),
            call,
            _pointer(vector),
            ctypes.c_double(divisor),
            _pointer(found),
        )
        return found

    def _do(self, name: str, batch: int, call: _Arguments, *arguments: object) -> None:
        lanes = self._lanes(batch)
        if self._functions.lanes_parameters(lanes, call.reference) != call.parameters:
            raise WorkFailed(f"The kernel 'lanes' cannot take samples of the shape {call.shape}.")
        answer: int = getattr(self._functions, name)(lanes, call.reference, *arguments)
        if answer == _CANCELLED:
            raise JobCancelled
        if answer:
            raise WorkFailed(f"The kernel 'lanes' {_REASONS[answer]}.")

    def _lanes(self, batch: int) -> int:
        return self._width or (_WIDE if self._widest == _WIDE and batch > _NARROW else _NARROW)


class _Arguments:
    """What every function takes, and the arrays that it points to, kept alive as long."""

    def __init__(
        self,
        rows: npt.NDArray[np.int32],
        plan: LayerPlan,
        samples: Samples,
        indices: npt.NDArray[np.int64],
        cancelled: Cancellation,
    ) -> None:
        self.shape = samples.inputs.shape[1:]
        if samples.classes > plan.classes:
            raise WorkFailed(
                f"The samples have {samples.classes} classes, and the network tells {plan.classes} apart."
            )
        if plan.inputs and plan.inputs != len(self.shape):
            raise WorkFailed(f"The kernel 'lanes' cannot take samples of the shape {self.shape} there.")
        self.parameters = plan.parameters
        inputs = np.ascontiguousarray(samples.inputs)
        targets = np.ascontiguousarray(samples.targets)
        chosen = np.ascontiguousarray(indices, dtype=np.int64)
        self._kept = (rows, inputs, targets, chosen, cancelled)
        image = len(self.shape) == 3
        shape = self.shape if image else (int(np.prod(self.shape, dtype=np.int64)), 1, 1)
        self.reference = ctypes.byref(
            _Call(
                *shape,
                len(rows),
                _pointer(rows),
                _Samples(
                    _pointer(inputs), _FORMS[inputs.dtype], np.float32(samples.scale), _pointer(targets)
                ),
                _pointer(chosen),
                len(chosen),
                _pointer(cancelled.flag),
            )
        )


def _pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@cache
def library() -> Library:
    """This processor's.

    Raises:
        KernelUnavailable: it cannot run here, or cannot be made.
    """
    return Library(built(processor_build()))
