# SPDX-License-Identifier: Apache-2.0
"""Situations of agents.

::

    AgentError
    ├── AgentBroken          an agent failed too often and is not restarted any more
    └── UpdateLost           a commitment stands on chain and the journal does not have its update
"""

from __future__ import annotations

from bcfl.errors import AgentError

__all__ = ("AgentBroken", "UpdateLost")


class AgentBroken(AgentError):
    """An agent failed too often; its log says why."""


class UpdateLost(AgentError):
    """A commitment of this agent stands on chain, but its journal does not have the update."""
