# SPDX-License-Identifier: Apache-2.0
"""When signed transactions go to the node: at once, or all together when a scenario's clock driver says so.

Gathered dispatch makes the contents of a block independent of how fast which thread was: agents act in any
order, and what they signed is sent in one fixed order before the driver mines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bcfl.chain.outbox import ActionKey

__all__ = ("Dispatch", "Gathered", "Immediate", "Parcel")


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A signed transaction that may be held back.

    Attributes:
        owner: the owner's place in the order of registration.
        send: sends what the owner then has for the action.
    """

    owner: int
    nonce: int
    key: ActionKey
    send: Callable[[ActionKey], Awaitable[None]]


class Dispatch(Protocol):
    """Decides whether an owner sends a transaction now."""

    @property
    def unsent(self) -> int:
        """How many are held back."""
        ...

    def hold(self, parcel: Parcel) -> bool:
        """True where the parcel is kept for later; False where the owner shall send it now."""
        ...


class Immediate:
    """Every transaction goes out as soon as it is in the outbox."""

    @property
    def unsent(self) -> int:
        """Nothing is ever held back."""
        return 0

    def hold(self, parcel: Parcel) -> bool:  # noqa: ARG002 - the port's signature
        """False: send it."""
        return False


class Gathered:
    """Transactions wait until ``release``."""

    def __init__(self) -> None:
        self._held: dict[ActionKey, Parcel] = {}

    @property
    def unsent(self) -> int:
        """How many wait for the release."""
        return len(self._held)

    def hold(self, parcel: Parcel) -> bool:
        """True: it waits."""
        self._held[parcel.key] = parcel
        return True

    async def release(self) -> int:
        """Send all that wait, one after the other by owner's registration and nonce; returns how many.

        One after the other, because a node may take concurrent sends in any order.
        """
        parcels = sorted(self._held.values(), key=lambda parcel: (parcel.owner, parcel.nonce))
        for parcel in parcels:
            await parcel.send(parcel.key)
            del self._held[parcel.key]  # not before, so that a cancelled release loses nothing
        return len(parcels)
