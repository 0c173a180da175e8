# SPDX-License-Identifier: Apache-2.0
"""``bcfl doctor``: what is installed, what is missing, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from bcfl import __version__
from bcfl.errors import BcflError

__all__ = ("Check", "doctor", "findings")

_OLDEST_PYTHON = (3, 11)
_PATIENCE_S = 20


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at; ``remedy`` says how to mend it where it is not ``ok``."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False


@click.command
def doctor() -> None:
    """Look at everything that bcfl needs; status 1 where something needed is missing."""
    missing = 0
    for finding in findings():
        mark = "ok" if finding.ok else ("--" if finding.optional else "!!")
        click.echo(f"{mark}  {finding.name:9}  {finding.detail}")
        if not finding.ok:
            missing += not finding.optional
            click.echo(f"               {finding.remedy}")
    if missing:
        click.echo(f"{missing} of the things that bcfl needs {'is' if missing == 1 else 'are'} missing.")
        click.get_current_context().exit(1)
    click.echo("bcfl has what it needs.")


def findings() -> Iterator[Check]:
    """Everything looked at, in the order of the report; nothing raises."""
    looks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("python", _python),
        ("torch", _torch),
        ("coincurve", _coincurve),
        ("kernel", _kernel),
        ("contracts", _contracts),
        ("anvil", _anvil),
        (
            "node",
            lambda: _program("node", "--version", "make setup uses it to install anvil: nodejs.org/download"),
        ),
        ("ipfs", lambda: _program("ipfs", "version", "only for storage.kind kubo: docs.ipfs.tech/install")),
        ("geth", lambda: _program("geth", "version", "only to run on geth: geth.ethereum.org/docs")),
        ("cache", _cache),
        ("data", _data),
    )
    for name, look in looks:
        try:
            yield look()
        except (BcflError, ImportError, OSError, ValueError, subprocess.SubprocessError) as error:
            yield Check(
                name=name,
                ok=False,
                detail=" ".join(str(error).split()),
                remedy="install bcfl again: make setup",
            )


def _python() -> Check:
    version = platform.python_version()
    return Check(
        name="python",
        ok=sys.version_info >= _OLDEST_PYTHON,
        detail=f"{version} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, bcfl {__version__}",
        remedy="install Python 3.11 or later",
    )


def _torch() -> Check:
    # the version alone: importing torch takes seconds, and its build is in the version
    version = importlib.metadata.version("torch")
    build = version.partition("+")[2] or "default build"
    return Check(name="torch", ok=True, detail=f"{version} ({build})")


def _coincurve() -> Check:
    found = importlib.util.find_spec("coincurve") is not None
    return Check(
        name="coincurve",
        ok=found,
        detail=importlib.metadata.version("coincurve")
        if found
        else "not installed: signing would be 8 times slower",
        remedy="pip install coincurve",
    )


def _kernel() -> Check:
    from bcfl.models.errors import KernelUnavailable
    from bcfl.models.kernel.building import built, processor_build

    try:
        build = processor_build()
        place = built(build)
    except KernelUnavailable as error:
        return Check(
            name="kernel",
            ok=False,
            detail="not here: torch computes everything, 3 to 5 times slower for small networks",
            remedy=str(error),
            optional=True,
        )
    return Check(name="kernel", ok=True, detail=f"lanes for {build.name} ({place})", optional=True)


def _contracts() -> Check:
    import bcfl.contracts

    directory = Path(next(iter(bcfl.contracts.__path__))) / "artifacts"
    number = len(list(directory.glob("*.json")))
    return Check(
        name="contracts",
        ok=number > 0,
        detail=f"{number} compiled artifacts" if number else f"no compiled artifacts in {directory}",
        remedy="make artifacts",
    )


def _anvil() -> Check:
    from bcfl.chain.devnet import find_anvil
    from bcfl.chain.errors import AnvilNotFound

    try:
        binary = find_anvil()
    except AnvilNotFound as error:
        return Check(name="anvil", ok=False, detail="not found", remedy=str(error))
    return Check(name="anvil", ok=True, detail=f"{_answer(str(binary), '--version')} ({binary})")


def _program(name: str, argument: str, remedy: str) -> Check:
    binary = shutil.which(name)
    if binary is None:
        return Check(name=name, ok=False, detail="not found", remedy=remedy, optional=True)
    return Check(name=name, ok=True, detail=f"{_answer(binary, argument)} ({binary})", optional=True)


def _answer(binary: str, argument: str) -> str:
    done = subprocess.run(  # noqa: S603 - a program we looked up, with a fixed argument
        [binary, argument],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    versions = [line for line in lines if "version" in line.lower()]
    return (versions or lines or ["answers nothing"])[0]


def _cache() -> Check:
    from bcfl.models.data.cache import cache_dir

    directory = cache_dir()
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            ok = True
    except OSError:
        ok = False
    return Check(
        name="cache",
        ok=ok,
        detail=f"{directory}{'' if ok else ' cannot be written'}",
        remedy="set BCFL_CACHE_DIR to a directory that you can write",
    )


def _data() -> Check:
    from bcfl.models.data.catalog import available

    missing = [dataset.name for dataset in available() if dataset.cached is False]
    return Check(
        name="data",
        ok=not missing,
        detail=f"not here yet: {', '.join(missing)}" if missing else "every public dataset is here",
        remedy="fetched at the first run, or now: "
        + ", ".join(f"bcfl data fetch {name}" for name in missing),
        optional=True,
    )
