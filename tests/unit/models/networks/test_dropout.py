# SPDX-License-Identifier: Apache-2.0
"""Dropout draws from the job's generator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bcfl.models.networks.dropout import SeededDropout, attach_generator, exchange_dropout


def _masked(seed, p=0.25, *, whole_channels=True, shape=(200, 50, 4, 4)):
    layer = SeededDropout(p, whole_channels=whole_channels)
    layer.generator = torch.Generator().manual_seed(seed)
    return layer(torch.ones(shape))


def test_whole_channels_are_dropped_at_the_rate_and_the_rest_scaled():
    output = _masked(1)
    per_channel = output.flatten(2)
    assert torch.equal(per_channel.amin(dim=2), per_channel.amax(dim=2))
    assert output.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert (per_channel[..., 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_single_elements_are_dropped_otherwise():
    output = _masked(1, whole_channels=False)
    assert (output == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert not torch.equal(output.flatten(2).amin(dim=2), output.flatten(2).amax(dim=2))


def test_the_mask_follows_the_generator_alone():
    first = _masked(1)
    torch.manual_seed(0)
    assert torch.equal(first, _masked(1))
    assert not torch.equal(first, _masked(2))


def test_everything_is_dropped_at_one_and_nothing_in_evaluation_mode():
    assert not _masked(1, 1.0).any()
    assert torch.equal(SeededDropout(0.9, whole_channels=False).eval()(torch.ones(5, 5)), torch.ones(5, 5))


def test_torchs_layers_are_exchanged_wherever_they_are():
    module = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Dropout2d(0.2), nn.ReLU()))
    exchange_dropout(module)
    generator = torch.Generator()
    attach_generator(module, generator)
    plain, whole = module[0], module[1][0]
    assert (plain.p, plain.whole_channels, plain.generator) == (0.1, False, generator)
    assert (whole.p, whole.whole_channels, whole.generator) == (0.2, True, generator)
