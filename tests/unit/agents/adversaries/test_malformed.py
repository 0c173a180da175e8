# SPDX-License-Identifier: Apache-2.0
"""The corpus of wrong files: each is refused with its reason, none runs (E9)."""

from __future__ import annotations

import os
import subprocess
import sys
import typing

import pytest

from bcfl.agents.adversaries.malformed import UNPICKLED_MARK, Malformed
from bcfl.models.errors import MalformedUpdate
from bcfl.models.wire.tensors import decode

METADATA = {"round": "1", "samples": "100", "start": "00"}
REASONS = {
    "nan": "non_finite",
    "inf": "non_finite",
    "wrong_shape": "shape",
    "wrong_dtype": "dtype",
    "extra_keys": "names",
    "truncated": "truncated",
    "pickle": "header_size",
}


def test_whoever_unpickled_it_would_show(turn_of):
    """Else the tests that look for the mark could not fail."""
    data = Malformed(kind="pickle").encode(turn_of(), turn_of().start, METADATA)
    program = "import os, pickle, sys; pickle.load(sys.stdin.buffer); print(os.environ[sys.argv[1]])"
    done = subprocess.run(
        [sys.executable, "-c", program, UNPICKLED_MARK], input=data, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"1"


def test_every_kind_is_tested():
    kinds = typing.get_args(typing.get_type_hints(Malformed)["kind"])
    assert set(REASONS) == set(kinds)


@pytest.mark.parametrize(("kind", "reason"), REASONS.items())
def test_the_reader_refuses_each_with_its_reason(kind, reason, turn_of):
    turn = turn_of()
    data = Malformed(kind=kind).encode(turn, turn.start, METADATA)
    with pytest.raises(MalformedUpdate) as refusal:
        decode(data, turn.start.schema)
    assert refusal.value.reason == reason
    assert UNPICKLED_MARK not in os.environ


@pytest.mark.parametrize("kind", REASONS)
def test_two_of_a_kind_are_no_copies(kind, turn_of):
    one, other = turn_of("bob"), turn_of("eve")
    behaviour = Malformed(kind=kind)
    first, second = (behaviour.encode(turn, turn.start, METADATA) for turn in (one, other))
    assert first != second


@pytest.mark.asyncio
async def test_it_does_no_work(turn_of):
    turn = turn_of()
    assert await Malformed().update(turn) is turn.start
    assert turn.engine.trained == 0
