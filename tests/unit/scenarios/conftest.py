# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = """\
name: small
seed: 7
task:
  rounds: 2
  network: {name: mlp, hidden: 8}
data:
  dataset: {name: synthetic, samples: 100}
population:
  evaluators: [{name: alice}]
  trainers: [{name: bob}, {name: charlie}]
"""


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def writer(text: str) -> Path:
        path = tmp_path / "file.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return writer


@pytest.fixture
def small_file(write: Callable[[str], Path]) -> Path:
    return write(SMALL)
