# SPDX-License-Identifier: Apache-2.0
"""What only an agent's owner can mend is told once; that another was quicker is not."""

from __future__ import annotations

import pytest

from bcfl.agents.hosting.observing.complaints import Complaints

BALANCE = "ERC20InsufficientBalance(0xc2f41f60a684c3ebad40ff74e173d04beb6260a0, 2500000000000000000, 10000000000000000000)"


def _line(action="bond", status="reverted", reason=BALANCE):
    return {"event": "transaction", "agent": "judge", "action": action, "status": status, "reason": reason}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (_line(), "cannot bond: its key has 2.5 of the 10 tokens that this takes (bcfl send)"),
        (
            _line(
                "join",
                "failed",
                "The node refused: insufficient funds for gas * price + value (code -32000).",
            ),
            "cannot join: its key has too little ether for the fee (bcfl send)",
        ),
        (
            _line("advance:reveal:17", "failed", "The base fee of 9 wei is above the cap."),
            "cannot advance: The base fee of 9 wei is above the cap",
        ),
        (
            _line("commit", "overtaken", "another transaction of the key has its nonce"),
            "another program seems to sign with its key, and took the place of a transaction: give each a key of its own (bcfl keys new)",
        ),
    ],
)
def test_it_is_told_once_however_often_it_is_tried(line, sentence):
    told = []
    complaints = Complaints(lambda agent, reason: told.append((agent, reason)))
    for _ in range(5):
        complaints(line)
    assert told == [("judge", sentence)]


def test_what_nobody_has_to_mend_is_not_told():
    told = []
    complaints = Complaints(lambda *words: told.append(words))
    complaints(_line("advance:reveal:17", "reverted", "DeadlineNotReached(1796025190)"))
    complaints(_line("commit", "included", ""))
    complaints({"event": "trained", "agent": "ann", "loss": 1.2})
    assert told == []


def test_what_is_remembered_of_it_has_an_end():
    told = []
    complaints = Complaints(lambda *words: told.append(words))
    for number in range(250):
        complaints(_line("commit", "failed", f"reason {number}"))
    assert len(told) == 250
    complaints(_line("commit", "failed", "reason 249"))
    assert len(told) == 250


def test_the_next_day_it_is_worth_a_word_again():
    told = []
    complaints = Complaints(lambda agent, reason: told.append(reason))
    for day in ("2026-01-01", "2026-01-01", "2026-01-02", "2026-01-02"):
        complaints({**_line(), "time": f"{day}T12:00:00.000+00:00"})
    assert len(told) == 2
