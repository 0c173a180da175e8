# SPDX-License-Identifier: Apache-2.0
"""What a transaction offers to pay (EIP-1559), and when it has to offer more. Pure; all fees in wei per gas.

A fresh offer covers twice the base fee, which survives about six full blocks in a row (each may raise the
base fee by 12.5 %). A replacement raises both fields by 12.5 %: geth wants at least 10 %, anvil any rise.
"""

from __future__ import annotations

from dataclasses import dataclass

from bcfl.chain.errors import FeeCapReached

__all__ = ("FeePolicy", "Fees", "bump", "initial", "is_priced_out", "is_stuck")

_PASSED_OVER = 4
"""An affordable transaction may wait this many times longer than one that cannot be mined at all."""


@dataclass(frozen=True, kw_only=True)
class Fees:
    """The two fields of an EIP-1559 transaction."""

    max_fee: int
    priority_fee: int

    @property
    def fields(self) -> dict[str, int]:
        """As ``Signer.sign_transaction`` takes them."""
        return {"maxFeePerGas": self.max_fee, "maxPriorityFeePerGas": self.priority_fee}


@dataclass(frozen=True, kw_only=True)
class FeePolicy:
    """What an owner may pay and how long it waits.

    Attributes:
        tip: priority fee of a first offer.
        cap: the highest ``max_fee`` ever offered; None for no cap.
        a_day: the most that transactions may cost on a day (UTC), in wei; None for no limit.
        patience: blocks to wait before a transaction is looked into (is it lost, is it priced out?).
        gas_margin_percent: added to the node's estimate of gas, since state may change before inclusion.
        asks_ahead: a call that the newest block refuses is tried on the one being made, whose time is now: a chain may make
            no block until then. Not where somebody drives the node's time.
    """

    tip: int = 1_000_000_000
    cap: int | None = None
    a_day: int | None = None
    patience: int = 3
    gas_margin_percent: int = 20
    asks_ahead: bool = False

    def __post_init__(self) -> None:
        if (
            self.tip < 0
            or self.patience < 1
            or self.gas_margin_percent < 0
            or min(self.cap or 0, self.a_day or 0) < 0
        ):
            raise ValueError(
                f"A fee policy has no negative amounts and a patience of at least one block: {self}."
            )


def initial(base_fee: int | None, tip: int, cap: int | None = None) -> Fees:
    """A first offer.

    Args:
        base_fee: of the newest block; None where the chain has none (before London) or 0 on a devnet.
        tip: wished priority fee.
        cap: the highest ``max_fee`` allowed; None for no cap.

    Raises:
        FeeCapReached: the base fee alone is above the cap.
    """
    base_fee = base_fee or 0
    if cap is not None and base_fee > cap:
        raise FeeCapReached(
            f"The base fee of {base_fee} wei is above the cap of {cap} wei; raise the cap or wait until it falls."
        )
    max_fee = 2 * base_fee + tip
    if cap is not None:
        max_fee = min(max_fee, cap)
    return Fees(max_fee=max_fee, priority_fee=min(tip, max_fee))


def bump(old: Fees, base_fee: int | None, *, cap: int | None = None) -> Fees:
    """The offer that replaces ``old``: at least 12.5 % more on both fields, and enough for the base fee.

    Raises:
        FeeCapReached: the least acceptable replacement is above the cap.
    """
    base_fee = base_fee or 0
    least = _raised(old.max_fee)
    priority_fee = _raised(old.priority_fee)
    if cap is not None and max(least, base_fee, priority_fee) > cap:
        raise FeeCapReached(
            f"A replacement needs at least {max(least, base_fee)} wei per gas and the cap is {cap} wei; "
            "raise the cap or wait until the base fee falls."
        )
    max_fee = max(least, 2 * base_fee + priority_fee)
    if cap is not None:
        max_fee = min(max_fee, cap)
    return Fees(max_fee=max_fee, priority_fee=priority_fee)


def is_priced_out(fees: Fees, base_fee: int | None) -> bool:
    """Whether no block can take the transaction; anvil drops such a transaction without a word."""
    return fees.max_fee < (base_fee or 0)


def is_stuck(fees: Fees, base_fee: int | None, *, waited: int, patience: int, is_next: bool = True) -> bool:
    """Whether a transaction needs a higher offer: priced out for a while, or passed over for a long while.

    Args:
        fees: what it offers.
        base_fee: of the newest block.
        waited: blocks since it was last sent.
        patience: blocks it is left alone.
        is_next: whether its nonce is the next that the chain takes; a later one is passed over for another reason.
    """
    if is_priced_out(fees, base_fee):
        return waited >= patience
    return is_next and waited >= _PASSED_OVER * patience


def _raised(amount: int) -> int:
    """12.5 % more, rounded up; at least one wei more, so that a zero offer rises too."""
    return max(amount + 1, -(-amount * 9 // 8))
