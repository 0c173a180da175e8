# SPDX-License-Identifier: Apache-2.0
"""A consortium told event by event."""

from __future__ import annotations

import dataclasses

import pytest

from bcfl.contracts import events as e
from bcfl.contracts.ids import Address
from bcfl.contracts.phases import Kind, Phase
from bcfl.contracts.state import TaskState

PROBE = b"p" * 32


@pytest.fixture
def consortium(story, content):
    """``consortium(founders=…, **configuration)``: a new consortium's story."""

    class Consortium(story):
        def __init__(self, *, founders=3, **options):
            super().__init__(**{"bond": 300, "evaluation_pool": 90, "tolerance": 5 * 10**8, **options})
            accounts = tuple(Address(f"0x{n + 1:040x}") for n in range(founders))
            self.created = dataclasses.replace(self.created, kind=Kind.CONSORTIUM, evaluators=accounts)
            self.state = TaskState.created(self.created)

        def enrol(self, members=None, *, stake=0):
            accounts = self.created.evaluators if members is None else self.created.evaluators[:members]
            for index, account in enumerate(accounts):
                self.tell(e.TrainerJoined, index=index, account=account, stake=stake)
            return self

        def trained(self, *names):
            """The next round until it is judged; members reveal contents of these names."""
            self.start(self.state.round + 1).commit(*range(len(names))).phase(Phase.REVEAL)
            for index, name in enumerate(names):
                self.submit(index, name)
            return self.phase(Phase.EVALUATION)

        def commit_scores(self, *indices):
            for index in indices:
                self.tell(e.ScoresCommitted, round=self.state.round, index=index, commitment=b"c" * 32)
            return self

        def reveal_scores(self, vectors, probe=PROBE):
            self.phase(Phase.SCORE_REVEAL)
            for index, scores in vectors.items():
                self.tell(
                    e.ScoresRevealed,
                    round=self.state.round,
                    index=index,
                    probe=probe,
                    scores=tuple(scores),
                )
            return self

        def settle(self, payout, scores=(), pays=()):
            return self.tell(
                e.ScoresSettled,
                round=self.state.round,
                payout=payout,
                evaluation_payout=sum(pays),
                scores=tuple(scores),
                pays=tuple(pays),
            )

        def vote_model(self, index, name):
            return self.tell(
                e.ModelSubmitted,
                round=self.state.round,
                account=self.state.members[index].account,
                model=content(name),
            )

    return Consortium
