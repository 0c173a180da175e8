# SPDX-License-Identifier: Apache-2.0
"""A relayer's intake over HTTP: ``POST /tasks/ADDRESS/KIND`` with one message, ``GET /`` says which tasks it is of.

Whoever sends much that is refused is asked to wait, by its address on the network; a message that is taken costs nobody
anything. Connections are for whatever stands before it to limit, when it is open to the world.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bcfl.agents.errors import IntakeOccupied, MessageEarly, MessageRefused, RelayError
from bcfl.agents.relayer.intake import Intake
from bcfl.agents.relayer.wire import LARGEST, decoded
from bcfl.contracts.ids import Address

__all__ = ("STATUS", "IntakeService")

STATUS: dict[type[RelayError], int] = {MessageRefused: 409, MessageEarly: 425, IntakeOccupied: 429}
"""HTTP's numbers for why a message was not taken (RFC 9110, RFC 8470, RFC 6585)."""
_REFUSALS = 64
_REFUSALS_A_SECOND = 1.0
_KNOWN = 4096
_READING_S = 5.0


class IntakeService:
    """The intakes of a relayer's tasks, for others to send to.

    Args:
        intakes: by task; more may come and go.
        chain_id: of the chain that the tasks are on.
        now: seconds from any origin.
    """

    def __init__(
        self,
        intakes: Mapping[Address, Intake],
        *,
        chain_id: int,
        now: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._intakes = intakes
        self._chain_id = chain_id
        self._refusals = _Refusals(now)
        self.app = Starlette(
            routes=[
                Route("/", self._about),
                Route("/tasks/{task}/{kind}", self._take, methods=["POST"]),
            ]
        )

    async def _about(self, _: Request) -> Response:
        tasks = {
            task: {
                "joins": len(intake.joins),
                "commitments": len(intake.commitments),
                "openings": len(intake.openings),
            }
            for task, intake in self._intakes.items()
        }
        return JSONResponse({"relayer": True, "chain_id": self._chain_id, "tasks": tasks})

    async def _take(self, request: Request) -> Response:
        sender = request.client.host if request.client is not None else ""
        try:
            self._refusals.check(sender)
            message = decoded(request.path_params["kind"], await _body(request))
            intake = self._intakes.get(Address(request.path_params["task"]))
            if intake is None:
                raise MessageEarly("The task is not one that messages are taken for here.")
            await intake.take(message)
        except ClientDisconnect:
            self._refusals.note(sender)
            return Response(status_code=400)
        except RelayError as error:
            if not isinstance(error, IntakeOccupied):
                # Who is a block ahead of this relayer has done nothing wrong, and costs little.
                self._refusals.note(sender, 1 / 16 if isinstance(error, MessageEarly) else 1)
            return JSONResponse({"refused": str(error)}, status_code=STATUS[type(error)])
        return JSONResponse({"taken": True}, status_code=202)


async def _body(request: Request) -> bytes:
    """All of it, unless it is too much or comes too slowly."""
    data = b""
    with anyio.move_on_after(_READING_S):
        async for part in request.stream():
            data += part
            if len(data) > LARGEST:
                raise MessageRefused(f"A message has at most {LARGEST} bytes.")
        return data
    raise MessageRefused(f"The message did not come within {_READING_S:g} s.")


class _Refusals:
    """How much of late was refused that came from where: a bucket for each address that fills by the second."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, sender: str) -> None:
        if self._level(sender) < 1:
            raise IntakeOccupied("Too much that is refused comes from there: wait some seconds.")

    def note(self, sender: str, weight: float = 1) -> None:
        self._left[sender] = (self._level(sender) - weight, self._now())
        self._left.move_to_end(sender)
        while len(self._left) > _KNOWN:
            self._left.popitem(last=False)

    def _level(self, sender: str) -> float:
        left, since = self._left.get(sender, (float(_REFUSALS), self._now()))
        return min(float(_REFUSALS), left + (self._now() - since) * _REFUSALS_A_SECOND)
