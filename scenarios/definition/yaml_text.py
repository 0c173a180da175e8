# SPDX-License-Identifier: Apache-2.0
"""The YAML that scenarios are written in: plain mappings, lists and values, with the line of every key.

Stricter than YAML at large, because a scenario is data that people share: no aliases (a few lines of them expand
to gigabytes), no tags, no repeated key, no infinities. Numbers and truth values follow YAML 1.2 (``1e-3`` is a number,
``no`` is text, ``012`` is not octal).
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

__all__ = ("Document", "Problem", "dump", "parse_document", "parse_value")

Path = tuple[str | int, ...]

_DEEPEST = 20
_FLOAT = re.compile(
    r"[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d*)|0x[0-9a-fA-F]+")


class Problem(Exception):
    """Text that is not a scenario's YAML: what is wrong and how to mend it, and the line where known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to keep resolvers a class


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(rf"(?:{_INTEGER.pattern})$", re.ASCII), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"(?:{_FLOAT.pattern})$", re.ASCII), list("-+.0123456789")
)


class _Dumper(yaml.SafeDumper):
    """Writes what ``_Loader`` reads back, and quotes what other readers of YAML could take for something else."""

    def represent_text(self, value: str) -> yaml.ScalarNode:
        # plain and single-quoted text folds exotic line breaks; double quotes escape them
        return self.represent_scalar(
            "tag:yaml.org,2002:str", value, style=None if value.isprintable() else '"'
        )


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"(?:{_FLOAT.pattern})$", re.ASCII), list("-+.0123456789")
)


class Document:
    """Plain data with the line (from 1) of every key and list item."""

    def __init__(self, data: object, lines: dict[Path, int]) -> None:
        self.data = data
        self.lines = lines


def parse_document(text: str) -> Document:
    """The data of a YAML document.

    Raises:
        Problem: what is wrong, with the line where it is known.
    """
    lines: dict[Path, int] = {}
    loader = _loader(text)
    try:
        _refuse_aliases(text)
        node = loader.get_single_node()
        data = None if node is None else _construct(loader, node, (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Problem(_syntax(error), None if mark is None else mark.line + 1) from error
    except (yaml.YAMLError, ValueError) as error:
        raise Problem(f"is not valid YAML ({' '.join(str(error).split())[:120]}); mend the text") from error
    except RecursionError as error:
        raise Problem(
            f"nests deeper than the {_DEEPEST} levels that a scenario may have; flatten it"
        ) from error
    finally:
        loader.dispose()
    return Document(data, lines)


def parse_value(text: str) -> object:
    """The data of one YAML value, such as ``3`` or ``{name: fedavg, by: score}``.

    Raises:
        Problem: the text is not one YAML value.
    """
    return parse_document(text).data


def dump(data: object) -> str:
    """YAML text that ``parse_document`` reads back to the same data; keys keep their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _loader(text: str) -> _Loader:
    try:
        return _Loader(text)
    except yaml.YAMLError as error:  # a control character, which the reader refuses at once
        raise Problem("holds a control character, which YAML does not allow; remove it") from error


def _refuse_aliases(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise Problem(
                f"nests deeper than the {_DEEPEST} levels that a scenario may have; flatten it", _line(event)
            )
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise Problem(
                "uses a YAML anchor or alias, which scenarios may not; write the value out", _line(event)
            )


def _line(at: Any) -> int:  # noqa: ANN401 - an event or a node: both carry a mark
    return int(at.start_mark.line) + 1


def _construct(loader: _Loader, node: yaml.Node, path: Path, lines: dict[Path, int]) -> object:
    lines.setdefault(path, _line(node))
    if node.tag not in _TAGS:
        raise Problem(
            f"uses the YAML tag '{node.tag}', which scenarios may not; write a plain value", _line(node)
        )
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(loader, item, (*path, position), lines) for position, item in enumerate(node.value)
        ]
    value = loader.construct_object(node)
    if isinstance(value, float) and not math.isfinite(value):
        where = f" at '{_dotted(path)}'" if path else ""
        raise Problem(f"has {node.value}{where}; write a finite number", _line(node))
    return value


_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "null", "bool", "int", "float", "str")
)


def _mapping(
    loader: _Loader, node: yaml.MappingNode, path: Path, lines: dict[Path, int]
) -> dict[str, object]:
    data: dict[str, object] = {}
    for key_node, value_node in node.value:
        if not (isinstance(key_node, yaml.ScalarNode) and key_node.tag == "tag:yaml.org,2002:str"):
            raise Problem("has a key that is not a plain word; write it as a word", _line(key_node))
        key = str(key_node.value)
        if key in data:
            first = lines[(*path, key)]
            raise Problem(
                f"has the key '{_dotted((*path, key))}' twice (first in line {first}); keep one",
                _line(key_node),
            )
        lines[(*path, key)] = _line(key_node)
        data[key] = _construct(loader, value_node, (*path, key), lines)
    return data


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _syntax(error: yaml.MarkedYAMLError) -> str:
    what = " ".join((error.problem or "it cannot be parsed").split())
    return f"is not valid YAML ({what}); check the indentation, colons and quotes there"
