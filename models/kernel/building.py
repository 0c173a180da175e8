# SPDX-License-Identifier: Apache-2.0
"""The kernel's shared library: compiled at first use for this processor, and kept in the per-user cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bcfl.models.data.cache import cache_dir
from bcfl.models.errors import KernelUnavailable

__all__ = ("BUILDS", "Build", "built", "compilers", "processor_build", "sources")

_FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")
_COMPILE_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Build:
    """The kernel for processors that have these instructions."""

    name: str
    needs: frozenset[str]
    """Flags of /proc/cpuinfo."""
    flags: tuple[str, ...]


BUILDS = (
    Build(
        name="avx512",
        needs=frozenset({"avx2", "fma", "avx512f", "avx512vl", "avx512dq", "avx512bw"}),
        flags=("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw"),
    ),
    Build(name="avx2", needs=frozenset({"avx2", "fma"}), flags=("-mavx2", "-mfma")),
)
"""The best first. All give the same bits."""


def sources() -> tuple[Path, ...]:
    """The kernel's C++ files; the first one includes the others."""
    folder = Path(__file__).parent / "lanes"
    return (folder / "lanes.cpp", *sorted(folder.glob("*.hpp")))


def processor_build() -> Build:
    """The best build that this processor can run.

    Raises:
        KernelUnavailable: it can run none.
    """
    told = _instructions()
    for build in BUILDS:
        if build.needs <= told:
            return build
    raise KernelUnavailable(
        f"The kernel 'lanes' is made for Linux on x86 processors with AVX2 and FMA, and this is none "
        f"({platform.system()}, {platform.machine()})."
    )


@cache
def built(build: Build) -> Path:
    """The library, compiled unless the cache has it.

    Raises:
        KernelUnavailable: there is no compiler, or it does not compile.
    """
    found = _place(build)
    if not found.is_file():
        _compile(build, found)
    return found


def compilers() -> Iterator[tuple[str, ...]]:
    """Commands that compile C++ here, the preferred first: ``$CXX``, the usual names, the compiler of PyPI's ziglang."""
    named = os.environ.get("CXX", "").split()
    for command in (named, ["g++"], ["clang++"], ["c++"]):
        if command and shutil.which(command[0]):
            yield tuple(command)
    if importlib.util.find_spec("ziglang") is not None:
        yield (sys.executable, "-m", "ziglang", "c++")


def _place(build: Build) -> Path:
    digest = hashlib.sha256(" ".join((*_FLAGS, *build.flags)).encode())
    for source in sources():
        digest.update(source.read_bytes())
    return cache_dir() / "kernel" / f"lanes-{build.name}-{digest.hexdigest()[:16]}.so"


def _compile(build: Build, into: Path) -> None:
    commands = list(compilers())
    if not commands:
        raise KernelUnavailable(
            "No C++ compiler is here to make the kernel 'lanes': install g++ or clang++, or pip install 'bcfl[kernel]'."
        )
    complaints = []
    for command in commands:
        complaint = _attempt(command, build, into)
        if complaint is None:
            return
        complaints.append(f"{command[0]}: {complaint.rstrip('.')}")
    raise KernelUnavailable(
        f"The kernel 'lanes' does not compile ({'; '.join(complaints)}): name another compiler with CXX."
    )


def _attempt(command: tuple[str, ...], build: Build, into: Path) -> str | None:
    """Why that compiler could not make the library; None: it is there."""
    try:
        with tempfile.TemporaryDirectory(dir=_folder(into)) as folder:
            fresh = Path(folder) / into.name
            done = subprocess.run(  # noqa: S603 - a compiler that the user has, with our arguments
                [*command, *_FLAGS, *build.flags, str(sources()[0]), "-o", str(fresh)],
                capture_output=True,
                text=True,
                timeout=_COMPILE_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                return _first_error(done.stderr)
            fresh.replace(into)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None


def _folder(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.parent


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[0] if lines else "no reason given")


@cache
def _instructions() -> frozenset[str]:
    if platform.machine() not in ("x86_64", "AMD64"):
        return frozenset()
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    line = next((line for line in told.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())
