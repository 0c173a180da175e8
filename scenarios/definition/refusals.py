# SPDX-License-Identifier: Apache-2.0
"""A refusal of a scenario in words: which key, what is wrong with it, what to write instead."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union

import pydantic
from pydantic_core import ErrorDetails

from bcfl.registry import nearest
from bcfl.scenarios.definition.schema import NamedEntry, Scenario

__all__ = ("RuleBroken", "clause", "dotted")

_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "tuple_type": "a list",
}
_SHAPES = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
}


class RuleBroken(Exception):
    """A scenario breaks a rule that spans keys; ``key`` is where to mend it and the text says how."""

    def __init__(self, key: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


def dotted(key: tuple[str | int, ...]) -> str:
    """``("population", "trainers", 0)`` as ``population.trainers.0``."""
    return ".".join(map(str, key))


def clause(error: pydantic.ValidationError) -> tuple[tuple[str | int, ...], str]:
    """The key of the first refusal, and a clause that completes the sentence "'key' …"."""
    first = min(error.errors(include_url=False), key=_order)
    key = tuple(part for part in first["loc"] if part != "parameters")
    return key, _clause(first, key)


def _order(error: ErrorDetails) -> int:
    # a misspelt key makes the right one missing too: the misspelling is what to mend
    return 0 if error["type"] == "extra_forbidden" else 1


def _clause(error: ErrorDetails, key: tuple[str | int, ...]) -> str:
    kind, given, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "extra_forbidden":
        known = [name for model in _models_at(key[:-1]) for name in model.model_fields]
        return f"is not a key of a scenario{nearest(str(key[-1]), known)}"
    if kind == "missing":
        return f"is missing; write {_example(key)}"
    if kind == "model_type" and NamedEntry in _models_at(key):
        return f"is {_shown(given)}; write a name, or a mapping with 'name:' and parameters"
    if kind in _TYPES:
        return f"is {_shown(given)}; write {_TYPES[kind]}"
    if kind == "literal_error":
        return f"cannot be {_shown(given)}; write {context['expected']}"
    if kind in ("too_short", "too_long"):
        return f"has {context['actual_length']} items; write at {_bound(kind)} {context.get('min_length', context.get('max_length'))}"
    if kind == "string_pattern_mismatch":
        return f"cannot be {_shown(given)}; write a letter and then at most 31 letters, digits, '-' or '_'"
    if kind == "value_error":
        return f"cannot be {_shown(given)}; {context['error']}"
    low_high = _range(key, context)
    if low_high:
        return f"is {_shown(given)}; write {low_high}"
    return f"cannot be {_shown(given)}: {error['msg'][:1].lower()}{error['msg'][1:]}; 'bcfl new NAME' writes every key with its use"


def _bound(kind: str) -> str:
    return "least" if kind == "too_short" else "most"


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, str):
        return f"'{value[:40]}…'" if len(value) > 40 else f"'{value}'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)[:40]
    return _SHAPES.get(type(value), "that")


def _range(key: tuple[str | int, ...], context: dict[str, Any]) -> str:
    """The whole allowed range of a number, not only the side that was missed."""
    limits: dict[str, Any] = {}
    for model in _models_at(key[:-1]):
        field = model.model_fields.get(str(key[-1]))
        for constraint in _metadata(field) if field else ():
            limits.update(
                {
                    side: getattr(constraint, side)
                    for side in ("ge", "gt", "le", "lt")
                    if hasattr(constraint, side)
                }
            )
    limits = limits or {side: context[side] for side in ("ge", "gt", "le", "lt") if side in context}
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return " and ".join(
        f"{words[side]} {limits[side]:,}" for side in ("ge", "gt", "le", "lt") if side in limits
    )


def _metadata(field: pydantic.fields.FieldInfo) -> Iterator[object]:
    yield from field.metadata
    pending = [field.annotation]
    while pending:
        annotation = pending.pop()
        for item in getattr(annotation, "__metadata__", ()):
            yield from getattr(item, "metadata", (item,))
        pending.extend(typing.get_args(annotation))


def _models_at(key: tuple[str | int, ...]) -> list[type[pydantic.BaseModel]]:
    """The models whose fields are the keys under ``key``."""
    found: list[type[pydantic.BaseModel]] = [Scenario]
    for part in key:
        if isinstance(part, int):
            continue  # the list's items were already entered with the list's key
        fields = [model.model_fields[part] for model in found if part in model.model_fields]
        found = [model for field in fields for model in _models_in(field.annotation)]
    return found


def _models_in(annotation: object) -> Iterator[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in (Union, UnionType, tuple, typing.Annotated):
        for argument in typing.get_args(annotation):
            yield from _models_in(argument)


_EXAMPLES = {
    "name": "'name:' and a name",
    "rounds": "the number of rounds, for example 'rounds: 5'",
    "task": "'task:' with at least 'rounds:' and 'network:' under it",
    "data": "'data:' with at least 'dataset:' under it",
    "population": "'population:' with 'evaluators:' and 'trainers:' under it",
    "network": "the name of a network ('bcfl catalog' lists them)",
    "dataset": "the name of a dataset ('bcfl catalog' lists them)",
    "trainers": "a list, for example 'trainers: [{name: trainer, count: 4}]'",
}


def _example(key: tuple[str | int, ...]) -> str:
    models = _models_at(key[:-1])
    if NamedEntry in models:
        return "'name:' and the entry's name ('bcfl catalog' lists them)"
    return _EXAMPLES[str(key[-1])]
