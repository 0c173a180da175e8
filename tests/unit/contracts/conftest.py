# SPDX-License-Identifier: Apache-2.0
"""A consortium told event by event."""

from __future__ import annotations

import pytest

from bcfl.contracts.phases import Kind, Phase


@pytest.fixture
def consortium(story):
    """``consortium(founders=…, **configuration)``: a new consortium's story."""

    class Consortium(story):
        def __init__(self, *, founders=3, **options):
            defaults = {"bond": 300, "evaluation_pool": 90, "tolerance": 5 * 10**8}
            super().__init__(kind=Kind.CONSORTIUM, evaluators=founders, **{**defaults, **options})

        def enrol(self, members=None, *, stake=0):
            return super().enrol(len(self.created.evaluators) if members is None else members, stake=stake)

        def trained(self, *names):
            """The next round until it is judged; members reveal contents of these names."""
            self.start(self.state.round + 1).commit(*range(len(names))).phase(Phase.REVEAL)
            for index, name in enumerate(names):
                self.submit(index, name)
            return self.phase(Phase.EVALUATION)

        def commit_scores(self, *indices):
            for index in indices:
                self.opine(index, b"c" * 32)
            return self

        def reveal_scores(self, vectors):
            self.phase(Phase.SCORE_REVEAL)
            for index, scores in vectors.items():
                self.open_scores(index, scores)
            return self

    return Consortium
