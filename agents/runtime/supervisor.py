# SPDX-License-Identifier: Apache-2.0
"""Restarts an agent that fails, with backoff and a breaker; lets failures of the infrastructure through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import anyio
import structlog

from bcfl.agents.errors import AgentBroken, ModelDisagreement
from bcfl.agents.runtime.activity import Activity
from bcfl.chain.errors import CallTimeout, ConnectionLost, NodeUnreachable, RpcError
from bcfl.errors import BcflError, ChainError

__all__ = ("RestartPolicy", "supervise")

_LOST = (ConnectionLost, NodeUnreachable, CallTimeout)

_log = structlog.stdlib.get_logger("bcfl.agents")


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """How often an agent is started again; delays double from the first to the longest."""

    attempts: int = 4
    first_delay_s: float = 0.1
    longest_delay_s: float = 30.0
    forgiven_after_s: float = 600.0
    """An agent that ran this long starts with a clean slate."""
    outlives_node: bool = False
    """Whether a lost connection is waited out, because the pump is reconnecting, and is no failure of the agent."""


async def supervise(
    name: str, run: Callable[[], Awaitable[None]], *, activity: Activity, policy: RestartPolicy
) -> None:
    """Run an agent until cancelled, starting it again when it fails.

    Raises:
        AgentBroken: it failed too often; the last failure is the cause.
        ModelDisagreement: its model is not the one that was agreed on.
        ChainError: the node, the pump or the journal failed, which no restart of one agent mends.
        BcflError: of precedence 0, such as a full disk: nor does it mend that.
    """
    failures = 0
    while True:
        started = anyio.current_time()
        try:
            await run()
        except Exception as error:
            cause = next((part for part in _leaves(error) if _is_infrastructure(part)), None)
            if isinstance(cause, _LOST) and policy.outlives_node:
                await anyio.sleep(policy.first_delay_s)
                continue
            if cause is not None:
                raise cause from error
            disagreement = next((p for p in _leaves(error) if isinstance(p, ModelDisagreement)), None)
            if disagreement is not None:
                raise disagreement from error  # computed again, it would be the same
            if anyio.current_time() - started > policy.forgiven_after_s:
                failures = 0
            failures += 1
            leaf = next(_leaves(error))
            # Said once at the first failure and once at the last; what is between is for the log file.
            say = _log.warning if failures == 1 else _log.error if failures > policy.attempts else _log.info
            say("agent_failed", agent=name, failures=failures, exc_info=True)
            if failures > policy.attempts:
                raise AgentBroken(
                    f"The agent '{name}' failed {failures} times, last with: {_sentence(leaf)}"
                ) from leaf
            # Busy while it waits: a driven clock must not run ahead of an agent that will be back.
            with activity.under_way():
                delay = policy.first_delay_s * 2 ** (failures - 1)
                await anyio.sleep(min(delay, policy.longest_delay_s))
        else:
            return


def _is_infrastructure(error: BaseException) -> bool:
    """Whether it is everybody's: a chain but for its refusal of one agent's call, a full disk, nobody left to tell."""
    if isinstance(error, BrokenPipeError):
        return True
    if isinstance(error, ChainError):
        return not isinstance(error, RpcError)
    return isinstance(error, BcflError) and error.precedence == 0


def _sentence(error: BaseException) -> str:
    """What it says, or what it is where it says nothing."""
    return str(error) or type(error).__name__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
