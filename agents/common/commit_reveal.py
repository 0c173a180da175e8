# SPDX-License-Identifier: Apache-2.0
"""What a commitment on chain hides, among all that an agent has made for the round."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bcfl.agents.runtime.actions import Results, Work

__all__ = ("committed_result",)

R = TypeVar("R")


def committed_result(
    results: Results,
    kind: type[Work[R | None] | Work[R]],
    *,
    round_number: int,
    commitment: bytes,
    hidden: Callable[[R], bytes],
) -> R | None:
    """The result that was committed to; None where it is not at hand, as after a restart.

    After a reorganisation the round may have begun anew from another model and a second result may be there; what was
    committed is what must be opened.

    Args:
        results: of the agent.
        kind: of the work that makes such results.
        round_number: the round.
        commitment: 32 bytes, as the chain has it.
        hidden: the commitment to a result.
    """
    for work in results:
        if isinstance(work, kind) and work.round == round_number:
            result = results.get(work)
            if result is not None and hidden(result) == commitment:
                return result
    return None
