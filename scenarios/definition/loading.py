# SPDX-License-Identifier: Apache-2.0
"""Scenario files to scenarios: YAML, then ``--set``, then types, then rules; each refusal is one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pydantic

from bcfl.scenarios.definition.refusals import RuleBroken, clause, dotted
from bcfl.scenarios.definition.rules import check
from bcfl.scenarios.definition.schema import ENTRY_KINDS, Data, NamedEntry, Scenario, Task
from bcfl.scenarios.definition.yaml_text import Problem, dump, parse_document, parse_value
from bcfl.scenarios.errors import OverrideInvalid, ScenarioInvalid, ScenarioSyntax, ScenarioUnreadable

__all__ = ("from_mapping", "load", "parameter", "put", "read_keys", "resolved", "validated")

_LARGEST_FILE = 1 << 20

KeyPath = tuple[str | int, ...]


def load(path: Path | str, overrides: Iterable[str] = (), seed: int | None = None) -> Scenario:
    """Read, complete and check a scenario.

    Args:
        path: the YAML file.
        overrides: ``key.key=value`` each, the value in YAML, applied in order; list items by number from 0.
        seed: replaces the file's seed.

    Raises:
        ScenarioUnreadable: no such file, or it is empty, too large or not text.
        ScenarioSyntax: the file is not a scenario's YAML.
        OverrideInvalid: an override is not ``key=value`` or cannot be reached.
        ScenarioInvalid: a key or a value cannot be.
    """
    path = Path(path)
    data, sources = read_keys(path, overrides)
    if seed is not None:
        _override(data, sources, f"seed={seed}", f"--seed {seed}")
    return validated(data, sources, default=f"{path}:")


def read_keys(
    path: Path, overrides: Iterable[str] = (), *, under: tuple[str, ...] = ()
) -> tuple[dict[str, object], dict[KeyPath, str]]:
    """A YAML file's plain data with the overrides, and where each key was said, unchecked.

    Args:
        path: of the file.
        overrides: as for ``load``.
        under: keys that the whole file stands under, where it is a part of a scenario that does not say so itself.

    Raises:
        ScenarioUnreadable, ScenarioSyntax, OverrideInvalid: as ``load``.
    """
    try:
        document = parse_document(_read(path))
    except Problem as problem:
        raise ScenarioSyntax(f"{_place(path, problem.line)} {problem.message}.") from problem
    if document.data is None:
        raise ScenarioUnreadable(
            f"The scenario file {path} is empty; 'bcfl new NAME' writes one to start from."
        )
    if not isinstance(document.data, dict):
        raise ScenarioSyntax(
            f"{path}: a scenario is a mapping of keys such as 'name:' and 'task:', not a "
            f"{_kind(document.data)}; 'bcfl new NAME' writes one to start from."
        )
    data: dict[str, object] = document.data
    if under and under[0] in data:
        under = ()
    for key in reversed(under):
        data = {key: data}
    sources: dict[KeyPath, str] = {(*under, *key): _place(path, line) for key, line in document.lines.items()}
    for override in overrides:
        _override(data, sources, override, f"--set {override}")
    return data, sources


def from_mapping(data: Mapping[str, object]) -> Scenario:
    """A scenario from plain data, with the same checks as a file.

    Raises:
        ScenarioInvalid: a key or a value cannot be.
    """
    return validated(dict(data), {}, default="The scenario:")


def put(data: dict[str, object], key: str, value: object, *, source: str) -> None:
    """Set ``task.score`` and the like in a scenario's plain data, as ``--set`` does.

    Raises:
        OverrideInvalid: the key cannot be reached; the sentence begins with ``source``.
    """
    _put(data, _path(key), value, source)


def resolved(scenario: Scenario) -> str:
    """YAML with every key written out; loading it gives an equal scenario."""
    return dump(scenario.model_dump(mode="json"))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ScenarioUnreadable(
            f"There is no scenario file {path}; check the path, or make one with 'bcfl new NAME'."
        ) from None
    except IsADirectoryError:
        raise ScenarioUnreadable(
            f"{path} is a directory; give the path of a scenario file inside it."
        ) from None
    except OSError as error:
        raise ScenarioUnreadable(
            f"The scenario file {path} cannot be read ({error.strerror}); check its permissions."
        ) from error
    if len(data) > _LARGEST_FILE:
        raise ScenarioUnreadable(
            f"{path} is larger than 1 MiB, which no scenario is; give the path of a scenario."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioUnreadable(
            f"{path} is not text in UTF-8 (byte {error.start}); save it as UTF-8, or give the path of a scenario."
        ) from error


def _place(path: Path, line: int | None) -> str:
    return f"{path}:" if line is None else f"{path}, line {line}:"


def _kind(value: object) -> str:
    return "list" if isinstance(value, list) else "single value"


def _override(data: dict[str, object], sources: dict[KeyPath, str], text: str, source: str) -> None:
    key, equals, value_text = text.partition("=")
    path = _path(key)
    if not equals or "" in path:
        raise OverrideInvalid(f"{source}: write key.key=value, for example --set task.rounds=3.")
    try:
        value = parse_value(value_text)
    except Problem as problem:
        raise OverrideInvalid(f"{source}: the value {problem.message}.") from problem
    _put(data, path, value, source)
    sources.update({known: f"{source}:" for known in list(sources) if known[: len(path)] == path})
    sources[path] = f"{source}:"


def parameter(text: str) -> tuple[str, object]:
    """The key and the value of ``KEY=VALUE`` for an entry, as ``--set`` writes it.

    Raises:
        OverrideInvalid: it is not of that form.
    """
    source = f"--set {text}"
    if not text.partition("=")[1]:
        raise OverrideInvalid(f"{source}: write key=value, for example --set seed=3.")
    data: dict[str, object] = {}
    _override(data, {}, text, source)
    (found,) = data.items()
    return found


def _path(key: str) -> KeyPath:
    return tuple(int(part) if part.isdigit() else part for part in key.strip().split("."))


def _put(data: dict[str, object], path: KeyPath, value: object, source: str) -> None:
    at: object = data
    for depth, part in enumerate(path[:-1], start=1):
        at = _step(at, part, path[:depth], source)
    _set(at, path, value, source)


def _step(at: object, part: str | int, path: KeyPath, source: str) -> object:
    """The container under ``part``; a missing mapping is made, an entry's bare name becomes one."""
    if isinstance(at, list) and isinstance(part, int) and part < len(at):
        return at[part]
    if not isinstance(at, dict):
        raise OverrideInvalid(f"{source}: there is no '{dotted(path)}' to set something in; check the key.")
    inside = at.get(str(part))
    if path in ENTRY_KINDS and (inside is None or isinstance(inside, str)):
        name = inside or _default_name(path)
        inside = {"name": name} if name else {}
    elif inside is None:
        inside = {}
    at[str(part)] = inside
    return inside


