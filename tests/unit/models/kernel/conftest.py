# SPDX-License-Identifier: Apache-2.0
"""Networks that the kernel has, each with samples that fit it; and the kernel by all builds and widths of this machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bcfl.models.data.dataset import Samples
from bcfl.models.kernel.building import BUILDS, built, processor_build
from bcfl.models.kernel.library import Library
from bcfl.models.networks.char_lstm import CharLstm
from bcfl.models.networks.cnn import FemnistCnn, MnistCnn, MnistCnnSmall
from bcfl.models.networks.mlp import Mlp
from bcfl.models.networks.network import Network
from bcfl.models.networks.tabular import Tabular

COUNT = 90


def _samples(inputs, classes, **given):
    rng = np.random.default_rng(7)
    return Samples(inputs=inputs, targets=rng.integers(0, classes, COUNT), **given)


def _images():
    """Blobs, not noise: equals within a rounding, which pooling may take either of, are as rare as in pictures."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[0:28, 0:28]
    centres = rng.uniform(6, 22, size=(COUNT, 3, 2, 1, 1))
    squares = ((rows - centres[:, :, 0]) ** 2 + (columns - centres[:, :, 1]) ** 2) / rng.uniform(
        4, 20, size=(COUNT, 3, 1, 1)
    )
    pixels = np.exp(-squares).sum(axis=1).clip(0, 1) * 255
    return _samples(pixels[:, None].astype(np.uint8), 10, scale=1 / 255)


def _rows():
    return _samples(np.random.default_rng(4).normal(size=(COUNT, 35)).astype(np.float32), 2)


def _texts(dtype, length=12):
    return _samples(np.random.default_rng(5).integers(0, 80, (COUNT, length)).astype(dtype), 80, tokens=True)


@dataclass(frozen=True)
class Case:
    network: Network
    samples: Samples


CASES = {
    "mnist_cnn": Case(MnistCnn(), _images()),
    "mnist_cnn_small": Case(MnistCnnSmall(), _images()),
    "femnist_cnn": Case(FemnistCnn(hidden=40, classes=10), _images()),
    "mlp": Case(Mlp(hidden=19), _images()),
    "regression": Case(Mlp(hidden=0), _images()),
    "tabular": Case(Tabular(hidden=(33, 7)), _rows()),
    "char_lstm": Case(CharLstm(hidden=21), _texts(np.uint8)),
    "char_lstm, every place": Case(CharLstm(hidden=10, layers=1, learn="all"), _texts(np.int64)),
    "char_lstm, one place": Case(CharLstm(hidden=10, layers=1, learn="all"), _texts(np.uint8, length=1)),
}


@pytest.fixture
def cases():
    return CASES


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


@pytest.fixture(scope="session")
def kernels():
    """By name: every build that this processor runs, at every width that the build has."""
    best = processor_build()
    able = BUILDS[BUILDS.index(best) :]
    return {
        f"{build.name}, {width} lanes": Library(built(build), width)
        for build in able
        for width in ((8, 16) if build.name == "avx512" else (8,))
    }
