# SPDX-License-Identifier: Apache-2.0
"""A server of one process: on loopback, for loopback alone, and a port that is taken is told in a sentence."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bcfl.serving import PortTaken, serving


async def _hello(_):
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", _hello)])


def _get(url, **headers):
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.asyncio
async def test_it_answers_requests_for_loopback_and_no_others():
    async with serving(APP, port=0) as address:
        assert address.startswith("http://127.0.0.1:")
        assert await anyio.to_thread.run_sync(_get, address) == (200, "hello")
        strange = await anyio.to_thread.run_sync(lambda: _get(address, Host="evil.example"))
        assert strange[0] == 400
    with pytest.raises(urllib.error.URLError):
        await anyio.to_thread.run_sync(_get, address)


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_told_before_anything_begins():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} .*give another port"):
            async with serving(APP, port=port):
                pytest.fail("nobody can listen twice")


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["nowhere", "203.0.113.7"])
async def test_an_address_that_is_none_of_this_machine(host):
    with pytest.raises(PortTaken):
        async with serving(APP, port=0, host=host):
            pytest.fail("there is no such address here")
