# SPDX-License-Identifier: Apache-2.0
"""One tree of errors in every room: each class tells a person what is wrong, and is drawn where it is defined."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

import bcfl
from bcfl import errors
from bcfl.agents.errors import AgentBroken
from bcfl.chain.errors import ConnectionLost, DevnetDied, OwnerStopped, PumpStopped
from bcfl.errors import BcflError, first_cause
from bcfl.models.errors import DataCorrupt
from bcfl.scenarios.errors import ScenarioStuck


def _rooms():
    for room in pkgutil.iter_modules(bcfl.__path__):
        name = f"bcfl.{room.name}.errors"
        if room.ispkg and importlib.util.find_spec(name) is not None:
            yield importlib.import_module(name)


def _defined(module):
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and issubclass(kind, BaseException)
    ]


MODULES = [errors, *_rooms()]
CLASSES = [(module, kind) for module in MODULES for kind in _defined(module)]
each = pytest.mark.parametrize(
    ("module", "kind"), CLASSES, ids=[f"{kind.__module__}.{kind.__name__}" for _, kind in CLASSES]
)


def test_rooms_were_found():
    assert {module.__name__.split(".")[1] for module in MODULES[1:]} >= {
        "agents",
        "chain",
        "contracts",
        "models",
        "scenarios",
        "storage",
    }


@each
def test_every_error_descends_from_a_branch_of_the_root(module, kind):
    assert issubclass(kind, BcflError)
    if module is not errors:
        branches = set(BcflError.__subclasses__())
        assert branches & set(kind.__mro__), f"{kind.__name__} hangs on the root itself"


@each
def test_every_docstring_is_a_sentence_and_the_default_message(module, kind):
    assert "__doc__" in vars(kind)
    assert kind.__doc__, f"{kind.__name__} has no docstring"
    required = [
        parameter
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]
    summary = " ".join(kind.__doc__.split())
    assert summary.split("\n\n")[0].rstrip().endswith(".")
    if not required:
        assert str(kind()) == summary
    assert str(BcflError("Said otherwise.")) == "Said otherwise."


@each
def test_every_error_is_drawn_under_its_parent_in_its_module_s_docstring(module, kind):
    lines = module.__doc__.splitlines()
    drawn = {}
    for line in lines:
        found = re.match(r"^([\s│├└─]*)(\w+)(\s|$)", line)
        if found and (line.strip()[0] in "│├└" or found[2].endswith("Error")):
            drawn[found[2]] = (len(found[1]), line)
    assert kind.__name__ in drawn, f"{kind.__name__} is not drawn in {module.__name__}"
    parent = kind.__mro__[1].__name__
    if parent in drawn:
        assert drawn[parent][0] < drawn[kind.__name__][0], f"{kind.__name__} is not drawn below {parent}"
    assert kind.__name__ in module.__all__


def test_each_branch_ends_the_command_with_a_status_that_is_not_success():
    statuses = {kind.exit_code for kind in BcflError.__subclasses__()}
    assert 0 not in statuses
    assert all(0 < status < 64 for status in statuses)


@pytest.mark.parametrize(
    ("ended", "cause"),
    [
        ([ConnectionLost(), DevnetDied(), ValueError()], DevnetDied),
        ([KeyError(), AgentBroken()], AgentBroken),
        ([KeyError()], KeyError),
        ([PumpStopped(), OwnerStopped(), TypeError()], TypeError),
        ([OwnerStopped(), ScenarioStuck(), DataCorrupt(), PumpStopped()], DataCorrupt),
        ([ScenarioStuck()], ScenarioStuck),
    ],
)
def test_of_what_ended_together_the_first_cause_is_told(ended, cause):
    nested = BaseExceptionGroup("", [BaseExceptionGroup("", ended[:1]), *ended[1:]])
    assert type(first_cause(nested)) is cause
    assert first_cause(ended[0]) is ended[0]
