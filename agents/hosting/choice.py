# SPDX-License-Identifier: Apache-2.0
"""Which tasks an agent takes part in."""

from __future__ import annotations

from dataclasses import dataclass, field

from bcfl.agents.hosting.limits import Limits
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import TaskState

__all__ = ("Choice",)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a task must be; empty or None: whatever it is.

    Attributes:
        task: this one and no other.
        kind: of the task.
        networks: what is trained, by the names of networks.
        publishers: who pays.
        token: what is paid.
        least_pay: the budget by round, in 10⁻⁹ token.
        most_rounds: that the task may have.
        limits: the most that it may ask of the agent.
    """

    task: Address | None = None
    kind: Kind | None = None
    networks: frozenset[str] = frozenset()
    publishers: frozenset[Address] = frozenset()
    token: Address | None = None
    least_pay: int = 0
    most_rounds: int | None = None
    limits: Limits = field(default_factory=Limits)

    def refuses(self, state: TaskState, kind: Kind, *, deposit: int = 0) -> str | None:
        """Why not, by what the chain says; None: it will do.

        Args:
            state: of the task.
            kind: of the task.
            deposit: the agent's own stake and bond there, in 10⁻⁹ token.
        """
        config = state.config
        if self.task is not None:
            return None if state.address == self.task else "it is another task"
        if self.kind is not None and kind is not self.kind:
            return f"it is a {kind.name.lower()} task"
        if self.publishers and state.publisher not in self.publishers:
            return f"its publisher is {state.publisher}"
        return self._refuses_terms(state.budget, config, deposit)

    def refuses_specification(self, specification: Specification) -> str | None:
        """Why not, by what its specification says; None: it will do."""
        if self.task is None and self.networks and specification.network.name not in self.networks:
            return f"it trains {specification.network.name}"
        return None

    def _refuses_terms(self, budget: int, config: TaskConfig, deposit: int) -> str | None:
        if self.token is not None and config.token != self.token:
            return f"it pays in {config.token}"
        if budget < self.least_pay * config.rounds:
            return f"it pays {budget / config.rounds / 1e9:g} tokens a round"
        if self.most_rounds is not None and config.rounds > self.most_rounds:
            return f"it has {config.rounds} rounds"
        if self.limits.stake is not None and deposit > self.limits.stake:
            return f"it asks for {deposit / 1e9:g} tokens of stake and bond"
        return None
