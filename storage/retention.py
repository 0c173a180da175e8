# SPDX-License-Identifier: Apache-2.0
"""Which contents of a task to keep and which to let go, from its finalised rounds alone.

Pure: an agent asks it when a round is ``Final`` and unpins what it answers. By default everything is kept, so that an
audit can go back to the first round.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bcfl.contracts.ids import ContentId

__all__ = ("FinalisedRound", "Retention", "RetentionPolicy", "retain")


@dataclass(frozen=True, kw_only=True)
class FinalisedRound:
    """The contents of one round that can no longer be reorganised away."""

    number: int
    model: ContentId
    """The global model that the round agreed on; the one before it where the round was void."""

    updates: tuple[ContentId, ...]
    """What its trainers revealed."""

    memory: ContentId | None = None
    """What the server optimiser remembers at the model; kept as long as that."""

    @property
    def made(self) -> tuple[ContentId, ...]:
        """The model, with what belongs to it."""
        return (self.model,) if self.memory is None else (self.model, self.memory)


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """How many of the newest rounds keep their contents; ``None`` keeps all."""

    models: int | None = None
    """Rounds whose global model is kept; at least 1, the current one."""

    updates: int | None = None
    """Rounds whose updates are kept; keep one at least while members may still object to the last round."""

    def __post_init__(self) -> None:
        if self.models is not None and self.models < 1:
            raise ValueError("The newest global model is always kept: 'models' is 1 or more.")
        if self.updates is not None and self.updates < 0:
            raise ValueError("The number of rounds whose updates are kept is 0 or more.")


@dataclass(frozen=True)
class Retention:
    """The two halves of a task's contents."""

    keep: frozenset[ContentId]
    prune: frozenset[ContentId]


def retain(
    *, permanent: Collection[ContentId], rounds: Sequence[FinalisedRound], policy: RetentionPolicy
) -> Retention:
    """Split a task's contents by a policy.

    A content that any kept round names is kept, whatever older round names it too.

    Args:
        permanent: what is kept whatever the policy: the genesis model, the specification, the rounds' reports.
        rounds: the finalised rounds in any order.
        policy: how far back to keep models and updates.
    """
    ordered = sorted(rounds, key=lambda finalised: finalised.number)
    keep = set(permanent)
    for finalised in _newest(ordered, policy.models):
        keep.update(finalised.made)
    for finalised in _newest(ordered, policy.updates):
        keep.update(finalised.updates)
    everything: set[ContentId] = set()
    for finalised in ordered:
        everything.update(finalised.made, finalised.updates)
    return Retention(frozenset(keep), frozenset(everything - keep))


def _newest(ordered: Sequence[FinalisedRound], count: int | None) -> Sequence[FinalisedRound]:
    return ordered if count is None else ordered[max(0, len(ordered) - count) :]
