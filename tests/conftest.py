# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile(
    "bcfl", deadline=None
)  # how long an example takes is the machine's matter, not a test's
settings.load_profile("bcfl")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is ``thorough`` to ``make chaos``: each such test has a shorter one beside it that always runs."""
    if "BCFL_EVERY_PHASE" in os.environ:
        return
    left = [item for item in items if item.get_closest_marker("thorough") is not None]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def daemons() -> ModuleType:
    """The module ``tests/daemons.py``."""
    return _module("daemons")


@pytest.fixture(scope="session")
def strangers() -> ModuleType:
    """The module ``tests/strangers.py``."""
    return _module("strangers")


@pytest.fixture
def providers() -> Iterator[Callable[[str], Any]]:
    """``providers(url)``: one more misbehaving proxy before that node (``tests/provider.py``)."""
    with _module("provider").providers() as make:
        yield make


def _module(name: str) -> ModuleType:
    """pytest's importlib mode puts no folder of tests on the import path."""
    full = f"bcfl_test_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]
