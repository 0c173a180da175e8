# SPDX-License-Identifier: Apache-2.0
"""Which addresses a node can be reached at."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ("web_socket_url",)


def web_socket_url(value: str) -> str:
    """The address of a node's WebSocket, as it was given.

    Raises:
        ValueError: it is none, in words that go on after the key's name.
    """
    try:
        parts = urlsplit(value)
        sound = (
            parts.scheme in {"ws", "wss"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(
            "write a WebSocket address, ws://host:port or wss://host:port: events do not come over HTTP"
        )
    return value
