# SPDX-License-Identifier: Apache-2.0
"""One task as a process takes part in it: what is known of it, and the agents that act on that."""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.agents.runtime.activity import Activity, Bell
from bcfl.agents.runtime.chronicle import Chronicle
from bcfl.agents.runtime.current_task import acting_in
from bcfl.agents.runtime.shell import NO_TASK, Role, Shell
from bcfl.chain.intents import Outcome
from bcfl.chain.keys import Signer
from bcfl.contracts.delivery import Batch, Delivery

__all__ = ("Participation", "Seat")


@dataclass(eq=False, kw_only=True)
class Seat:
    """An agent of a task: its core with its key, its bell, and the shell that it has while it runs."""

    role: Role
    signer: Signer
    bell: Bell
    shell: Shell | None = None


class Participation:
    """A task's chronicle with its agents, none to begin with.

    Args:
        chronicle: of the task.
        activity: of the process.
    """

    def __init__(self, chronicle: Chronicle, activity: Activity) -> None:
        self.chronicle = chronicle
        self.seats: list[Seat] = []
        self._activity = activity
        self._forgotten = 1

    def add(self, role: Role, signer: Signer) -> Seat:
        """One more agent; the order of adding is that of a gathered release."""
        seat = Seat(role=role, signer=signer, bell=Bell(self._activity))
        self.seats.append(seat)
        return seat

    def take(self, delivery: Delivery) -> bool:
        """Take a delivery; whether agents should look again."""
        changed = self.chronicle.apply(delivery)
        # A task's own first event comes in a batch of its own right after the block that made it: agents look
        # at the task when it is whole, so that what they do does not depend on who was faster.
        task = self.chronicle.seen
        whole = task is None or bool(task.deadline)
        return whole and (changed or isinstance(delivery, Batch))

    def ring(self) -> None:
        """Have all of its agents look."""
        for seat in self.seats:
            seat.bell.ring()

    def outcome(self, outcome: Outcome) -> None:
        """Tell the agent what became of its transaction, if it was about this task, or sent before there was one."""
        task = self.chronicle.seen
        if outcome.key.task not in {NO_TASK, None if task is None else task.address}:
            return
        with acting_in(self.chronicle):
            for seat in self.seats:
                if seat.role.name == outcome.key.agent and seat.shell is not None:
                    seat.shell.outcome(outcome)

    def over_for_good(self) -> int | None:
        """The round before which everything is over since this was last asked; None where there is nothing new."""
        final = self.chronicle.final
        if final is None or final.round <= self._forgotten:
            return None
        self._forgotten = final.round
        return final.round - 1
