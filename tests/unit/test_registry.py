# SPDX-License-Identifier: Apache-2.0
"""Named entries, their typed parameters, and what is said when one is wrong."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from bcfl import registry
from bcfl.registry import DuplicateEntry, InvalidParameters, UnknownEntry


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch):
    registry.kinds()  # what is ours is there before, whichever test comes first
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


@pytest.fixture
def kettle():
    @registry.register("appliance", "kettle", source="a shop")
    @dataclass(frozen=True, kw_only=True)
    class Kettle:
        """Boils
        water.

        And more.
        """

        litres: float
        colour: str = "red"
        names: tuple[str, ...] = field(default_factory=tuple)

    return Kettle


def test_an_entry_tells_what_it_is(kettle):
    entry = registry.find("appliance", "kettle")
    assert (entry.kind, entry.name, entry.source) == ("appliance", "kettle", "a shop")
    assert entry.summary == "Boils water."
    described = [(one.name, one.type, one.default, one.required) for one in entry.parameters]
    assert described == [
        ("litres", "float", None, True),
        ("colour", "str", "red", False),
        ("names", "tuple[str, ...]", None, False),
    ]
    assert "appliance" in registry.kinds()
    assert entry in registry.entries("appliance")
    assert entry in registry.entries()


def test_parameters_are_checked_and_converted(kettle):
    made = registry.create("appliance", "kettle", {"litres": 2, "names": ["a", "b"]})
    assert made == kettle(litres=2.0, names=("a", "b"))
    assert isinstance(made.litres, float)


@pytest.mark.parametrize(
    ("parameters", "where", "message"),
    [
        ({"litres": "much"}, "litres", "cannot take litres"),
        ({}, "litres", "cannot take litres"),
        ({"litres": 1, "color": "blue"}, "color", r"no parameter 'color'; the nearest is 'colour'"),
        ({"litres": 1, "zzz": 1}, "zzz", r"no parameter 'zzz'; there are: colour, litres, names"),
    ],
)
def test_wrong_parameters_are_named(kettle, parameters, where, message):
    with pytest.raises(InvalidParameters, match=message) as caught:
        registry.create("appliance", "kettle", parameters)
    assert caught.value.parameter == where


def test_an_unknown_name_comes_with_the_nearest(kettle):
    with pytest.raises(
        UnknownEntry, match=r"There is no appliance named 'kettel'; the nearest is 'kettle'\."
    ):
        registry.find("appliance", "kettel")
    with pytest.raises(UnknownEntry, match=r"no gadget named 'x'\."):
        registry.create("gadget", "x")


def test_one_name_one_entry(kettle):
    @dataclass(frozen=True)
    class Other:
        pass

    with pytest.raises(DuplicateEntry, match="appliance 'kettle'"):
        registry.register("appliance", "kettle")(Other)
    registry.register("appliance", "kettle")(kettle)  # importing a module twice is no clash


def test_only_dataclasses_have_typed_parameters():
    with pytest.raises(TypeError, match="must be a dataclass"):
        registry.register("appliance", "lamp")(enum.Enum("Lamp", "ON OFF"))


def test_third_parties_are_found_when_the_registry_is_first_asked(monkeypatch):
    loaded = []
    point = SimpleNamespace(load=lambda: loaded.append(1))
    monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.setattr(
        registry.importlib.metadata, "entry_points", lambda *, group: [point] * (group == "bcfl.plugins")
    )
    assert loaded == []
    registry.kinds()
    registry.kinds()
    assert loaded == [1]


@pytest.mark.parametrize("kind", ["network", "dataset", "score", "aggregator"])
def test_our_own_entries_explain_themselves(kind):
    found = registry.entries(kind)
    assert found
    for entry in found:
        assert entry.summary.endswith("."), entry.name
