# SPDX-License-Identifier: Apache-2.0
"""The application of ``bcfl dashboard``: two pages, their live parts as server-sent events, and nothing that changes anything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import anyio
import anyio.to_thread
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.ids import Address
from bcfl.scenarios.following.factory import FactoryWatch
from bcfl.scenarios.following.watched import Watched
from bcfl.views.dashboard.frame import SCRIPT, page
from bcfl.views.dashboard.names import Names
from bcfl.views.dashboard.overview import overview_fragment
from bcfl.views.dashboard.rounds import quality_figure
from bcfl.views.dashboard.task import task_fragment, title_of
from bcfl.views.kit.pages import figure

__all__ = ("dashboard_app",)

_LEAST_PAUSE_S = 0.2
_HEADERS = {
    # Titles and names are strangers': even where one were not escaped, nothing of it would run or be fetched.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_CURVES = 16


def dashboard_app(watch: FactoryWatch, *, names: Names, network: str) -> Starlette:
    """The application.

    Args:
        watch: what is shown; somebody runs it.
        names: of accounts.
        network: what the chain is called.
    """
    pages = _Pages(watch, names, network)
    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/live", pages.overview_live),
            Route("/live.js", _script),
            Route("/healthz", pages.healthz),
            Route("/task/{task}", pages.task),
            Route("/task/{task}/live", pages.task_live),
        ],
        exception_handlers={404: pages.missing},
    )


class _Pages:
    """What is answered; ``missing`` to whatever is not there."""

    def __init__(self, watch: FactoryWatch, names: Names, network: str) -> None:
        self._watch = watch
        self._names = names
        self._network = network
        self._curves = _Curves()

    async def overview(self, _: Request) -> Response:
        board = overview_fragment(self._watch.tasks.values())
        return _html(page("Tasks", board, network=self._network, home=True))

    async def overview_live(self, _: Request) -> Response:
        tasks = self._watch.tasks
        pushes = _pushes(
            self._watch, lambda: tuple(tasks.values()), lambda: overview_fragment(tasks.values())
        )
        return EventSourceResponse(pushes, headers=_HEADERS)

    async def task(self, request: Request) -> Response:
        watched = self._found(request)
        board = task_fragment(watched, self._names, curve=await self._curves.of(watched))
        return _html(page(title_of(watched), board, network=self._network))

    async def task_live(self, request: Request) -> Response:
        address = self._found(request).state.address

        def draw() -> str:
            watched = self._watch.tasks.get(address)
            if watched is None:
                return "<h1>Gone</h1><p>A reorganisation of the chain took the block that made this task away.</p>"
            return task_fragment(watched, self._names)

        async def curve() -> str:
            watched = self._watch.tasks.get(address)
            return "" if watched is None else await self._curves.of(watched)

        pushes = _pushes(self._watch, lambda: (self._watch.tasks.get(address),), draw, curve)
        return EventSourceResponse(pushes, headers=_HEADERS)

    async def healthz(self, _: Request) -> Response:
        head = self._watch.head
        return JSONResponse({"status": "alive", "block": None if head is None else head.number})

    async def missing(self, _: Request, __: Exception) -> Response:
        board = '<h1>Not here</h1><p>This factory made no such task: <a href="/">all tasks</a>.</p>'
        return _html(page("Not here", board, network=self._network), status=404)

    def _found(self, request: Request) -> Watched:
        watched = self._watch.tasks.get(Address(request.path_params["task"]))
        if watched is None:
            raise HTTPException(404)
        return watched


async def _script(_: Request) -> Response:
    return Response(SCRIPT, media_type="text/javascript", headers=_HEADERS)


def _html(text: str, *, status: int = 200) -> Response:
    return HTMLResponse(text, status_code=status, headers=_HEADERS)


async def _pushes(
    watch: FactoryWatch,
    shown: Callable[[], Sequence[Watched | None]],
    draw: Callable[[], str],
    curve: Callable[[], Awaitable[str]] | None = None,
) -> AsyncIterator[ServerSentEvent]:
    """The newest block whenever there is one, and the live part whenever what it shows is another; its figure, which takes longer, after it."""
    told_head: BlockRef | None = None
    drawn_of: Sequence[Watched | None] | None = None
    drawn = drawn_curve = ""
    while True:
        news = watch.news
        head, now = watch.head, shown()
        if head is not None and head != told_head:
            told_head = head
            yield ServerSentEvent(
                event="head", data=json.dumps({"block": head.number, "time": head.timestamp})
            )
        if drawn_of is None or not _same(now, drawn_of):
            drawn_of = now
            fragment = draw()
            if fragment != drawn:
                drawn = fragment
                yield ServerSentEvent(event="board", data=fragment)
            figure = "" if curve is None else await curve()
            if figure != drawn_curve:
                drawn_curve = figure
                yield ServerSentEvent(event="curve", data=figure)
        await anyio.sleep(_LEAST_PAUSE_S)  # what changes meanwhile is drawn once
        await news.wait()


def _same(some: Sequence[Watched | None], others: Sequence[Watched | None]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


class _Curves:
    """Figures of the last tasks shown, drawn once for each round."""

    def __init__(self) -> None:
        self._drawn: dict[Address, tuple[object, str]] = {}
        self._drawing = anyio.Lock()

    async def of(self, watched: Watched) -> str:
        quality = watched.quality
        if not quality:
            return ""
        task = watched.state.address
        async with self._drawing:
            known = self._drawn.pop(task, None)
            if known is None or known[0] != quality:
                known = (
                    quality,
                    await anyio.to_thread.run_sync(lambda: figure(lambda: quality_figure(quality))),
                )
            self._drawn[task] = known
            while len(self._drawn) > _CURVES:
                del self._drawn[next(iter(self._drawn))]
        return known[1]
