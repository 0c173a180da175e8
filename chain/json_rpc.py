# SPDX-License-Identifier: Apache-2.0
"""What a JSON-RPC message says (JSON-RPC 2.0)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bcfl.chain.errors import RpcError

__all__ = ("answers", "result")


def answers(message: str | bytes) -> Iterator[dict[str, Any]]:
    """The answers and notifications of a message, which may be a batch.

    Raises:
        ValueError: it is no JSON-RPC.
    """
    parsed = json.loads(message)
    for answer in parsed if isinstance(parsed, list) else (parsed,):
        if not isinstance(answer, dict):
            raise ValueError(f"a {type(answer).__name__} where an object is due")  # noqa: TRY004 - a peer's fault
        yield answer


def result(answer: dict[str, Any], method: str) -> Any:  # noqa: ANN401 - any JSON
    """What an answer brings.

    Raises:
        RpcError: it is an error.
    """
    error = answer.get("error")
    if error is not None:
        raise RpcError(
            int(error.get("code", 0)), str(error.get("message", "")), error.get("data"), method=method
        )
    return answer.get("result")
