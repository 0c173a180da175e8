# SPDX-License-Identifier: Apache-2.0
"""The root of the one error tree.

Each room adds its situations in its own ``errors.py``; every one of them descends from a branch below::

    BcflError
    ├── ContractError    what was agreed does not fit: artifacts, logs, specifications
    ├── ChainError       a node, the pump, the journal or a transaction
    ├── StorageError     a content store or a fetch
    ├── ModelError       data, networks, training, scoring, aggregation, the wire format
    ├── AgentError       a role, the supervisor, the auditor
    ├── ScenarioError    a scenario file or a run directory
    ├── TrackingError    an experiment tracker that a run is followed into
    └── RegistryError    a named entry or its parameters

An error's class docstring is its default message. ``str(error)`` is one clear sentence for a person: what,
where, how to mend. The precise cause, where there is one, is in ``__cause__``.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = (
    "AgentError",
    "BcflError",
    "ChainError",
    "ContractError",
    "ModelError",
    "RegistryError",
    "ScenarioError",
    "StorageError",
    "TrackingError",
    "first_cause",
)

_OF_OTHERS = 2


class BcflError(Exception):
    """Something in bcfl went wrong."""

    exit_code: ClassVar[int] = 1
    """The exit status of the ``bcfl`` command when this error ends it."""
    precedence: ClassVar[int] = 1
    """Among several that end one run, the lowest is told: 0 is everybody's and explains all others, 3 only follows from one of them."""

    def __init__(self, message: str | None = None) -> None:
        if message is None:
            message = " ".join((self.__class__.__doc__ or "").split())
        super().__init__(message)


def first_cause(error: BaseException) -> BaseException:
    """Of all that ended a run together, what the others follow from; an error that is not ours comes before what only follows."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = (first_cause(part) for part in error.exceptions)
    return min(causes, key=lambda one: one.precedence if isinstance(one, BcflError) else _OF_OTHERS)


class ContractError(BcflError):
    """What the contracts and this program agreed on does not fit together."""

    exit_code = 3


class ChainError(BcflError):
    """The chain node could not be used."""

    exit_code = 4


class StorageError(BcflError):
    """The content store could not be used."""

    exit_code = 5


class ModelError(BcflError):
    """Data, a model or a computation on them is not usable."""

    exit_code = 6


class AgentError(BcflError):
    """An agent could not go on."""

    exit_code = 7


class ScenarioError(BcflError):
    """The scenario cannot be run as it is written."""

    exit_code = 2


class RegistryError(BcflError):
    """A named entry or its parameters are not known."""

    exit_code = 2


class TrackingError(BcflError):
    """An experiment tracker cannot be used."""

    exit_code = 1
