# SPDX-License-Identifier: Apache-2.0
"""Messages as an intake takes them over HTTP: one JSON object each, bytes in hexadecimal."""

from __future__ import annotations

from typing import Annotated

from eth_utils import to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bcfl.agents.errors import MessageRefused
from bcfl.contracts.calls import Permit
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.messages import CommitMessage, JoinMessage, Message, OpeningMessage

__all__ = ("LARGEST", "decoded", "encoded")

LARGEST = 2048
"""Bytes that no message exceeds."""


def _hexadecimal(length: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text) != 2 * length or set(text) - set("0123456789abcdef"):
            raise ValueError(f"{length} bytes in lower-case hexadecimal are wanted")
        return text

    return AfterValidator(check)


Bytes16 = Annotated[str, _hexadecimal(16)]
Bytes20 = Annotated[str, _hexadecimal(20)]
Bytes32 = Annotated[str, _hexadecimal(32)]
Bytes65 = Annotated[str, _hexadecimal(65)]
Uint32 = Annotated[int, Field(ge=0, lt=1 << 32)]


def _below_2_256(text: str) -> str:
    if int(text) >= 1 << 256:
        raise ValueError("a number below 2²⁵⁶ is wanted")
    return text


Uint256 = Annotated[str, Field(pattern="^(0|[1-9][0-9]{0,77})$"), AfterValidator(_below_2_256)]
"""As text: many readers of JSON round numbers above 2⁵³."""


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class _Permit(_Body):
    value: Uint256
    deadline: Uint256
    v: Annotated[int, Field(ge=0, le=255)]
    r: Bytes32
    s: Bytes32


class _Join(_Body):
    account: Bytes20
    permit: _Permit
    signature: Bytes65


class _Commit(_Body):
    round: Uint32
    index: Uint32
    commitment: Bytes32
    signature: Bytes65


class _Open(_Body):
    round: Uint32
    index: Uint32
    digest: Bytes32
    size: Uint32
    salt: Bytes16


def encoded(message: Message) -> tuple[str, bytes]:
    """The kind of a message, and its JSON."""
    match message:
        case JoinMessage(account=account, permit=permit):
            allowed = _Permit(
                value=str(permit.value),
                deadline=str(permit.deadline),
                v=permit.v,
                r=permit.r.hex(),
                s=permit.s.hex(),
            )
            body: _Body = _Join(
                account=account[2:].lower(), permit=allowed, signature=message.signature.hex()
            )
            kind = "join"
        case CommitMessage():
            body = _Commit(
                round=message.round,
                index=message.index,
                commitment=message.commitment.hex(),
                signature=message.signature.hex(),
            )
            kind = "commit"
        case OpeningMessage(content=content):
            body = _Open(
                round=message.round,
                index=message.index,
                digest=content.digest.hex(),
                size=content.size,
                salt=message.salt.hex(),
            )
            kind = "open"
    return kind, body.model_dump_json().encode()


def decoded(kind: str, data: bytes) -> Message:
    """The message.

    Raises:
        MessageRefused: there is no such kind, or it is not in its form.
    """
    try:
        match kind:
            case "join":
                return _join(_Join.model_validate_json(data))
            case "commit":
                commit = _Commit.model_validate_json(data)
                return CommitMessage(
                    round=commit.round,
                    index=TrainerIndex(commit.index),
                    commitment=bytes.fromhex(commit.commitment),
                    signature=bytes.fromhex(commit.signature),
                )
            case "open":
                opened = _Open.model_validate_json(data)
                return OpeningMessage(
                    round=opened.round,
                    index=TrainerIndex(opened.index),
                    content=ContentId(bytes.fromhex(opened.digest), opened.size),
                    salt=bytes.fromhex(opened.salt),
                )
            case _:
                raise MessageRefused(f"There is no message {kind!r}: there are join, commit and open.")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the message"
        raise MessageRefused(f"'{where}' of {kind}: {first['msg'].lower()}.") from None


def _join(join: _Join) -> JoinMessage:
    permit = Permit(
        value=int(join.permit.value),
        deadline=int(join.permit.deadline),
        v=join.permit.v,
        r=bytes.fromhex(join.permit.r),
        s=bytes.fromhex(join.permit.s),
    )
    return JoinMessage(
        account=Address(to_checksum_address(join.account)),
        permit=permit,
        signature=bytes.fromhex(join.signature),
    )
