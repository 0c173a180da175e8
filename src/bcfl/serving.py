# SPDX-License-Identifier: Apache-2.0
"""An HTTP server of this process, for the length of a block: on loopback, unless somebody says otherwise."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import structlog
import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from bcfl.errors import BcflError

__all__ = ("LOOPBACK", "PortTaken", "serving")

LOOPBACK = "127.0.0.1"
_STARTED_PAUSE_S = 0.01
_LAST_WORDS_S = 1
_OWN_NAMES = ["127.0.0.1", "localhost", "[::1]"]

_log = structlog.stdlib.get_logger("bcfl.serving")


class PortTaken(BcflError):
    """Nobody can listen at this address and port."""

    exit_code = 2


class _Server(uvicorn.Server):
    """Leaves signals to the command: the library would take Ctrl-C for its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, *, port: int, host: str = LOOPBACK) -> AsyncIterator[str]:
    """Serve an application; yields its address as ``http://HOST:PORT``.

    On loopback only requests for loopback are answered, so that no page of a stranger, whose name leads here, can read along.

    Args:
        app: what to serve (ASGI).
        port: 0: a free one.
        host: an address of this machine.

    Raises:
        PortTaken: another program listens there, or there is no such address.
    """
    listening = _bound(host, port)
    if ipaddress.ip_address(host).is_loopback:
        app = TrustedHostMiddleware(app, allowed_hosts=_OWN_NAMES)
    server = _Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_LAST_WORDS_S
        )
    )
    with listening:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}"
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listening])
            while not server.started:  # noqa: ASYNC110 - the library has no event for it
                await anyio.sleep(_STARTED_PAUSE_S)
            _log.info("serving", address=address)
            try:
                yield address
            finally:
                server.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        raise PortTaken(f"{host!r} is no IP address: give one of this machine, such as {LOOPBACK}.") from None
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise PortTaken(f"Nobody can listen at {host}, port {port} ({reason}): give another port.") from error
    return listening
