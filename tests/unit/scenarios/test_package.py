# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import pytest

import bcfl.scenarios
from bcfl.scenarios.definition import loading
from bcfl.scenarios.running import runner


def test_load_and_run_are_those_of_their_modules():
    assert bcfl.scenarios.load is loading.load
    assert bcfl.scenarios.run is runner.run
    assert {"load", "run"} <= set(dir(bcfl.scenarios))


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="no attribute 'anything'"):
        _ = bcfl.scenarios.anything


def test_the_package_and_load_import_neither_torch_nor_web3():
    script = "import sys, bcfl.scenarios; bcfl.scenarios.load; print({'torch', 'web3'} & set(sys.modules) or 'none')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
