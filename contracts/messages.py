# SPDX-License-Identifier: Apache-2.0
"""What members say off the chain so that somebody else brings it there: the signed forms of joining, committing and opening.

An opening needs no signature: nobody but its member can know what it opens.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils import to_checksum_address

from bcfl.contracts.abi import decode_call
from bcfl.contracts.calls import Call, Permit
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.typed_data import commit_digest, join_digest

__all__ = ("CommitMessage", "JoinMessage", "Message", "OpeningMessage", "digest_of", "message_of")

_OPENED = 57  # tag 1, index 4, digest 32, size 4, salt 16
_CLOSED = 37  # tag 0, index 4, commitment 32


@dataclass(frozen=True, kw_only=True)
class JoinMessage:
    """An account wants to become a member; the permit allows its stake."""

    account: Address
    permit: Permit
    signature: bytes = b""


@dataclass(frozen=True, kw_only=True)
class CommitMessage:
    """A member's commitment of a round, 32 bytes."""

    round: int
    index: TrainerIndex
    commitment: bytes
    signature: bytes = b""


@dataclass(frozen=True, kw_only=True)
class OpeningMessage:
    """What a member committed to in a round."""

    round: int
    index: TrainerIndex
    content: ContentId
    salt: bytes


Message = JoinMessage | CommitMessage | OpeningMessage


def message_of(call: Call) -> Message | None:
    """What a member's own call says, without a signature; None: it is not for others to bring."""
    name, values = decode_call("RootedTask", call.data)  # has what every crowd's task has
    match name:
        case "join":
            account, (value, deadline, v, r, s), _ = values
            permit = Permit(value=value, deadline=deadline, v=v, r=r, s=s)
            return JoinMessage(account=Address(to_checksum_address(account)), permit=permit)
        case "commit":
            number, index, commitment = values
            return CommitMessage(round=number, index=index, commitment=commitment)
        case "reveal":
            number, _, packed = values
            return _opening(number, packed)
        case "revealProven":
            number, _, _, _, opened, _ = values
            return _opening(number, opened)
        case _:
            return None


def _opening(number: int, packed: bytes) -> OpeningMessage | None:
    """The one entry of a batch that is open."""
    start = 0
    while start < len(packed):
        if packed[start]:
            one = packed[start : start + _OPENED]
            return OpeningMessage(
                round=number,
                index=TrainerIndex(int.from_bytes(one[1:5], "big")),
                content=ContentId(one[5:37], int.from_bytes(one[37:41], "big")),
                salt=one[41:],
            )
        start += _CLOSED
    return None


def digest_of(message: JoinMessage | CommitMessage, *, chain_id: int, task: Address) -> bytes:
    """The 32 bytes that its member signs (EIP-712)."""
    if isinstance(message, JoinMessage):
        return join_digest(chain_id=chain_id, task=task, account=message.account)
    return commit_digest(
        chain_id=chain_id,
        task=task,
        round_number=message.round,
        index=message.index,
        commitment=message.commitment,
    )
