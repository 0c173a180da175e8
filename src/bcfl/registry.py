# SPDX-License-Identifier: Apache-2.0
"""Named entries with typed parameters: networks, datasets, partitions, scores, aggregators, ...

An entry is a frozen dataclass; its fields are its parameters. ``register`` gives it a kind and a name::

    @register("score", "leave_one_out", source="Ghorbani & Zou 2019")
    @dataclass(frozen=True, kw_only=True)
    class LeaveOneOut:
        \"\"\"Value of the full coalition minus its value without the member.\"\"\"

Third parties add theirs without a fork: a module named under the entry-point group ``bcfl.plugins`` is
imported when the registry is first asked, and its import registers.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pydantic

from bcfl.errors import RegistryError

__all__ = (
    "BrokenPlugin",
    "DuplicateEntry",
    "Entry",
    "InvalidParameters",
    "Parameter",
    "UnknownEntry",
    "create",
    "entries",
    "find",
    "kinds",
    "nearest",
    "register",
)

_GROUP = "bcfl.plugins"
_T = TypeVar("_T")


class UnknownEntry(RegistryError):
    """No entry of that kind has that name."""


class BrokenPlugin(RegistryError):
    """A module under the entry-point group cannot be imported."""


class DuplicateEntry(RegistryError):
    """Two entries of one kind claim the same name."""


class InvalidParameters(RegistryError):
    """A parameter of an entry is unknown, missing or has a value that does not fit."""

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One typed parameter of an entry."""

    name: str
    type: str
    default: object | None
    required: bool


@dataclasses.dataclass(frozen=True)
class Entry:
    """A named, constructible thing with its source and typed parameters."""

    kind: str
    name: str
    factory: type[Any]
    source: str

    @property
    def summary(self) -> str:
        """The first paragraph of the entry's docstring, on one line."""
        return " ".join((inspect.getdoc(self.factory) or "").split("\n\n")[0].split())

    @functools.cached_property
    def adapter(self) -> pydantic.TypeAdapter[Any]:
        """Checks parameters; made once, for it takes longer than most entries, and agents build theirs every round."""
        return pydantic.TypeAdapter(self.factory)

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What a scenario may set."""
        return tuple(
            Parameter(
                name=field.name,
                type=field.type if isinstance(field.type, str) else field.type.__name__,
                default=None if field.default is dataclasses.MISSING else field.default,
                required=field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(self.factory)
            if field.init
        )


_entries: dict[tuple[str, str], Entry] = {}
_loaded = False


def register(kind: str, name: str, *, source: str = "") -> Callable[[type[_T]], type[_T]]:
    """Class decorator: make a frozen dataclass available as ``name`` among the entries of ``kind``.

    Raises:
        DuplicateEntry: another class already has that name.
    """

    def decorate(cls: type[_T]) -> type[_T]:
        if not dataclasses.is_dataclass(cls):
            raise TypeError(f"{cls.__qualname__} must be a dataclass to be registered as {kind} '{name}'.")
        known = _entries.get((kind, name))
        name_of = (cls.__module__, cls.__qualname__)
        if known is not None and (known.factory.__module__, known.factory.__qualname__) != name_of:
            raise DuplicateEntry(
                f"Both {known.factory.__module__} and {cls.__module__} register the {kind} '{name}'."
            )
        _entries[kind, name] = Entry(kind=kind, name=name, factory=cls, source=source)
        return cls

    return decorate


def _load() -> None:
    global _loaded
    if not _loaded:
        for point in importlib.metadata.entry_points(group=_GROUP):
            try:
                point.load()
            except ImportError as error:
                raise BrokenPlugin(
                    f"The plugin '{point.name}' ({point.value}) cannot be imported: {error}."
                ) from error
        _loaded = True


def kinds() -> tuple[str, ...]:
    """Every kind that has an entry, sorted."""
    _load()
    return tuple(sorted({kind for kind, _ in _entries}))


def entries(kind: str | None = None) -> tuple[Entry, ...]:
    """Entries of a kind, or all, sorted by kind and name."""
    _load()
    return tuple(entry for (k, _), entry in sorted(_entries.items()) if kind is None or k == kind)


def find(kind: str, name: str) -> Entry:
    """The entry of that kind and name.

    Raises:
        UnknownEntry: with the nearest name that exists.
    """
    _load()
    try:
        return _entries[kind, name]
    except KeyError:
        names = [entry.name for entry in entries(kind)]
        raise UnknownEntry(f"There is no {kind} named '{name}'{nearest(name, names)}.") from None


def create(kind: str, name: str, parameters: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - any entry
    """Build the entry with its parameters checked and converted.

    Raises:
        UnknownEntry: no such entry.
        InvalidParameters: a parameter is unknown, missing or of the wrong type.
    """
    entry = find(kind, name)
    given = dict(parameters or {})
    known = [parameter.name for parameter in entry.parameters]
    for key in given:
        if key not in known:
            raise InvalidParameters(
                f"The {kind} '{name}' has no parameter '{key}'{nearest(key, known)}.", parameter=key
            )
    try:
        return entry.adapter.validate_python(given)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = str(first["loc"][0]) if first["loc"] else None
        raise InvalidParameters(
            f"The {kind} '{name}' cannot take {where or 'these parameters'}: {first['msg']}.", parameter=where
        ) from error
    except RegistryError:
        raise


def nearest(name: str, known: list[str]) -> str:
    """``"; did you mean 'x'?"``-style hint, or the list of what there is; without the final dot."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; the nearest is '{close[0]}'"
    return f"; there are: {', '.join(sorted(known))}" if known else ""
