# SPDX-License-Identifier: Apache-2.0
"""Which networks the kernel has, what ``auto`` chooses, and what is said where the kernel cannot be had."""

from __future__ import annotations

import stat
from dataclasses import dataclass

import pytest
from torch import nn

from bcfl.models.errors import KernelUnavailable
from bcfl.models.kernel import building, choice, library
from bcfl.models.kernel.choice import check_kernel, chosen_kernel
from bcfl.models.kernel.plan import plan_of
from bcfl.models.networks.char_lstm import CharLstm
from bcfl.models.networks.cnn import FemnistCnn, MnistCnn
from bcfl.models.networks.mlp import Mlp

_TRAINING = {"learning_rate": 0.1}
_IMAGE = (1, 28, 28)


@dataclass(frozen=True)
class Foreign:
    """A third party's network of one kind of layer before the last."""

    layer: str

    def build(self):
        made = {
            "batch normalisation": lambda: nn.BatchNorm2d(1),
            "dilated": lambda: nn.Conv2d(1, 1, 3, dilation=2),
            "grouped": lambda: nn.Conv2d(2, 2, 3, groups=2),
            "wide": lambda: nn.Conv2d(1, 1, 7),
            "oblong": lambda: nn.Conv2d(1, 1, (3, 5)),
            "reflecting": lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
            "padded pool": lambda: nn.MaxPool2d(2, padding=1),
            "sigmoid": nn.Sigmoid,
            "subclass": type("Leaky", (nn.ReLU,), {}),
            "channels of none": lambda: nn.Sequential(nn.Flatten(), nn.Dropout2d()),
        }
        return nn.Sequential(made[self.layer](), nn.Flatten(), nn.Linear(784, 10))


@dataclass(frozen=True)
class Nested:
    """One whose layers the kernel has, in sequences of sequences, without biases."""

    def build(self):
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, bias=False), nn.ReLU()),
            nn.Flatten(),
            nn.Linear(3 * 784, 10, bias=False),
        )


@dataclass(frozen=True)
class Unflattened:
    """A linear layer on the last axis of images is another thing than one on all their numbers."""

    def build(self):
        return nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(26, 10))


@pytest.mark.parametrize(
    "layer",
    [
        "batch normalisation",
        "dilated",
        "grouped",
        "wide",
        "oblong",
        "reflecting",
        "padded pool",
        "sigmoid",
        "subclass",
        "channels of none",
    ],
)
def test_a_layer_that_the_kernel_does_not_have_is_named(layer):
    with pytest.raises(KernelUnavailable, match=r"does not have a layer \w+"):
        plan_of(Foreign(layer))
    assert chosen_kernel("auto", Foreign(layer), _TRAINING, shape=_IMAGE) == "torch"
    with pytest.raises(KernelUnavailable, match=r"compute\.kernel: torch"):
        chosen_kernel("lanes", Foreign(layer), _TRAINING, shape=_IMAGE)


@dataclass(frozen=True)
class Frozen:
    """One whose first layer is not trained."""

    def build(self):
        module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        module[0].requires_grad_(requires_grad=False)
        return module


def test_a_network_of_any_size_is_refused_before_it_is_made():
    with pytest.raises(KernelUnavailable, match="parameters, above"):
        check_kernel("lanes", Mlp(hidden=10**9), _TRAINING)


def test_weights_that_are_not_trained_are_torchs():
    assert chosen_kernel("auto", Frozen(), _TRAINING, shape=(4,)) == "torch"
    with pytest.raises(KernelUnavailable, match="not trained"):
        plan_of(Frozen())


def test_layers_in_any_sequence():
    assert plan_of(Nested()).parameters == 27 + 23520
    with pytest.raises(KernelUnavailable):
        plan_of(Unflattened())


