# SPDX-License-Identifier: Apache-2.0
"""Jobs on their way to a worker in another process, and what it answers: pickles between processes of one program."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass
from typing import Any

from bcfl.models.training.answer import Answer
from bcfl.models.training.bench import Bench, Kernel
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.job import Job

__all__ = ("GivenUp", "Order", "Reply", "reply_to")


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """A job, with the number by which it can be given up: they rise by one."""

    number: int
    job: Job
    kernel: Kernel


@dataclass(frozen=True, kw_only=True, eq=False)
class Reply:
    """What the job came to, or why it could not be done."""

    answer: Any = None
    failure: Exception | None = None

    def outcome(self) -> Answer:
        """The answer; raises the failure."""
        if self.failure is not None:
            raise self.failure
        answer: Answer = self.answer
        return answer


class GivenUp:
    """The orders that are not wanted any more; whichever comes first, the order or the word, it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = -1
        self._under_way: tuple[int, Cancellation] | None = None

    def begin(self, number: int) -> Cancellation:
        """Of an order that begins."""
        with self._lock:
            cancelled = Cancellation()
            if self._last == number:
                cancelled.set()
            self._under_way = number, cancelled
            return cancelled

    def say(self, number: int) -> None:
        """That order is not wanted any more."""
        with self._lock:
            self._last = number
            if self._under_way is not None and self._under_way[0] == number:
                self._under_way[1].set()


def reply_to(order: Order, bench: Bench, given_up: GivenUp) -> Reply:
    """Do the order's job; what it raises is the reply's failure."""
    try:
        cancelled = given_up.begin(order.number)
        return Reply(answer=bench.perform(order.job, kernel=order.kernel, cancelled=cancelled))
    except Exception as error:  # noqa: BLE001 - sent to who gave the order, which raises it
        if error.__cause__ is not None:  # a cause stays behind when an exception is pickled, a note does not
            error.add_note("".join(traceback.format_exception(error.__cause__)))
        return Reply(failure=error)
