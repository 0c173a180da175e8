# SPDX-License-Identifier: Apache-2.0
"""The contracts' tests, on whatever bytecode the artifacts of a folder hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bcfl.contracts.toolchain import program

__all__ = ("QUICK", "THOROUGH", "Effort", "first_failure", "link_or_copy", "workshop")

_FAILED = re.compile(r"^\[FAIL[^\n]*\] (\w+)\(|^\[FAIL[^\n]*\]$", re.MULTILINE)
_OF_THE_OPTIMISER = ("--no-match-contract", "Gas", "--no-match-test", "FitsATransaction")  # bounds on gas
_GAS_LIMIT = 20_000_000_000  # a loop without end uses it up in a minute; the largest test needs a tenth


@dataclass(frozen=True)
class Effort:
    """How often tests with drawn inputs run, and how long all may take.

    Attributes:
        fuzz: runs of a fuzz test.
        invariant: runs of an invariant.
        depth: calls in each of those.
        timeout_s: seconds for all tests together.
    """

    fuzz: int
    invariant: int
    depth: int
    timeout_s: float


QUICK = Effort(fuzz=32, invariant=1, depth=1, timeout_s=300)
THOROUGH = Effort(fuzz=256, invariant=32, depth=64, timeout_s=900)


def workshop(contracts: Path, folder: Path) -> None:
    """Make a copy of the contracts with forge's build of them, in which artifacts may be changed.

    Raises:
        ProgramMissing: forge is not installed.
        CalledProcessError: the contracts do not compile.
    """
    for name in ("src", "test", "out", "cache", "gas", "foundry.toml", "package.json", "solc-offline"):
        if (contracts / name).is_dir():
            shutil.copytree(contracts / name, folder / name)
        elif (contracts / name).exists():
            shutil.copy2(contracts / name, folder / name)
    shutil.copytree(
        contracts / "node_modules", folder / "node_modules", symlinks=True, copy_function=link_or_copy
    )
    command = [str(program("forge")), "build", "src", "test", "--offline", "--use", "./solc-offline"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own compiler


def link_or_copy(source: str, target: str) -> None:
    """A second name for a file, or a copy where the file system has no such names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def first_failure(folder: Path, contracts: Iterable[str], effort: Effort) -> str | None:
    """Run the tests of these contracts until one fails: its name, or None where all pass.

    Raises:
        ChildProcessError: forge failed otherwise than by a test.
    """
    for kept in ("fuzz", "invariant"):  # counterexamples of another mutant
        shutil.rmtree(folder / "cache" / kept, ignore_errors=True)
    command = [
        str(program("forge")), "test", "--offline", "--use", "./solc-offline", "--fail-fast", "--threads", "1",
        "--match-contract", f"^({'|'.join(sorted(contracts))})$", *_OF_THE_OPTIMISER,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "FOUNDRY_FUZZ_SEED": "0x1",
        "FOUNDRY_FUZZ_RUNS": str(effort.fuzz),
        "FOUNDRY_INVARIANT_RUNS": str(effort.invariant),
        "FOUNDRY_INVARIANT_DEPTH": str(effort.depth),
        "FOUNDRY_GAS_LIMIT": str(_GAS_LIMIT),
        "NO_COLOR": "1",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own toolchain
            command,
            cwd=folder,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=effort.timeout_s,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {effort.timeout_s:g} s"
    if done.returncode == 0:
        return None
    failed = _FAILED.search(done.stdout)
    if failed is None:
        raise ChildProcessError(
            f"forge test ended with status {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
        )
    return failed[1] or failed[0]
