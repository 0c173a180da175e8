# SPDX-License-Identifier: Apache-2.0
"""Where a living agent can be asked how it is: ``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` for who runs it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ("agent_endpoint",)


def agent_endpoint(registry: CollectorRegistry, *, head: Callable[[], int | None]) -> Starlette:
    """The application.

    Args:
        registry: of its metrics.
        head: the newest block it knows, once it knows all before it; None until then.
    """

    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> JSONResponse:
        block = head()
        if block is None:
            return JSONResponse({"status": "reads the past"}, status_code=503)
        return JSONResponse({"status": "level", "block": block})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ]
    )
