# SPDX-License-Identifier: Apache-2.0
"""What goes into a call besides the ABI's own encoding."""

from __future__ import annotations

import pytest

from bcfl.contracts import calls
from bcfl.contracts.abi import encode_call
from bcfl.contracts.calls import Opening
from bcfl.contracts.ids import Address

TASK = Address(f"0x{7:040x}")
INDICES = (9, 2, 515)
SALT = b"s" * 16


def _commitment(place):
    return bytes([0xC0 + place]) * 32


ENTRIES = b"".join(index.to_bytes(4, "big") + _commitment(place) for place, index in enumerate(INDICES))


@pytest.mark.parametrize("opened", [(), (1,), (2, 0), (0, 1, 2)])
def test_a_batch_is_revealed_whole_each_entry_opened_or_closed_in_its_place(content, opened):
    openings = [Opening(place=place, content=content(f"update {place}"), salt=SALT) for place in opened]
    call = calls.reveal(TASK, round_number=7, batch=4, entries=ENTRIES, openings=openings)
    expected = b""
    for place, index in enumerate(INDICES):
        if place in opened:
            update = content(f"update {place}")
            expected += b"\x01" + index.to_bytes(4, "big") + update.digest
            expected += update.size.to_bytes(4, "big") + SALT
        else:
            expected += b"\x00" + index.to_bytes(4, "big") + _commitment(place)
    assert call.to == TASK
    assert call.data == encode_call("CrowdsourcingTask", "reveal", 7, 4, expected)


def test_an_opening_for_no_place_of_the_batch_changes_nothing(content):
    beyond = [Opening(place=3, content=content("update"), salt=SALT)]
    call = calls.reveal(TASK, round_number=7, batch=0, entries=ENTRIES, openings=beyond)
    assert call == calls.reveal(TASK, round_number=7, batch=0, entries=ENTRIES, openings=[])
