# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest


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
    """The module ``tests/daemons.py``: pytest's importlib mode puts no folder of tests on the import path."""
    name = "bcfl_test_daemons"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("daemons.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
