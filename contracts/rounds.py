# SPDX-License-Identifier: Apache-2.0
"""A task's rounds where the old ones are kept elsewhere: the newest in memory, the others read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from bcfl.contracts.state import RoundRecord

__all__ = ("KeptRounds", "ReadRound", "changed_rounds", "put_away", "with_rounds")

ReadRound = Callable[[int], RoundRecord]
"""An old round by its number."""


class KeptRounds(Mapping[int, RoundRecord]):
    """Rounds by number, from the first on.

    Args:
        held: those in memory; of a number up to ``upto`` one that has changed since it was kept.
        upto: the newest that is kept elsewhere, with all before it.
        read: reads one of those.
    """

    def __init__(self, held: Mapping[int, RoundRecord], *, upto: int, read: ReadRound) -> None:
        self.held = MappingProxyType(dict(held))
        self.upto = upto
        self.read = read

    def __getitem__(self, number: int) -> RoundRecord:
        """That round; one that is kept elsewhere is read.

        Raises:
            KeyError: there is none.
        """
        record = self.held.get(number)
        if record is not None:
            return record
        if not 1 <= number <= self.upto:
            raise KeyError(number)
        return self.read(number)

    def __contains__(self, number: object) -> bool:
        """Whether there is one, without reading it."""
        return number in self.held or (isinstance(number, int) and 1 <= number <= self.upto)

    def __iter__(self) -> Iterator[int]:
        """Numbers, ascending."""
        yield from range(1, self.upto + 1)
        yield from sorted(number for number in self.held if number > self.upto)

    def __len__(self) -> int:
        """How many there are."""
        return self.upto + sum(number > self.upto for number in self.held)


def put_away(
    rounds: Mapping[int, RoundRecord], kept: Mapping[int, RoundRecord], *, upto: int, read: ReadRound
) -> Mapping[int, RoundRecord]:
    """Without those up to that number in memory, which ``read`` gives from now on.

    Args:
        rounds: of a state.
        kept: those that were written; one that a state has otherwise stays.
        upto: the newest to put away.
        read: gives those that were written.
    """
    if upto <= (rounds.upto if isinstance(rounds, KeptRounds) else 0):
        return rounds
    written = _held(kept)
    left = {
        number: record
        for number, record in _held(rounds).items()
        if number > upto or record is not written.get(number)
    }
    return KeptRounds(left, upto=upto, read=read)


def with_rounds(
    rounds: Mapping[int, RoundRecord], changed: Mapping[int, RoundRecord]
) -> Mapping[int, RoundRecord]:
    """The rounds, with these instead of those of the same number."""
    if isinstance(rounds, KeptRounds):
        return KeptRounds({**rounds.held, **changed}, upto=rounds.upto, read=rounds.read)
    return MappingProxyType({**rounds, **changed})


def changed_rounds(rounds: Mapping[int, RoundRecord], before: Mapping[int, RoundRecord]) -> set[int]:
    """Numbers of the rounds that are others than before; what is kept elsewhere is not."""
    known = _held(before)
    return {number for number, record in _held(rounds).items() if record is not known.get(number)}


def _held(rounds: Mapping[int, RoundRecord]) -> Mapping[int, RoundRecord]:
    """Those in memory."""
    return rounds.held if isinstance(rounds, KeptRounds) else rounds
