# SPDX-License-Identifier: Apache-2.0
"""The rank formula of the area under the ROC curve counts pairs, ties and all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bcfl.models.performance import area_under_roc, auroc

# few distinct numbers, so that many tie
_SCORES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({positive for _, positive in pairs}) == 2
)


def _arrays(pairs):
    return np.array([score for score, _ in pairs], dtype=np.float64), np.array([side for _, side in pairs])


@given(_SCORES)
def test_it_is_the_mean_over_all_pairs(pairs):
    scores, positive = _arrays(pairs)
    difference = scores[positive][:, None] - scores[~positive][None, :]
    counted = ((difference > 0) + 0.5 * (difference == 0)).mean()
    assert abs(area_under_roc(scores, positive) - counted) < 1e-12


@given(_SCORES)
def test_it_depends_on_the_order_alone_and_turns_round_with_it(pairs):
    scores, positive = _arrays(pairs)
    area = area_under_roc(scores, positive)
    assert area_under_roc(np.exp(scores), positive) == area
    assert abs(area_under_roc(-scores, positive) + area - 1) < 1e-12
    assert abs(area_under_roc(scores, ~positive) + area - 1) < 1e-12


@given(_SCORES)
def test_two_logits_give_the_area_of_their_difference(pairs):
    scores, positive = _arrays(pairs)
    outputs = np.stack([-scores, scores], axis=1).astype(np.float32)
    assert auroc(outputs, positive.astype(np.int64)) == area_under_roc(scores, positive)
