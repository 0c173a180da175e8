# SPDX-License-Identifier: Apache-2.0
"""What an evaluator publishes for each round: scores, rejections with evidence, aggregate weights and digest.

Canonical JSON in the store; its content id is on chain with the scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic_core

from bcfl.contracts.errors import MalformedReport
from bcfl.contracts.ids import ContentId, TrainerIndex

__all__ = ("EvaluationReport",)


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """One round's evaluation; all that an auditor needs to repeat it."""

    round: int
    start_model: ContentId
    model: ContentId
    scores: Mapping[TrainerIndex, int]
    """10⁻⁹ units, as posted."""
    weights: Mapping[TrainerIndex, int]
    """Integer aggregation weights, below 2²⁹, of those who were aggregated."""
    validation_samples: int
    validation_loss: Mapping[TrainerIndex, float] = field(default_factory=dict)
    """Mean loss of each local model on the evaluator's set."""
    rejected: Mapping[TrainerIndex, str] = field(default_factory=dict)
    """Reason of each update that was not aggregated."""
    evidence: Mapping[TrainerIndex, Mapping[str, float]] = field(default_factory=dict)
    """What the defence measured of each update, by name."""
    sanctions: tuple[tuple[TrainerIndex, int, int], ...] = ()
    """Index, rounds (0 ejects) and reason code of each sanction of the same transaction."""
    start_loss: float = 0.0
    """Mean loss of the round's start model on the evaluator's set."""
    start_accuracy: float = 0.0
    loss: float = 0.0
    """The same of the new model."""
    accuracy: float = 0.0

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        content = {
            "schema": "bcfl-evaluation/1",
            "round": self.round,
            "start_model": _content(self.start_model),
            "model": _content(self.model),
            "scores": _by_index(self.scores),
            "weights": _by_index(self.weights),
            "validation_samples": self.validation_samples,
            "validation_loss": _by_index(self.validation_loss),
            "rejected": _by_index(self.rejected),
            "evidence": {
                str(index): dict(sorted(found.items())) for index, found in sorted(self.evidence.items())
            },
            "sanctions": [list(map(int, sanction)) for sanction in self.sanctions],
            "start_loss": self.start_loss,
            "start_accuracy": self.start_accuracy,
            "loss": self.loss,
            "accuracy": self.accuracy,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, data: bytes) -> EvaluationReport:
        """The inverse of ``encode``.

        Raises:
            MalformedReport: the bytes are not a report.
        """
        try:
            content = pydantic_core.from_json(data)  # bounds the depth of nesting, which json does not
            return cls(
                round=int(content["round"]),
                start_model=_id(content["start_model"]),
                model=_id(content["model"]),
                scores={TrainerIndex(int(k)): _score(v) for k, v in content["scores"].items()},
                weights={TrainerIndex(int(k)): int(v) for k, v in content["weights"].items()},
                validation_samples=int(content["validation_samples"]),
                validation_loss={
                    TrainerIndex(int(k)): float(v) for k, v in content["validation_loss"].items()
                },
                rejected={TrainerIndex(int(k)): str(v) for k, v in content["rejected"].items()},
                evidence={
                    TrainerIndex(int(k)): {str(name): float(x) for name, x in found.items()}
                    for k, found in content["evidence"].items()
                },
                sanctions=tuple(
                    (TrainerIndex(int(index)), int(rounds), int(reason))
                    for index, rounds, reason in content["sanctions"]
                ),
                start_loss=float(content["start_loss"]),
                start_accuracy=float(content["start_accuracy"]),
                loss=float(content["loss"]),
                accuracy=float(content["accuracy"]),
            )
        except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
            raise MalformedReport from error


def _score(value: Any) -> int:  # noqa: ANN401 - a JSON value
    score = int(value)
    if not -(2**63) <= score < 2**63:
        raise ValueError(f"A score of {len(str(value))} digits is none that a contract takes.")
    return score


def _content(content: ContentId) -> list[Any]:
    return [content.digest.hex(), content.size]


def _id(value: list[Any]) -> ContentId:
    return ContentId(bytes.fromhex(value[0]), int(value[1]))


def _by_index(values: Mapping[TrainerIndex, Any]) -> dict[str, Any]:
    return {str(index): value for index, value in sorted(values.items())}
