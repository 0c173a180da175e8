# SPDX-License-Identifier: Apache-2.0
"""The same bits at any width, by any build, from any compiler, and whoever computes beside."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bcfl.models.kernel.building import BUILDS, compilers, processor_build, sources
from bcfl.models.kernel.library import Library
from bcfl.models.kernel.plan import plan_of
from bcfl.models.networks.network import initial_weights
from bcfl.models.training.cancellation import Cancellation
from bcfl.models.training.hyperparameters import Hyperparameters


def _everything(kernel, case, indices):
    """Bytes of a training, of what is measured afterwards and of a gradient."""
    plan = plan_of(case.network)
    start = initial_weights(case.network, 1).vector
    given = Hyperparameters(
        learning_rate=0.05, batch_size=19, epochs=2, weight_decay=0.01, proximal=0.1, clip_norm=0.5
    )
    on = (case.samples, indices)
    vector, loss, _ = kernel.train(
        plan, start, *on, given=given, seed=9, most_steps=None, cancelled=Cancellation()
    )
    found = kernel.measure(plan, vector, *on, cancelled=Cancellation(), logits=True)
    slope = kernel.gradient(plan, vector, *on, divisor=7.0, cancelled=Cancellation())
    arrays = (vector, found.losses, found.probabilities, found.largest, found.logits, slope)
    return (loss, *(array.tobytes() for array in arrays))


def test_every_build_and_width(case, kernels):
    indices = np.arange(71)
    found = {name: _everything(kernel, case, indices) for name, kernel in kernels.items()}
    assert len(set(found.values())) == 1, found.keys()


def test_who_is_measured_beside_changes_nothing(case, kernels):
    plan = plan_of(case.network)
    vector = initial_weights(case.network, 1).vector
    for kernel in kernels.values():
        together = kernel.measure(plan, vector, case.samples, np.arange(40), cancelled=Cancellation())
        for index in (0, 17, 39):
            alone = kernel.measure(plan, vector, case.samples, np.array([index]), cancelled=Cancellation())
            assert alone.losses[0] == together.losses[index]


def test_every_compiler_of_this_machine(case, kernels, tmp_path):
    expected = _everything(next(iter(kernels.values())), case, np.arange(30))
    build = BUILDS[-1]
    assert build.needs <= processor_build().needs
    for number, command in enumerate(compilers()):
        library = tmp_path / f"{number}.so"
        # another level of optimisation rounds alike
        flags = ("-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", *build.flags)
        subprocess.run([*command, *flags, str(sources()[0]), "-o", str(library)], check=True)
        assert _everything(Library(library), case, np.arange(30)) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="the variables are those of builds for Linux")
def test_a_first_model_does_not_follow_the_processors_instructions():
    program = (
        "from bcfl.models.networks.cnn import MnistCnn; from bcfl.models.networks.char_lstm import CharLstm\n"
        "from bcfl.models.networks.network import initial_weights; import hashlib\n"
        "print([hashlib.sha256(initial_weights(n, 3).vector.tobytes()).hexdigest() for n in (MnistCnn(), CharLstm())])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PATH": "/usr/bin:/bin", **given},
            check=True,
            capture_output=True,
        ).stdout
        for given in ({}, {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"})
    }
    assert len(said) == 1
