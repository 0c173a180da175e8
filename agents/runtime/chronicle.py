# SPDX-License-Identifier: Apache-2.0
"""The task as this process knows it: deliveries folded once for all its agents, undone on a reorganisation.

It holds public history only; what an agent keeps to itself is in its own results and journal entries.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from bcfl.chain.errors import ReorganisationTooDeep
from bcfl.contracts import events as e
from bcfl.contracts.delivery import Batch, BlockRef, Delivery, Level, Retracted
from bcfl.contracts.fold import first_state, fold
from bcfl.contracts.ids import Address
from bcfl.contracts.rounds import ReadRound, put_away
from bcfl.contracts.state import TaskState
from bcfl.contracts.state_codec import HELD_ROUNDS

__all__ = ("Chronicle", "TaskFilter")


@dataclass(frozen=True, kw_only=True)
class TaskFilter:
    """Which task of a factory: the one at an address, or the first of a publisher."""

    factory: Address
    publisher: Address | None = None
    task: Address | None = None

    def matches(self, event: e.TaskCreated) -> bool:
        """Whether that is it."""
        return event.origin.address == self.factory and (
            event.task == self.task if self.task is not None else self.publisher in {None, event.publisher}
        )


class Chronicle:
    """Folds deliveries into ``seen`` and ``final`` states of one task.

    Args:
        wanted: which task.
        state: what is known of it already, and is final.
        block: after which that is so.
    """

    def __init__(
        self, wanted: TaskFilter, *, state: TaskState | None = None, block: BlockRef | None = None
    ) -> None:
        self._wanted = wanted
        self._before: list[tuple[BlockRef, TaskState | None]] = []
        self.seen: TaskState | None = state
        self.final: TaskState | None = state
        self._folded: set[int] = set()
        self.block: BlockRef | None = block
        """The newest block folded."""
        self._first = -1 if block is None else block.number + 1

    @property
    def now(self) -> int:
        """Timestamp of the newest block; 0 before the first."""
        return self.block.timestamp if self.block is not None else 0

    def put_away(self, kept: TaskState, read: ReadRound) -> None:
        """Old rounds leave memory, and are read when they are asked for.

        Args:
            kept: a final state, all rounds of which were written.
            read: gives those.
        """
        upto = kept.round - HELD_ROUNDS
        lighter: dict[int, TaskState] = {}

        def light(state: TaskState | None) -> TaskState | None:
            if state is None:
                return None
            if id(state) not in lighter:  # what was one state stays one
                rounds = put_away(state.rounds, kept.rounds, upto=upto, read=read)
                lighter[id(state)] = (
                    state if rounds is state.rounds else dataclasses.replace(state, rounds=rounds)
                )
            return lighter[id(state)]

        before = [(block, light(state)) for block, state in self._before]
        self.final, self.seen, self._before = light(self.final), light(self.seen), before

    def unfolded(self, batch: Batch) -> tuple[e.Event, ...]:
        """What a block says that was not folded: delivery is at least once."""
        again = bool(self._before) and self._before[-1][0].hash == batch.block.hash
        return tuple(x for x in batch.events if not (again and x.origin.log_index in self._folded))

    def apply(self, delivery: Delivery) -> bool:
        """Take a delivery; True if agents should look again."""
        if isinstance(delivery, Retracted):
            return self._retract(delivery)
        if delivery.level is Level.FINAL:
            return self._finalise(delivery)
        return self._see(delivery)

    def _see(self, batch: Batch) -> bool:
        if self._late_for_others(batch):
            return False
        events = self.unfolded(batch)
        if not self._before or self._before[-1][0].hash != batch.block.hash:
            self._before.append((batch.block, self.seen))
            self._folded = set()
        self.block = batch.block
        self._folded |= {x.origin.log_index for x in events}
        if self.seen is None:
            created = next(
                (x for x in events if isinstance(x, e.TaskCreated) and self._wanted.matches(x)), None
            )
            if created is None:
                return False
            self.seen = first_state(created)
        own = [x for x in events if x.origin.address == self.seen.address]
        if own:
            self.seen = fold(self.seen, own)
        return True

    def _late_for_others(self, batch: Batch) -> bool:
        """Whether it follows up another task's events in a block that is past here; it would turn time back."""
        if self.block is None or batch.block.number >= self.block.number:
            return False
        return self.seen is not None and all(x.origin.address != self.seen.address for x in batch.events)

    def _finalise(self, batch: Batch) -> bool:
        changed = False
        # The state after a block is what stood before the next one.
        for place, (block, _) in enumerate(self._before):
            if block.hash == batch.block.hash:
                after = self._before[place + 1][1] if place + 1 < len(self._before) else self.seen
                changed = after is not self.final
                self.final = after
                del self._before[:place]
                break
        return changed

    def _retract(self, retracted: Retracted) -> bool:
        lowest = min(block.number for block in retracted.blocks)
        if lowest < self._first:
            raise ReorganisationTooDeep(
                f"The chain was reorganised from block {lowest} on, and what is known of the task was final up to block "
                f"{self._first - 1}; raise the confirmations for this chain, and begin with a new journal."
            )
        gone = {block.hash for block in retracted.blocks}
        while self._before and self._before[-1][0].hash in gone:
            block, before = self._before.pop()
            self.seen = before
            self.block = self._before[-1][0] if self._before else block
        return True
