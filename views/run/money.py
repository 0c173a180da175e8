# SPDX-License-Identifier: Apache-2.0
"""Where the tokens of a task went, as a sum that comes out even."""

from __future__ import annotations

from bcfl.scenarios.definition.tokens import format_tokens
from bcfl.scenarios.outcome.summary import TokenTotals

__all__ = ("as_sum",)


def as_sum(tokens: TokenTotals) -> str:
    """What came in = what went out; stakes and bonds that were lost only where there were any."""
    came, went = [f"budget {format_tokens(tokens.budget)}"], [f"paid {format_tokens(tokens.paid)}"]
    went.append(f"returned {format_tokens(tokens.returned)}")
    if int(tokens.forfeited):
        came.append(f"forfeited {format_tokens(tokens.forfeited)}")
    if int(tokens.unclaimed):
        went.append(f"unclaimed {format_tokens(tokens.unclaimed)}")
    return f"{' + '.join(came)} = {' + '.join(went)}"
