# SPDX-License-Identifier: Apache-2.0
"""The last headers of the chain as it was delivered, and where another chain forks from it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from bcfl.chain.errors import ReorganisationTooDeep
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.ids import BlockHash

__all__ = ("HeaderWindow",)


class HeaderWindow:
    """The newest linked headers, at most ``size`` of them; iterates oldest first.

    Args:
        size: how many are remembered, and so how deep a reorganisation can be undone.
        headers: linked headers to begin with, oldest first.
    """

    def __init__(self, *, size: int = 256, headers: Sequence[BlockRef] = ()) -> None:
        if size < 1:
            raise ValueError(f"A header window remembers at least one header, not {size}.")
        self._headers: deque[BlockRef] = deque(maxlen=size)
        for header in headers:
            self.extend(header)

    def __len__(self) -> int:
        return len(self._headers)

    def __iter__(self) -> Iterator[BlockRef]:
        return iter(self._headers)

    @property
    def tip(self) -> BlockRef | None:
        """The newest header."""
        return self._headers[-1] if self._headers else None

    @property
    def oldest(self) -> BlockRef | None:
        """The oldest header that is remembered."""
        return self._headers[0] if self._headers else None

    def links(self, header: BlockRef) -> bool:
        """Whether the header is the child of the tip; any header is the first of an empty window."""
        tip = self.tip
        return tip is None or (header.number == tip.number + 1 and header.parent_hash == tip.hash)

    def extend(self, header: BlockRef) -> None:
        """Put the tip's child on top; the oldest falls out of a full window.

        Raises:
            ValueError: the header is not the tip's child.
        """
        if not self.links(header):
            raise ValueError(f"Block {header.number} {header.hash} does not follow {self.tip}.")
        self._headers.append(header)

    def at(self, number: int) -> BlockRef | None:
        """The header of that number, None where it is not remembered."""
        if not self._headers:
            return None
        place = number - self._headers[0].number
        return self._headers[place] if 0 <= place < len(self._headers) else None

    def contains(self, header: BlockRef) -> bool:
        """Whether this very block, not only its number, is remembered."""
        return self.at(header.number) == header

    def rewind(self, to: BlockRef) -> tuple[BlockRef, ...]:
        """Make ``to`` the tip again.

        Returns:
            The headers above it, newest first.

        Raises:
            ValueError: ``to`` is not remembered.
        """
        if not self.contains(to):
            raise ValueError(f"Block {to.number} {to.hash} is not in the window.")
        removed = []
        while self._headers[-1] != to:
            removed.append(self._headers.pop())
        return tuple(removed)

    def find_fork(self, canonical: Mapping[int, BlockHash | None]) -> BlockRef | None:
        """The newest remembered block that the node's chain has too.

        Args:
            canonical: hashes of the node's chain by number, from the tip's number downwards as far as they
                were asked for; None where that chain is shorter.

        Returns:
            The common ancestor, or None when it stands below the numbers asked for: ask for more.

        Raises:
            ReorganisationTooDeep: no remembered block is in the node's chain.
        """
        for header in reversed(self._headers):
            if header.number not in canonical:
                return None
            if canonical[header.number] == header.hash:
                return header
        oldest = self.oldest
        raise ReorganisationTooDeep(
            f"The chain was reorganised below block {oldest.number if oldest else 0}, the oldest of the "
            f"{len(self)} headers remembered: it cannot be said what to retract; start again from a trusted block."
        )
