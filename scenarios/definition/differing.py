# SPDX-License-Identifier: Apache-2.0
"""In which keys scenarios differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bcfl.scenarios.definition.schema import Scenario

__all__ = ("differing",)


def differing(scenarios: Sequence[Scenario]) -> list[tuple[str, tuple[object, ...]]]:
    """Keys, dotted, that not all of them say alike, each with what each says; None where one lacks it. Names and descriptions are none."""
    flat = [
        dict(_leaves(one.model_dump(mode="json", exclude={"name", "description"}), "")) for one in scenarios
    ]
    keys = dict.fromkeys(key for one in flat for key in one)
    found = [(key, tuple(one.get(key) for one in flat)) for key in keys]
    return [(key, values) for key, values in found if any(value != values[0] for value in values)]


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        parts = dict(enumerate(value)).items()
    else:
        yield key, value
        return
    for name, one in parts:
        yield from _leaves(one, f"{key}.{name}" if key else str(name))
