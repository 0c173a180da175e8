# SPDX-License-Identifier: Apache-2.0
"""Events as JSON: nothing is lost, nothing foreign is taken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.contracts import events as e
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.event_codec import event_from_json, event_to_json
from bcfl.contracts.ids import ContentId

KINDS = sorted((getattr(e, name) for name in e.__all__ if name != "Event"), key=lambda kind: kind.__name__)

st.register_type_strategy(
    ContentId, st.builds(ContentId, st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1))
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_event_survives_json(kind, data):
    event = data.draw(st.from_type(kind))
    record = json.loads(json.dumps(event_to_json(event), allow_nan=False))
    again = event_from_json(record)
    assert type(again) is kind
    assert again == event


def test_every_event_of_the_module_is_listed():
    defined = {kind.__name__ for kind in e.Event.__subclasses__()}
    assert defined | {"Event"} == set(e.__all__)


def test_types_come_back_not_only_equal_values(story):
    record = json.loads(json.dumps(event_to_json(story().created)))
    again = event_from_json(record)
    assert type(again.kind).__name__ == "Kind"
    assert type(again.config.selection).__name__ == "Selection"
    assert isinstance(again.evaluators, tuple)


def test_more_keys_are_left_out(story):
    created = story().created
    assert event_from_json({**event_to_json(created), "wall_time": 1.5, "agent": "bob"}) == created


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "Jackpot"},
        {"event": None},
        {"event": "Event"},
        {"event": "dataclass"},
        {"round": "first"},
        {"round": None},
        {"model": []},
        {"model": ["00", 1]},
        {"model": ["zz" * 32, 1]},
        {"model": None},
        {"cohort": 3},
        {"cohort": ["a"]},
        {"origin": None},
        {"origin": {}},
    ],
    ids=str,
)
def test_what_is_no_event_is_refused_by_name(story, changes):
    record = event_to_json(
        story().event(e.RoundStarted, round=1, model=ContentId(bytes(32), 1), deadline=5, cohort=(1,))
    )
    with pytest.raises(MalformedLog):
        event_from_json({**record, **changes})
