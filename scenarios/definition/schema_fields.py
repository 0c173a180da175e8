# SPDX-License-Identifier: Apache-2.0
"""What the keys of a scenario are made of: names, exact decimals, durations, named entries."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_serializer,
    model_validator,
)

from bcfl import registry
from bcfl.scenarios.definition.tokens import parse_tokens

__all__ = ("NAME_PATTERN", "Keys", "Name", "NamedEntry", "Seconds", "Tokens")

NAME_PATTERN = r"^[^\W\d_][\w-]{0,31}$"
"""What scenarios and participants may be called, in any script: the names go into paths, logs and figures."""

_MONTH_S = 31 * 24 * 3600


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError(f'put it in quotes, "{value}": a number with a point loses digits')  # noqa: TRY004 - pydantic
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _decimal(value: str) -> str:
    parse_tokens(value)
    return value


def _composed(value: object) -> object:
    """An ü is one letter, whether a keyboard wrote it as one or as two."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


Name = Annotated[str, BeforeValidator(_composed), Field(pattern=NAME_PATTERN)]
Tokens = Annotated[str, BeforeValidator(_exact), AfterValidator(_decimal)]
"""A decimal of at most 9 places as text: numbers with a point would lose digits."""
Seconds = Annotated[int, Field(ge=2, le=_MONTH_S)]
"""Of a phase: at least what factories of ours ask for (``chain.deployer.LEAST_DURATION_S``)."""


class Keys(BaseModel):
    """A mapping of known keys; what is read cannot be changed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True
    )


class NamedEntry(Keys):
    """An entry of the registry: a name, or a mapping with ``name`` and the entry's parameters beside it."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "parameters" not in value:
            name = {"name": value["name"]} if "name" in value else {}
            return {**name, "parameters": {key: item for key, item in value.items() if key != "name"}}
        return value

    @model_serializer
    def _to_yaml(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.parameters} if self.parameters else self.name

    def create(self, kind: str) -> Any:  # noqa: ANN401 - an entry of any kind
        """The entry itself, its parameters checked.

        Raises:
            RegistryError: no such entry, or it cannot take the parameters.
        """
        return registry.create(kind, self.name, self.parameters)
