# SPDX-License-Identifier: Apache-2.0
"""What a publisher wants: its contents stored, then its task, once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bcfl.agents.common.publisher import Prepare, Publication, Publisher, decide
from bcfl.agents.runtime.actions import View, Work
from bcfl.contracts import calls
from bcfl.contracts.phases import Kind
from bcfl.storage.content_id import content_id
from bcfl.storage.memory import MemoryStore

PERMIT = calls.Permit(value=5, deadline=6, v=27)
NOBODY = View(seen=None, final=None, now=0)


@pytest.fixture
def publication(story):
    created = story().created
    return Publication(
        factory=created.origin.address, config=created.config, evaluators=created.evaluators, budget=10_000
    )


def test_it_prepares_first(publication):
    assert decide(NOBODY, publication, {}) == [Prepare(round=0)]


def test_then_it_creates_the_task_with_the_permit(publication):
    prepare, create = decide(NOBODY, publication, {Prepare(round=0): PERMIT})
    assert prepare == Prepare(round=0)
    assert (create.round, create.name) == (0, "create_task")
    assert create.call == calls.create_task(
        publication.factory,
        kind=Kind.CROWDSOURCING,
        config=publication.config,
        evaluators=publication.evaluators,
        budget=10_000,
        permit=PERMIT,
    )


def test_a_task_that_exists_needs_no_other(story, publication):
    view = View(seen=story().state, final=None, now=0)
    assert decide(view, publication, {}) == []
    assert decide(view, publication, {Prepare(round=0): PERMIT}) == []


@pytest.mark.asyncio
async def test_its_contents_are_stored_and_pinned_before_it_signs(publication):
    store = MemoryStore()
    contents = (b"specification", b"genesis")
    asked = []

    async def permit(token, *, spender, amount):
        assert all([await store.has(content_id(data)) for data in contents])
        asked.append((token, spender, amount))
        return PERMIT

    publisher = Publisher(
        name="publisher",
        publication=publication,
        contents=contents,
        store=store,
        permits=SimpleNamespace(permit=permit),
        observer=SimpleNamespace(decided=lambda **_: None),
    )
    assert await publisher.perform(Prepare(round=0)) == PERMIT
    assert asked == [(publication.config.token, publication.factory, 10_000)]
    assert await store.collect() == 0
    assert publisher.decide(NOBODY, {}) == [Prepare(round=0)]
    with pytest.raises(TypeError):
        await publisher.perform(Work(round=0))
