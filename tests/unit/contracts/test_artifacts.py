# SPDX-License-Identifier: Apache-2.0
"""The committed contracts."""

from __future__ import annotations

import pytest

from bcfl.contracts import artifacts
from bcfl.contracts.errors import ArtifactMissing

LARGEST = 24_576  # EIP-170, bytes of deployed code


@pytest.mark.parametrize("name", ["CrowdsourcingTask", "RewardToken", "RootedTask", "TaskFactory"])
def test_each_contract_is_there_and_deployable(name):
    artifact = artifacts.load(name)
    assert artifact.name == name
    assert 0 < len(artifact.bytecode) <= 2 * LARGEST  # EIP-3860, of creation code
    assert {entry["type"] for entry in artifact.abi} >= {"function", "event", "error"}
    assert len(artifact.source_hash) == 64


def test_an_unknown_contract_is_named():
    with pytest.raises(ArtifactMissing, match=r"'Lottery'.*make artifacts"):
        artifacts.load("Lottery")
