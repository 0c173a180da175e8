# SPDX-License-Identifier: Apache-2.0
"""What can happen to agents that live: drawn from a seed, so that the same things happen in the same order again."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ("KINDS", "Fault", "drawn")

# Of a hundred, and how long each lasts at most, in seconds.
KINDS: dict[str, tuple[int, float]] = {
    "kill_agent": (16, 3),
    "suspend_agent": (8, 8),
    "full_disk": (6, 4),
    "kill_node": (3, 2),
    "suspend_node": (4, 4),
    "kill_store": (5, 3),
    "suspend_store": (4, 4),
    "cut": (8, 3),
    "half_open": (6, 8),
    "delay": (6, 6),
    "refuse": (5, 5),
    "refuse_everyone": (2, 4),
    "deaf": (4, 6),
    "shuffle": (4, 6),
    "lose_transactions": (4, 0),
    "double_transactions": (4, 0),
    "reorganise": (6, 0),
    "fee_spike": (3, 0),
    "clock_jump": (2, 0),
}
DEEPEST = 12


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that happens.

    Attributes:
        kind: one of ``KINDS``.
        agent: whom it happens to, where it happens to one.
        lasts_s: until it is over.
        amount: blocks, transactions, gwei or seconds.
        pause_s: until the next one begins.
    """

    kind: str
    agent: str
    lasts_s: float
    amount: int
    pause_s: float


def drawn(seed: int, count: int, agents: Sequence[str], *, mean_pause_s: float) -> Iterator[Fault]:
    """So many faults."""
    rng = random.Random(seed)  # noqa: S311 - weather is no secret
    names = list(KINDS)
    weights = [weight for weight, _ in KINDS.values()]
    for _ in range(count):
        (kind,) = rng.choices(names, weights)
        longest = KINDS[kind][1]
        yield Fault(
            kind=kind,
            agent=rng.choice(agents),
            lasts_s=rng.uniform(0.2, 1.0) * longest,
            amount=rng.randint(1, DEEPEST),
            pause_s=rng.expovariate(1 / mean_pause_s),
        )
