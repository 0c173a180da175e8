# SPDX-License-Identifier: Apache-2.0
"""An intake over HTTP with the relayer that speaks to it: what is taken, and what is said of what is not."""

from __future__ import annotations

import json
import socket

import anyio
import httpx
import pytest

from bcfl.agents.errors import IntakeOccupied, MessageEarly, MessageRefused, RelayerAway
from bcfl.agents.relayer import remote
from bcfl.agents.relayer.remote import RemoteRelay
from bcfl.agents.relayer.service import IntakeService
from bcfl.agents.relayer.wire import LARGEST, decoded, encoded
from bcfl.contracts.calls import Permit
from bcfl.contracts.ids import Address
from bcfl.serving import serving

ELSEWHERE = Address(f"0x{0xE15:040x}")


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def served(light, clock):
    task = light(members=3)
    service = IntakeService({task.state.address: task.intake}, chain_id=31337, now=lambda: clock[0])
    return task, serving(service.app, port=0)


def test_messages_come_out_as_they_went_in(light):
    task = light(stake=0).start()
    permit = Permit(value=2**200, deadline=2**256 - 1, v=27, r=b"r" * 32, s=b"s" * 32)
    for message in (task.join(4, permit=permit), task.commitment(1), task.opening(1)):
        kind, data = encoded(message)
        assert decoded(kind, data) == message
        assert len(data) < LARGEST


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("commit", {"round": -1}, "'round' of commit"),
        ("commit", {"index": "1"}, "'index' of commit"),
        ("commit", {"commitment": "zz"}, "32 bytes in lower-case hexadecimal"),
        ("commit", {"more": 1}, "'more' of commit"),
        (
            "join",
            {"permit": {"value": str(2**256), "deadline": "1", "v": 27, "r": "00" * 32, "s": "00" * 32}},
            "below 2²⁵⁶",
        ),
        ("commit", None, "the message"),
        ("leave", {}, "There is no message 'leave'"),
    ],
)
def test_what_is_no_message_is_said_to_be_none(light, kind, change, words):
    task = light().start()
    _, data = encoded(task.join(4) if kind == "join" else task.commitment(1))
    given = b"[" if change is None else json.dumps({**json.loads(data), **change}).encode()
    with pytest.raises(MessageRefused, match=words):
        decoded(kind, given)


@pytest.mark.asyncio
async def test_a_message_is_taken_and_counted(served):
    task, serving_it = served
    async with serving_it as url:
        relay = RemoteRelay(url, pause_s=0.01)
        await relay.hand_in(task.state.address, task.join(4))
        with pytest.raises(MessageRefused, match="is a member already"):
            await relay.hand_in(task.state.address, task.join(0))
        with pytest.raises(MessageEarly, match="not as far as training"):
            await relay.hand_in(task.state.address, task.commitment(0))
        with pytest.raises(MessageEarly, match="not one that messages are taken for"):
            await relay.hand_in(ELSEWHERE, task.join(5))
        async with httpx.AsyncClient(trust_env=False) as client:
            about = (await client.get(url)).json()
    assert about["tasks"] == {task.state.address: {"joins": 1, "commitments": 0, "openings": 0}}


@pytest.mark.asyncio
async def test_what_comes_too_early_is_tried_again(served, monkeypatch):
    task, serving_it = served
    tries = []

    async def later(message):
        tries.append(message)
        if len(tries) < 3:
            raise MessageEarly("Not yet.")

    monkeypatch.setattr(task.intake, "take", later)
    async with serving_it as url:
        await RemoteRelay(url, pause_s=0.01).hand_in(task.state.address, task.join(4))
    assert len(tries) == 3


@pytest.mark.asyncio
async def test_who_is_refused_too_often_waits_and_others_do_not(served, clock):
    task, serving_it = served
    forged = task.join(4, signer=5)
    async with serving_it as url:
        relay = RemoteRelay(url, pause_s=0.01)
        for _ in range(64):
            with pytest.raises(MessageRefused):
                await relay.hand_in(task.state.address, forged)
        with pytest.raises(IntakeOccupied, match="wait some seconds"):
            await relay.hand_in(task.state.address, task.join(4))
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        kind, data = encoded(task.join(5))
        async with httpx.AsyncClient(transport=transport, trust_env=False) as other:
            answer = await other.post(f"{url}/tasks/{task.state.address}/{kind}", content=data)
        assert answer.status_code == 202
        clock[0] += 2
        await relay.hand_in(task.state.address, task.join(4))
    assert len(task.intake.joins) == 2


@pytest.mark.asyncio
async def test_who_is_early_is_not_taken_for_a_flood(served):
    task, serving_it = served
    early, (kind, data) = encoded(task.commitment(0)), encoded(task.join(4))
    async with serving_it as url, httpx.AsyncClient(trust_env=False) as client:
        at = f"{url}/tasks/{task.state.address}"
        told = {(await client.post(f"{at}/{early[0]}", content=early[1])).status_code for _ in range(200)}
        assert told == {425}
        assert (await client.post(f"{at}/{kind}", content=data)).status_code == 202


@pytest.mark.asyncio
async def test_too_much_is_not_read(served):
    task, serving_it = served
    async with serving_it as url, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{url}/tasks/{task.state.address}/commit", content=b"1" * (LARGEST + 1))
    assert (answer.status_code, answer.json()["refused"]) == (409, "A message has at most 2048 bytes.")


@pytest.mark.asyncio
async def test_nobody_and_somebody_else_are_no_relayers(light):
    task = light()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RelayerAway, match="No relayer answers"):
        await RemoteRelay(f"http://127.0.0.1:{port}").hand_in(task.state.address, task.join(4))

    async def teapot(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(teapot, port=0) as url:
        with pytest.raises(RelayerAway, match="is no relayer: it answers 418"):
            await RemoteRelay(url).hand_in(task.state.address, task.join(4))


@pytest.mark.asyncio
async def test_one_that_drips_is_not_waited_for(light, monkeypatch):
    monkeypatch.setattr(remote, "_DEADLINE_S", 0.3)
    task = light()

    async def drips(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 409, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await anyio.sleep(0.05)

    async with serving(drips, port=0) as url:
        with anyio.fail_after(5), pytest.raises(RelayerAway, match=r"has not answered within 0\.3 s"):
            await RemoteRelay(url).hand_in(task.state.address, task.join(4))
