# SPDX-License-Identifier: Apache-2.0
"""A task's specification: what whoever joins has read and what audits are against.

Canonical JSON in the store; its content id is on chain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic_core

from bcfl.contracts.errors import MalformedSpecification

__all__ = ("LEAST_KEPT", "EntryReference", "Specification")

_MOST_AXES = 16
_LONGEST_AXIS = 2**31

LEAST_KEPT = 2
"""Rounds that keep their contents at least: the one under way, and the one that members may still object to."""


@dataclass(frozen=True)
class EntryReference:
    """A named entry of the registry with its parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


_NONE = {"name": "none", "parameters": {}}


@dataclass(frozen=True, kw_only=True)
class Specification:
    """How a task learns, scores and aggregates."""

    title: str
    network: EntryReference
    training: Mapping[str, Any]
    """Hyper-parameters as ``models.training`` names them."""
    score: EntryReference
    aggregator: EntryReference
    tensors: tuple[tuple[str, tuple[int, ...]], ...]
    """Names and shapes of an update, float32."""
    defence: EntryReference = EntryReference("none")
    server_optimizer: EntryReference = EntryReference("none")
    """How the mean of a round moves the global model."""
    timeliness: float = 0.0
    """The largest share by which a score grows for handing in early."""
    kept_models: int | None = None
    """So many of the newest rounds keep their model in everybody's store; None: all do."""
    kept_updates: int | None = None
    """So many of the newest rounds keep their updates."""
    reported_samples: int | None = None
    """So many validation samples measure an update that no score and no defence measures, only to report it; None: all."""
    kernel: str = "torch"
    """What computes: ``torch``, or ``lanes``, whose bits are the same on every processor that has it."""
    codec: EntryReference = EntryReference("none")
    """How updates are packed."""
    audit: str = "public"
    score_tolerance: float = 1e-6
    """Largest absolute difference between a score and its recomputation."""
    sample_limit: int = 2**24
    """Most samples that an update may claim to have been trained on."""

    @property
    def judged_anew(self) -> int | None:
        """So many rounds before the one under way have all that judging them takes: start model and updates; None: all."""
        models = None if self.kept_models is None else self.kept_models - 1
        kept = [count for count in (models, self.kept_updates) if count is not None]
        return min(kept, default=None)

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        content = {
            "schema": "bcfl-specification/1",
            "title": self.title,
            "network": _entry(self.network),
            "training": dict(self.training),
            "score": _entry(self.score),
            "aggregator": _entry(self.aggregator),
            "defence": _entry(self.defence),
            "tensors": [[name, list(shape)] for name, shape in self.tensors],
            "audit": self.audit,
            "score_tolerance": self.score_tolerance,
            "sample_limit": self.sample_limit,
        }
        if (
            self.server_optimizer.name != "none"
        ):  # what was not there from the first is stated only where it is used
            content["server_optimizer"] = _entry(self.server_optimizer)
        if self.reported_samples is not None:
            content["reported_samples"] = self.reported_samples
        if self.kernel != "torch":
            content["kernel"] = self.kernel
        if self.codec.name != "none":
            content["codec"] = _entry(self.codec)
        if self.timeliness:
            content["timeliness"] = self.timeliness
        if self.kept_models is not None or self.kept_updates is not None:
            content["retention"] = {"models": self.kept_models, "updates": self.kept_updates}
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, data: bytes) -> Specification:
        """The inverse of ``encode``.

        Raises:
            MalformedSpecification: the bytes are not a specification.
        """
        try:
            content = pydantic_core.from_json(data)  # bounds the depth of nesting, which json does not
            if content["schema"] != "bcfl-specification/1":
                raise MalformedSpecification(
                    f"A specification of schema {content['schema']!r} is not known here."
                )
            retention = dict(content.get("retention", {}))
            return cls(
                title=str(content["title"]),
                network=_reference(content["network"]),
                training=dict(content["training"]),
                score=_reference(content["score"]),
                aggregator=_reference(content["aggregator"]),
                defence=_reference(content["defence"]),
                tensors=tuple((str(name), _shape(shape)) for name, shape in content["tensors"]),
                audit=str(content["audit"]),
                score_tolerance=float(content["score_tolerance"]),
                sample_limit=int(content["sample_limit"]),
                kept_models=_rounds(retention.get("models")),
                kept_updates=_rounds(retention.get("updates")),
                reported_samples=_count(content.get("reported_samples")),
                kernel=str(content.get("kernel", "torch")),
                timeliness=float(content.get("timeliness", 0.0)),
                server_optimizer=_reference(content.get("server_optimizer", _NONE)),
                codec=_reference(content.get("codec", _NONE)),
            )
        except (LookupError, ArithmeticError, TypeError, ValueError) as error:
            raise MalformedSpecification from error


def _entry(reference: EntryReference) -> dict[str, Any]:
    return {"name": reference.name, "parameters": dict(reference.parameters)}


def _shape(content: Any) -> tuple[int, ...]:  # noqa: ANN401 - anybody's JSON
    shape = tuple(int(n) for n in content)
    if len(shape) > _MOST_AXES or not all(1 <= n <= _LONGEST_AXIS for n in shape):
        raise MalformedSpecification("A specification has a tensor of a shape that none has.")
    return shape


def _count(content: object) -> int | None:
    if content is None or (isinstance(content, int) and content >= 0):
        return content
    raise MalformedSpecification(f"'reported_samples' is {content!r}, which is no number of samples.")


def _rounds(count: object) -> int | None:
    """A number of rounds that keep something: this one and the one before need theirs."""
    if count is None:
        return None
    if not isinstance(count, int) or count < LEAST_KEPT:
        raise MalformedSpecification(
            f"A task whose retention is {count!r} rounds cannot go on: two at least."
        )
    return count


def _reference(content: Mapping[str, Any]) -> EntryReference:
    return EntryReference(str(content["name"]), dict(content["parameters"]))
