# SPDX-License-Identifier: Apache-2.0
"""Trainers that commit to what nobody can use: never opened, no model at all, not in the store, too slow, too large.

None of them trains. What the protocol does about each is in ``docs/adversaries.md``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bcfl.agents.adversaries.slow_contents import SlowContents
from bcfl.agents.common.behaviour import Honest, Turn
from bcfl.agents.common.circle import Circle
from bcfl.agents.common.training import Publish
from bcfl.agents.runtime.actions import Action, Transact, View
from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import Address
from bcfl.models.weights import Weights
from bcfl.models.wire.tensors import encode
from bcfl.registry import register

__all__ = ("GarbageCid", "NoReveal", "OversizeBlob", "SlowCid", "UnavailableCid")


@register("behaviour", "no_reveal", source="subtensor #837: commitments that are never revealed")
@dataclass(frozen=True, kw_only=True)
class NoReveal(Honest):
    """Commits to the global model and never opens: the reveal phase lasts until its deadline and its stake is lost."""

    misbehaves = True

    async def update(self, turn: Turn) -> Weights | None:
        """Nothing learnt."""
        return turn.start

    def decide(
        self,
        view: View,  # noqa: ARG002 - whatever the view
        me: Address,  # noqa: ARG002
        actions: Sequence[Action],
        circle: Circle | None = None,  # noqa: ARG002
    ) -> Sequence[Action]:
        """All but the opening and what comes before it."""
        return [
            action
            for action in actions
            if not (isinstance(action, Publish) or (isinstance(action, Transact) and action.name == "reveal"))
        ]


@register("behaviour", "garbage_cid", source="adversarial catalogue, griefing: the content is random bytes")
@dataclass(frozen=True, kw_only=True)
class GarbageCid(Honest):
    """Opens the digest of ``size`` random bytes, which are in the store."""

    size: int = 4096

    misbehaves = True

    async def update(self, turn: Turn) -> Weights | None:
        """Nothing learnt."""
        return turn.start

    def encode(self, turn: Turn, weights: Weights, metadata: Mapping[str, str]) -> bytes:  # noqa: ARG002
        """Random bytes, never more than the task takes."""
        return turn.rng.bytes(min(self.size, turn.state.config.max_update_size))


@register("behaviour", "unavailable_cid", source="adversarial catalogue, griefing: the content is not there")
@dataclass(frozen=True, kw_only=True)
class UnavailableCid(GarbageCid):
    """Opens the digest of bytes that never enter the store."""

    async def publish(self, data: bytes, store: ContentStore) -> None:
        """Keep them."""


@register("behaviour", "slow_cid", source="adversarial catalogue, griefing: the content drips")
@dataclass(frozen=True, kw_only=True)
class SlowCid(Honest):
    """Stores a sound copy of the global model and serves it over ``seconds`` of wall time.

    A fetch gives up after 60 s (``agents.retrieval``), and so long the round waits: contents are fetched side by side.
    """

    seconds: float = 300.0

    misbehaves = True

    async def update(self, turn: Turn) -> Weights | None:
        """Nothing learnt."""
        return turn.start

    async def publish(self, data: bytes, store: ContentStore) -> None:
        """Store and slow down."""
        content = await store.put(data)
        if isinstance(store, SlowContents):  # else the store is not the adversary's to serve from
            store.slow_down(content, self.seconds)


@register("behaviour", "oversize_blob", source="2CP and BCFL_framework fetch updates of any size")
@dataclass(frozen=True, kw_only=True)
class OversizeBlob(Honest):
    """A sound model in a file padded to ``excess`` bytes more than the task takes; the contract skips its opening."""

    excess: int = 1

    misbehaves = True

    async def update(self, turn: Turn) -> Weights | None:
        """Nothing learnt."""
        return turn.start

    def encode(self, turn: Turn, weights: Weights, metadata: Mapping[str, str]) -> bytes:
        """The format lets a header end in spaces: they are the padding."""
        data = encode(weights, dict(metadata))
        missing = turn.state.config.max_update_size + self.excess - len(data)
        if missing <= 0:
            return data
        (length,) = struct.unpack_from("<Q", data)
        header, tensors = data[8 : 8 + length], data[8 + length :]
        return struct.pack("<Q", length + missing) + header + b" " * missing + tensors
