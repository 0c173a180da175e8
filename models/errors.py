# SPDX-License-Identifier: Apache-2.0
"""Situations in models.

::

    ModelError
    ├── DataUnavailable          a data set is not there and cannot be had
    ├── DataCorrupt              a data file is not what it should be
    │   └── UnsafePickle         a pickle asks for more than arrays
    ├── PartitionImpossible      the samples cannot be divided as asked
    ├── NetworkUnfit             a network cannot be built, or does not fit the data
    ├── ExportImpossible         a model cannot be written as a program of its own
    ├── InvalidHyperparameters   a learning rate, batch size, ... that nothing can be trained with
    ├── PrivacyUnavailable       a trainer should train with privacy, and Opacus is not there
    ├── DeviceUnavailable        the engine should compute on a device that is not there
    ├── KernelUnavailable        the compiled kernel cannot be had here, or does not have the task's layers
    ├── ClusterUnavailable       no Ray cluster answers, or its nodes have another program
    ├── UnknownSamples           a job names samples that the engine was not given
    ├── SamplesConflict          other samples have that key already
    ├── JobCancelled             a job was given up between two batches
    ├── WorkFailed               a job raised something unforeseen
    ├── WorkerDied               a worker process ended in the middle of a job
    ├── TooManyMembers           exact Shapley values of more members than can be enumerated
    ├── InvalidRound             a scoring round's updates and weights do not fit together
    ├── InvalidFold              models and integer weights that cannot be folded
    ├── SchemaMismatch           two sets of weights do not have the same tensors
    └── MalformedUpdate          bytes that are not an update of the expected schema; its ``reason`` says in what
"""

from __future__ import annotations

from typing import Literal

from bcfl.errors import ModelError

__all__ = (
    "ClusterUnavailable",
    "DataCorrupt",
    "DataUnavailable",
    "DeviceUnavailable",
    "ExportImpossible",
    "InvalidFold",
    "InvalidHyperparameters",
    "InvalidRound",
    "JobCancelled",
    "KernelUnavailable",
    "MalformedReason",
    "MalformedUpdate",
    "NetworkUnfit",
    "PartitionImpossible",
    "PrivacyUnavailable",
    "SamplesConflict",
    "SchemaMismatch",
    "TooManyMembers",
    "UnknownSamples",
    "UnsafePickle",
    "WorkFailed",
    "WorkerDied",
)


class SchemaMismatch(ModelError):
    """Two sets of weights do not have the same tensor names, shapes and dtypes."""


class DataUnavailable(ModelError):
    """The data set is not on this machine and could not be fetched."""


class DataCorrupt(ModelError):
    """A data file does not have the content that it should have."""


class UnsafePickle(DataCorrupt):
    """A data file asks for objects other than plain arrays, so it is not read."""


class PartitionImpossible(ModelError):
    """The samples cannot be divided among the clients in that way."""


class NetworkUnfit(ModelError):
    """The network cannot be built, or takes other samples or tells fewer classes apart than the data have."""


class ExportImpossible(ModelError):
    """The model cannot be written in that format here."""


class InvalidHyperparameters(ModelError):
    """These hyper-parameters cannot train anything."""


class PrivacyUnavailable(ModelError):
    """A trainer should train with differential privacy, and the package that does it is not installed."""


class DeviceUnavailable(ModelError):
    """The device to compute on is not available."""


class KernelUnavailable(ModelError):
    """The kernel 'lanes' cannot be made or run on this machine, or does not have a layer of the network."""


class ClusterUnavailable(ModelError):
    """The Ray cluster does not answer, or its nodes do not have the program of this process."""


class UnknownSamples(ModelError):
    """The engine has no samples of that key: add them with add_samples first."""


class SamplesConflict(ModelError):
    """The engine has other samples under that key already: choose another key."""


class JobCancelled(ModelError):
    """The job was cancelled between two batches."""


class WorkFailed(ModelError):
    """A worker could not finish a job."""


class WorkerDied(ModelError):
    """A worker process ended in the middle of a job; the next job starts a new one."""


class TooManyMembers(ModelError):
    """Exact Shapley values enumerate every coalition, which is feasible up to 16 members."""


class InvalidRound(ModelError):
    """A scoring round needs one aggregation weight for each update."""


class InvalidFold(ModelError):
    """A fold needs one integer weight below 2²⁹ for each model, at least one of them above zero."""


MalformedReason = Literal[
    "truncated",  # ends inside its header or its tensors
    "trailing",  # bytes after the last tensor
    "header_size",  # a longer header than accepted
    "header_syntax",  # not a JSON object in UTF-8
    "header_depth",  # JSON nested too deeply
    "header_number",  # a fraction, an exponent, NaN, or more digits than any size has
    "duplicate_key",  # a key twice in one JSON object
    "metadata",  # not a bounded map of texts to texts
    "names",  # not the tensors of the schema
    "entry",  # a tensor's entry without or beyond dtype, shape and data_offsets
    "dtype",  # another dtype than the schema's
    "shape",  # another shape than the schema's
    "offsets",  # a range of bytes that does not fit the shape
    "overlap",  # two tensors share bytes
    "gap",  # bytes between tensors
    "non_finite",  # NaN or an infinity
    "packed",  # not as the task's codec packs an update
]
"""Why an update was refused; stable, as reports and event logs carry it."""


class MalformedUpdate(ModelError):
    """The bytes are not an update of the expected schema."""

    def __init__(self, message: str | None = None, *, reason: MalformedReason) -> None:
        super().__init__(message)
        self.reason: MalformedReason = reason
