# SPDX-License-Identifier: Apache-2.0
"""Contents fetched and parsed safely: size from chain, cap, deadline, digest, then the schema."""

from __future__ import annotations

import anyio

from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import ContentId
from bcfl.contracts.specification import Specification
from bcfl.contracts.state import UNKNOWN_CONTENT
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.packed import Packing
from bcfl.models.wire.tensors import decode
from bcfl.storage.errors import ContentNotFound
from bcfl.storage.fetch import fetch

__all__ = ("REPORT_BYTES", "Retrieval", "schema_of")

REPORT_BYTES = 1 << 26
"""The largest report of an evaluation that anybody reads."""

_SPECIFICATION_BYTES = 1 << 20
_REMEMBERED = 4


def schema_of(specification: Specification) -> Schema:
    """The tensors that an update of the task has."""
    return Schema(tuple(TensorSpec(name, shape) for name, shape in specification.tensors))


class Retrieval:
    """Fetches what others stored; the newest few models are remembered, for agents of one process share them.

    Args:
        store: where contents come from.
        deadline_s: longest wait for one content, in seconds.
    """

    def __init__(self, store: ContentStore, *, deadline_s: float = 60.0) -> None:
        self._store = store
        self._deadline_s = deadline_s
        self._fetching = anyio.Lock()
        self._models: dict[ContentId, Weights] = {}
        self._specifications: dict[ContentId, Specification] = {}

    async def content(self, content: ContentId, *, max_bytes: int) -> bytes:
        """The bytes; raises a ``FetchError`` that names the reason."""
        if content == UNKNOWN_CONTENT:
            raise ContentNotFound("The content is not known: the list that names it cannot be had.")
        return await fetch(self._store, content, max_bytes=max_bytes, deadline_s=self._deadline_s)

    async def specification(self, content: ContentId) -> Specification:
        """A task's specification.

        Raises:
            FetchError: it cannot be had.
            MalformedSpecification: it cannot be read.
        """
        if content not in self._specifications:
            data = await self.content(content, max_bytes=_SPECIFICATION_BYTES)
            self._specifications[content] = Specification.decode(data)
        return self._specifications[content]

    async def model(self, content: ContentId, schema: Schema, *, max_bytes: int) -> Weights:
        """A global model.

        Raises:
            FetchError: it cannot be had.
            MalformedUpdate: it is not what the schema says.
        """
        async with self._fetching:  # a thousand agents that start a round fetch its model once
            known = self._models.get(content)
            if known is None:
                known, _ = await self.update(content, schema, max_bytes=max_bytes)
                while len(self._models) >= _REMEMBERED:
                    del self._models[next(iter(self._models))]
                self._models[content] = known
        return known

    async def update(
        self, content: ContentId, schema: Schema, *, max_bytes: int, packing: Packing | None = None
    ) -> tuple[Weights, dict[str, str]]:
        """A trainer's update and its metadata, packed in that way or not at all; raises as ``model``."""
        data = await self.content(content, max_bytes=max_bytes)
        return decode(data, schema) if packing is None else packing.decode(data)
