# SPDX-License-Identifier: Apache-2.0
"""Situations of agents.

::

    AgentError
    ├── AgentBroken          an agent failed too often and is not restarted any more
    ├── ValidationMismatch   the data at hand are not those that the evaluator committed to
    ├── UpdateLost           a commitment stands on chain and the journal does not have its update
    └── TaskOvertaken        the specification on chain is not the one that was read
"""

from __future__ import annotations

from bcfl.errors import AgentError

__all__ = ("AgentBroken", "TaskOvertaken", "UpdateLost", "ValidationMismatch")


class AgentBroken(AgentError):
    """An agent failed too often; its log says why."""


class ValidationMismatch(AgentError):
    """The data at hand are not those that the evaluator committed to; give the same data and seed."""


class UpdateLost(AgentError):
    """A commitment of this agent stands on chain, but its journal does not have the update."""


class TaskOvertaken(AgentError):
    """The task's specification does not fit this agent."""
