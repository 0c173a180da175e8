# SPDX-License-Identifier: Apache-2.0
"""What forge's words and status mean."""

from __future__ import annotations

import pytest

from bcfl.contracts.mutation import forge
from bcfl.contracts.mutation.forge import QUICK, Effort, first_failure


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Puts a program in forge's place that says this and ends with a status."""

    def put(words, status, then=""):
        path = tmp_path / "forge"
        path.write_text(
            f'#!/bin/sh\necho "$@" "$FOUNDRY_FUZZ_RUNS" > arguments\n{then}\ncat <<END\n{words}\nEND\nexit {status}\n'
        )
        path.chmod(0o755)
        monkeypatch.setattr(forge, "program", lambda name: path)

    return put


def test_tests_that_pass_show_nothing(says, tmp_path):
    says("[PASS] test_One() (gas: 1)", 0)
    assert first_failure(tmp_path, {"TwoTest", "OneTest"}, QUICK) is None
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[arguments.index("--match-contract") + 1] == "^(OneTest|TwoTest)$"
    assert arguments[-1] == str(QUICK.fuzz)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("[PASS] test_One() (gas: 1)\n[FAIL: 1 != 2] test_Two() (gas: 1)", "test_Two"),
        ("[FAIL: panic: overflow; counterexample: calldata=0x args=[1, 2]] testFuzz_A(uint256) (runs: 3)", "testFuzz_A"),
        ("[FAIL: EvmError: Revert] setUp() (gas: 0)", "setUp"),
    ],
)  # fmt: skip
def test_the_test_that_fails_is_named(says, tmp_path, words, name):
    says(words, 1)
    assert first_failure(tmp_path, {"OneTest"}, QUICK) == name


def test_a_mutant_that_does_not_end_is_noticed(says, tmp_path):
    says("", 0, then="exec sleep 60")
    assert first_failure(tmp_path, {"OneTest"}, Effort(1, 1, 1, timeout_s=0.2)) == "not done after 0.2 s"


def test_a_forge_that_fails_itself_kills_no_mutant(says, tmp_path):
    says("Error: no such option", 1)
    with pytest.raises(ChildProcessError, match=r"status 1: Error: no such option"):
        first_failure(tmp_path, {"OneTest"}, QUICK)


def test_counterexamples_of_another_mutant_are_forgotten(says, tmp_path):
    kept = tmp_path / "cache" / "fuzz" / "failures"
    kept.mkdir(parents=True)
    says("", 0)
    first_failure(tmp_path, {"OneTest"}, QUICK)
    assert not kept.exists()
