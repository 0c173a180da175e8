# SPDX-License-Identifier: Apache-2.0
"""The only user of the ABI codec: logs in, calls out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import eth_abi
from eth_abi.exceptions import DecodingError
from eth_utils import keccak, to_checksum_address

from bcfl.contracts import artifacts
from bcfl.contracts import events as e
from bcfl.contracts.delivery import EventOrigin
from bcfl.contracts.errors import MalformedLog
from bcfl.contracts.event_builders import BUILDERS
from bcfl.contracts.ids import Address

__all__ = ("decode_call", "decode_log", "decode_result", "encode_call", "encode_constructor", "error_name")


def encode_call(contract: str, function: str, *arguments: Any) -> bytes:  # noqa: ANN401 - ABI values
    """Calldata of a function of one of our contracts."""
    selector, types, _ = _functions(contract)[function]
    return selector + eth_abi.encode(types, arguments)


def decode_call(contract: str, data: bytes) -> tuple[str, tuple[Any, ...]]:
    """The function that calldata is for, and its arguments; "" and none where the contract has no such function."""
    for name, (selector, types, _) in _functions(contract).items():
        if data[:4] == selector:
            return name, tuple(eth_abi.decode(types, data[4:]))
    return "", ()


def decode_result(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """What a view returned."""
    _, _, types = _functions(contract)[function]
    return tuple(eth_abi.decode(types, data))


def encode_constructor(
    contract: str,
    *arguments: Any,  # noqa: ANN401 - ABI values
    libraries: Mapping[str, Address] | None = None,
) -> bytes:
    """Creation code with its constructor's arguments, linked with ``libraries``, by name.

    Raises:
        KeyError: a library that it is to be linked with is missing.
    """
    artifact = artifacts.load(contract)
    inputs = [entry["inputs"] for entry in artifact.abi if entry["type"] == "constructor"]
    types = [_type(item) for item in inputs[0]] if inputs else []
    return artifact.linked(libraries or {}) + eth_abi.encode(types, arguments)


def error_name(data: bytes) -> str:
    """Name and arguments of a custom error, for people: ``WrongPhase(3)``; raw hexadecimal where unknown."""
    known = _errors().get(data[:4])
    if known is None:
        return f"0x{data.hex()}" if data else "reverted without a reason"
    name, types = known
    try:
        values = eth_abi.decode(types, data[4:])
    except DecodingError:
        return name
    return f"{name}({', '.join(_show(value) for value in values)})"


def decode_log(*, origin: EventOrigin, topics: tuple[bytes, ...], data: bytes) -> tuple[e.Event, ...]:
    """The typed events that one log stands for; none for a log that is not ours.

    Raises:
        MalformedLog: the signature is ours but the rest does not decode.
    """
    if not topics or topics[0] not in _events():
        return ()
    name, indexed, plain = _events()[topics[0]]
    try:
        values = {
            n: _named(eth_abi.decode([t], topic)[0], item)
            for (n, t, item), topic in zip(indexed, topics[1:], strict=True)
        }
        decoded = eth_abi.decode([t for _, t, _ in plain], data)
        values.update({n: _named(value, item) for (n, _, item), value in zip(plain, decoded, strict=True)})
        return tuple(BUILDERS[name](origin, values))
    except (DecodingError, ValueError, KeyError) as error:
        raise MalformedLog(
            f"A {name} log of {origin.address} in block {origin.block.number} does not decode."
        ) from error


def event_name(topic: bytes) -> str:
    """Of the event whose logs begin with this topic; empty where it is not ours."""
    return _events()[topic][0] if topic in _events() else ""


def _show(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def _type(item: dict[str, Any]) -> str:
    kind: str = item["type"]
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_type(component) for component in item["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def _named(value: Any, item: dict[str, Any]) -> Any:  # noqa: ANN401 - ABI values
    if item["type"] == "tuple":
        return {part["name"]: _named(v, part) for part, v in zip(item["components"], value, strict=True)}
    if item["type"] == "address":
        return Address(to_checksum_address(value))
    if item["type"] == "address[]":
        return tuple(Address(to_checksum_address(part)) for part in value)
    return value


def _signature(entry: dict[str, Any]) -> bytes:
    return keccak(f"{entry['name']}({','.join(_type(item) for item in entry['inputs'])})".encode())


@functools.cache
def _functions(contract: str) -> dict[str, tuple[bytes, list[str], list[str]]]:
    return {
        entry["name"]: (
            _signature(entry)[:4],
            [_type(item) for item in entry["inputs"]],
            [_type(item) for item in entry["outputs"]],
        )
        for entry in artifacts.load(contract).abi
        if entry["type"] == "function"
    }


_Field = tuple[str, str, dict[str, Any]]


@functools.cache
def _events() -> dict[bytes, tuple[str, list[_Field], list[_Field]]]:
    known = {}
    for contract in ("TaskFactory", "RootedTask", "ConsortiumTask"):
        for entry in artifacts.load(contract).abi:
            if entry["type"] == "event" and entry["name"] in BUILDERS:
                fields = [(item["name"], _type(item), item) for item in entry["inputs"]]
                indexed = [f for f in fields if f[2]["indexed"]]
                plain = [f for f in fields if not f[2]["indexed"]]
                known[_signature(entry)] = (entry["name"], indexed, plain)
    return known


@functools.cache
def _errors() -> dict[bytes, tuple[str, list[str]]]:
    return {
        _signature(entry)[:4]: (entry["name"], [_type(item) for item in entry["inputs"]])
        for contract in ("RootedTask", "ConsortiumTask", "RewardToken", "TaskFactory")
        for entry in artifacts.load(contract).abi
        if entry["type"] == "error"
    }
