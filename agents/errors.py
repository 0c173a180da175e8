# SPDX-License-Identifier: Apache-2.0
"""Situations of agents.

::

    AgentError
    ├── AgentBroken          an agent failed too often and is not restarted any more
    ├── NothingHappened      a task went through its rounds, and no round was scored or paid
    ├── ModelDisagreement    a consortium agreed on another model than this member computed
    ├── UpdateLost           a commitment stands on chain and the journal does not have its update
    ├── SettingsInvalid      a setting cannot be, or the file of settings cannot be read
    ├── TaskUnfit            the task that an agent was told of is not for it
    ├── TracingUnavailable   traces are wanted, and the packages for them are not here
    ├── RelayError           a message was not taken in by a relayer
    │   ├── MessageRefused   the contract would not take it, or it is not signed by whom it names
    │   ├── MessageEarly     it is of a moment that the relayer's chain has not come to
    │   ├── IntakeOccupied   too much that is refused comes from that address
    │   └── RelayerAway      nobody answers, or nobody who is a relayer
    └── UpdateUnavailable    an update that counts in the next model cannot be had
"""

from __future__ import annotations

from bcfl.errors import AgentError

__all__ = (
    "AgentBroken",
    "IntakeOccupied",
    "MessageEarly",
    "MessageRefused",
    "ModelDisagreement",
    "NothingHappened",
    "RelayError",
    "RelayerAway",
    "SettingsInvalid",
    "TaskUnfit",
    "TracingUnavailable",
    "UpdateLost",
    "UpdateUnavailable",
)


class AgentBroken(AgentError):
    """An agent failed too often; its log says why."""


class ModelDisagreement(AgentError):
    """A consortium agreed on another model than this member computed from the same updates: it must not train on."""


class NothingHappened(AgentError):
    """No round was scored or paid; the log in the run directory says what each agent did."""


class UpdateLost(AgentError):
    """A commitment of this agent stands on chain, but its journal does not have the update."""


class UpdateUnavailable(AgentError):
    """An update that counts in a consortium's next model cannot be had here, so the model cannot be computed."""


class TaskUnfit(AgentError):
    """The task that this agent was told of is not for it."""

    exit_code = 2


class SettingsInvalid(AgentError):
    """A setting cannot be, or the file of settings cannot be read."""

    exit_code = 2


class TracingUnavailable(AgentError):
    """Traces are wanted, and the packages that send them are not here."""

    exit_code = 2


class RelayError(AgentError):
    """A message was not taken in by a relayer."""


class MessageRefused(RelayError):
    """The contract would not take the message, or it is not signed by whom it names."""


class MessageEarly(RelayError):
    """The message is of a moment that the relayer's chain has not come to: worth another try."""


class IntakeOccupied(RelayError):
    """Too much that is refused comes from this address: worth another try later."""


class RelayerAway(RelayError):
    """Nobody answers at that address, or nobody who is a relayer."""
