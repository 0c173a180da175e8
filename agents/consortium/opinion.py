# SPDX-License-Identifier: Apache-2.0
"""What a judge has committed to and must open: kept in the journal before anybody sees the commitment."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bcfl.contracts.ids import TrainerIndex

__all__ = ("Opinion", "decode_opinion", "encode_opinion")


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One judge's scores of a round.

    Attributes:
        targets: whose updates were judged, ascending; the judge's own may be among them.
        scores: 10⁻⁹ units, of each target but the judge itself.
        probe: 32 bytes.
        salt: 16 bytes.
    """

    targets: tuple[TrainerIndex, ...]
    scores: tuple[int, ...]
    probe: bytes
    salt: bytes


def encode_opinion(opinion: Opinion) -> bytes:
    """JSON, without the salt, which the judge's secret gives again."""
    content = {"targets": opinion.targets, "scores": opinion.scores, "probe": opinion.probe.hex()}
    return json.dumps(content).encode()


def decode_opinion(data: bytes, *, salt: bytes) -> Opinion:
    """The inverse of ``encode_opinion``; the journal is the judge's own, so it is believed."""
    content = json.loads(data)
    return Opinion(
        targets=tuple(TrainerIndex(index) for index in content["targets"]),
        scores=tuple(content["scores"]),
        probe=bytes.fromhex(content["probe"]),
        salt=salt,
    )
