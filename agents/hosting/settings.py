# SPDX-License-Identifier: Apache-2.0
"""Settings of agents and of who commands them: of flags, of the environment, of one TOML file, in this order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bcfl.agents.errors import SettingsInvalid

__all__ = ("Origin", "Settings", "bcfl_home", "origins", "settings")


Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def bcfl_home() -> Path:
    """Where keys, networks, settings and agents' folders are: ``$BCFL_HOME``, else ``~/.bcfl``."""
    return Path(os.environ.get("BCFL_HOME") or Path.home() / ".bcfl")


class Settings(BaseSettings):
    """What a command needs to know and is not told each time.

    Attributes:
        network: the name of a network.
        key: the name of a key.
        password_file: that holds the key's password.
        store: where models are, instead of the network's: ``kubo:URL`` or ``directory:PATH``.
        data_dir: where data lie that no package carries.
        executor: where training runs: in threads of the agent's process, or in processes of their own.
        workers: how many jobs at the same time.
        metrics: the port on loopback where an agent can be asked how it is, 0: any.
        traces: where an agent sends OpenTelemetry traces, the OTLP address of a collector.
        fees_a_day: the most that an agent's transactions may cost on a day (UTC), in ether.
        memory: the most that a task's models may take at the same time, in GB.
        disk: the most that a task may have kept in the store, in GB.
        upload: the most that is handed in or published in a round, in MB.
    """

    model_config = SettingsConfigDict(env_prefix="BCFL_", extra="ignore")

    network: str | None = None
    key: str | None = None
    password_file: Path | None = None
    store: str | None = None
    data_dir: Path | None = None
    executor: Literal["threads", "processes"] = "threads"
    workers: Annotated[int, Field(ge=1, le=1024)] = 1
    metrics: Annotated[int, Field(ge=0, le=65535)] | None = None
    traces: Annotated[str, Field(pattern="^https?://.+")] | None = None
    fees_a_day: Amount | None = None
    memory: Amount | None = None
    disk: Amount | None = None
    upload: Amount | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before the environment before the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _file())


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A setting, what it is, and where that was said."""

    name: str
    value: Any
    origin: str


def settings(given: Mapping[str, Any] | None = None) -> Settings:
    """The settings, with those of flags that were given (None: not given).

    Raises:
        SettingsInvalid: one of them cannot be, or the file cannot be read.
    """
    flags = {name: value for name, value in (given or {}).items() if value is not None}
    _check_file()
    try:
        return Settings(**flags)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        said = next((one.origin for one in _said(flags) if one.name == name), "somewhere")
        raise SettingsInvalid(
            f"The setting '{name}' ({said}): {str(first['msg'])[:1].lower()}{str(first['msg'])[1:]}."
        ) from error


def origins(given: Mapping[str, Any] | None = None) -> list[Origin]:
    """Every setting with where it was said; raises as ``settings``."""
    flags = {name: value for name, value in (given or {}).items() if value is not None}
    chosen = settings(flags)
    said = {one.name: one.origin for one in reversed(list(_said(flags)))}
    return [
        Origin(name=name, value=getattr(chosen, name), origin=said.get(name, "default"))
        for name in Settings.model_fields
    ]


def _file() -> Path:
    return bcfl_home() / "config.toml"


def _said(flags: Mapping[str, Any]) -> Iterator[Origin]:
    """What each source says, the one that counts first."""
    yield from (Origin(name=name, value=value, origin="flag") for name, value in flags.items())
    for name, value in EnvSettingsSource(Settings)().items():
        yield Origin(name=name, value=value, origin=f"environment, BCFL_{name.upper()}")
    for name, value in TomlConfigSettingsSource(Settings, _file())().items():
        yield Origin(name=name, value=value, origin=str(_file()))


def _check_file() -> None:
    """A setting that there is not would have no effect, and nobody would know."""
    try:
        said = TomlConfigSettingsSource(Settings, _file())()
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{_file()} cannot be read: {error}.") from error
    unknown = sorted(said.keys() - Settings.model_fields.keys())
    if unknown:
        raise SettingsInvalid(
            f"{_file()}: there is no setting '{unknown[0]}'; there are {', '.join(Settings.model_fields)}."
        )