def test_auto_is_the_faster_one():
    assert chosen_kernel("auto", MnistCnn(), _TRAINING, shape=_IMAGE) == "lanes"
    assert chosen_kernel("torch", MnistCnn(), _TRAINING, shape=_IMAGE) == "torch"
    assert chosen_kernel("auto", CharLstm(), _TRAINING, shape=(80,)) == "torch"
    assert chosen_kernel("lanes", CharLstm(), _TRAINING, shape=(80,)) == "lanes"
    assert chosen_kernel("auto", FemnistCnn(hidden=4096), _TRAINING, shape=_IMAGE) == "torch"


def test_what_cannot_go_together_is_said():
    with pytest.raises(KernelUnavailable, match="trains by sgd, not by adam"):
        chosen_kernel("lanes", Mlp(), _TRAINING | {"optimizer": "adam"}, shape=_IMAGE)
    with pytest.raises(KernelUnavailable, match="device: cuda"):
        chosen_kernel("lanes", Mlp(), _TRAINING, shape=_IMAGE, device="cuda")
    with pytest.raises(KernelUnavailable, match="shape"):
        chosen_kernel("lanes", MnistCnn(), _TRAINING, shape=(784,))
    with pytest.raises(KernelUnavailable, match="'cobwebs'"):
        check_kernel("cobwebs", Mlp(), _TRAINING)
    assert chosen_kernel("auto", Mlp(), _TRAINING | {"optimizer": "adam"}, shape=_IMAGE) == "torch"


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A machine that has not made the kernel yet."""
    monkeypatch.setenv("BCFL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    yield monkeypatch
    building.built.cache_clear()
    library.library.cache_clear()


def _begin_anew():
    building.built.cache_clear()
    library.library.cache_clear()


def test_a_processor_without_avx2(fresh):
    fresh.setattr(building, "_instructions", lambda: frozenset({"sse4_2", "avx"}))
    _begin_anew()
    with pytest.raises(
        KernelUnavailable, match=r"Linux on x86 processors with AVX2 and FMA.*compute.kernel: torch"
    ):
        chosen_kernel("lanes", Mlp(), _TRAINING, shape=_IMAGE)
    assert chosen_kernel("auto", Mlp(), _TRAINING, shape=_IMAGE) == "torch"


def test_a_processor_without_avx512_takes_the_narrower_build(fresh):
    fresh.setattr(building, "_instructions", lambda: frozenset({"avx2", "fma", "avx512f"}))
    assert building.processor_build().name == "avx2"


def test_no_compiler(fresh):
    fresh.setattr(building, "compilers", lambda: iter(()))
    _begin_anew()
    with pytest.raises(KernelUnavailable, match=r"No C\+\+ compiler.*bcfl\[kernel\]"):
        choice.library()
    assert chosen_kernel("auto", Mlp(), _TRAINING, shape=_IMAGE) == "torch"


def test_a_kernel_that_does_not_compile(fresh, tmp_path):
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho 'lanes.cpp:1: error: out of ideas' >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    fresh.setattr(building, "compilers", lambda: iter([(str(broken),)]))
    _begin_anew()
    with pytest.raises(
        KernelUnavailable, match=r"does not compile \(.*out of ideas\): name another compiler"
    ):
        choice.library()
    assert not list((tmp_path / "cache").rglob("*.so"))


def test_the_next_compiler_is_tried(fresh, tmp_path):
    working = list(building.compilers())
    fresh.setattr(building, "compilers", lambda: iter([("/bin/false",), *working]))
    _begin_anew()
    assert choice.library()
    assert len(list((tmp_path / "cache").rglob("*.so"))) == 1


def test_it_is_made_once(fresh):
    made = building.built(building.processor_build())
    building.built.cache_clear()
    fresh.setattr(building, "compilers", lambda: iter(()))
    assert building.built(building.processor_build()) == made


def test_a_disk_that_takes_nothing(fresh, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    _begin_anew()
    with pytest.raises(KernelUnavailable, match="does not compile"):
        choice.library()


def test_a_damaged_library_is_said(tmp_path):
    (tmp_path / "lanes.so").write_bytes(b"no library")
    with pytest.raises(KernelUnavailable, match=r"cannot be loaded.*delete it"):
        library.Library(tmp_path / "lanes.so")