def _default_name(path: KeyPath) -> str | None:
    """The entry that the schema gives where the file names none."""
    model: type[pydantic.BaseModel] = Task if path[0] == "task" else Data
    for part in path[1:-1]:
        model = type(model.model_fields[str(part)].default)
    default = model.model_fields[str(path[-1])].default
    return default.name if isinstance(default, NamedEntry) else None


def _set(at: object, path: KeyPath, value: object, source: str) -> None:
    part = path[-1]
    if isinstance(at, list) and isinstance(part, int) and part < len(at):
        at[part] = value
    elif isinstance(at, dict):
        at[str(part)] = value
    else:
        raise OverrideInvalid(
            f"{source}: there is no '{dotted(path[:-1])}' to set '{part}' in; check the key."
        )


def validated(data: dict[str, object], sources: Mapping[KeyPath, str], *, default: str) -> Scenario:
    """A scenario of plain data; a refusal says where the key was said, or ``default``.

    Raises:
        ScenarioInvalid: a key or a value cannot be.
    """
    try:
        scenario = Scenario.model_validate(data)
    except pydantic.ValidationError as error:
        key, text = clause(error)
        raise _invalid(key, text, sources, default) from error
    try:
        check(scenario)
    except RuleBroken as broken:
        raise _invalid(broken.key, broken.message, sources, default) from broken
    return scenario


def _invalid(key: KeyPath, text: str, sources: Mapping[KeyPath, str], default: str) -> ScenarioInvalid:
    source = default
    for length in range(len(key), 0, -1):  # a missing key stands where its parent does
        if key[:length] in sources:
            source = sources[key[:length]]
            break
    return ScenarioInvalid(f"{source} '{dotted(key)}' {text}.", source=source.rstrip(":"), key=dotted(key))
