# SPDX-License-Identifier: Apache-2.0
"""Published filters that look at nothing but a score, to be measured beside the pipeline."""

from __future__ import annotations

import dataclasses
import math
import statistics
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from bcfl import registry
from bcfl.models.defences.bounds import Track
from bcfl.models.defences.defence import DefenceRound, Fault, Memory, Standing, Verdict
from bcfl.models.defences.none import NoDefence
from bcfl.models.scoring.game import Score, ScoringEngine, ScoringRound
from bcfl.registry import register

__all__ = ("DropLowest", "ScoreThreshold")

_SUSPENSION = 4
_SCORE = "score"


class _Filter(NoDefence):
    """A filter that lets everybody be aggregated until it ejects them, for harm alone."""

    def could_sanction(
        self,
        tracks: Mapping[int, Track],
        suspend: Mapping[int, tuple[int, Fault]],
        eject: Mapping[int, Fault],
    ) -> bool:
        """Only for harm, for so many rounds, and whom it could condemn: to be ejected, in an earlier round."""
        harmful = all(found == (_SUSPENSION, Fault.HARMFUL) for found in suspend.values())
        return (
            harmful
            and self._could_condemn(tracks, suspend.keys())
            and all(
                fault is Fault.HARMFUL
                and tracks[index].suspended
                and self._could_have(tracks[index].revealed)
                for index, fault in eject.items()
            )
        )

    @abstractmethod
    def _could_condemn(self, tracks: Mapping[int, Track], condemned: Collection[int]) -> bool:
        """Whether a round can have ended with these condemned and no others."""

    @abstractmethod
    def _could_have(self, revealed: tuple[int, ...]) -> bool:
        """Whether a member that revealed in these rounds may have been condemned in one of them."""


@register("defence", "score_threshold", source="relative score thresholds, as in RFFL, arXiv 2011.10464")
@dataclass(frozen=True, kw_only=True)
class ScoreThreshold(_Filter):
    """Ejects who earns, on exponential average, less than a ``share`` of the median score.

    ``decay`` is the weight of the newest round; the first ``patience`` rounds decide nothing. A round whose median
    is not positive decides nothing either.
    """

    score: Literal["step", "leave_one_out"] = "leave_one_out"
    share: float = 0.25
    decay: float = 0.5
    patience: int = 2

    def __post_init__(self) -> None:
        if not (0 < self.decay <= 1 and self.patience >= 0):
            raise ValueError(
                f"decay must be above 0 and at most 1, and patience at least 0, not {self.decay} and {self.patience}"
            )

    def _could_condemn(self, tracks: Mapping[int, Track], condemned: Collection[int]) -> bool:
        # The averages of earlier rounds are the evaluator's.
        return all(self._could_have((tracks[i].number,)) and _SCORE in tracks[i].evidence for i in condemned)

    def _could_have(self, revealed: tuple[int, ...]) -> bool:
        return any(number > self.patience for number in revealed)

    async def judge(self, made: DefenceRound, memory: Memory, laboratory: ScoringEngine) -> Verdict:
        """Everybody is aggregated until ejected."""
        scores = await _scores(self.score, made, laboratory)
        standings = dict(memory.standings)
        usual = statistics.median(scores.values()) if scores else 0.0
        suspend: dict[int, tuple[int, Fault]] = {}
        for index, score in scores.items():
            known = standings.get(index)
            relative = score / usual if usual > 0 else 1.0
            # The standing's one number is here the average, not a suspicion.
            average = (
                relative if known is None else (1 - self.decay) * known.suspicion + self.decay * relative
            )
            low = made.number > self.patience and usual > 0 and average < self.share
            standings[index] = Standing(
                suspicion=average, condemned=low, fault=Fault.HARMFUL if low else None
            )
            if low:
                suspend[index] = (_SUSPENSION, Fault.HARMFUL)
        return _verdict(made, dataclasses.replace(memory, standings=standings), scores, suspend)


@register("defence", "drop_lowest", source="the seed implementation's score order (BCFL_framework)")
@dataclass(frozen=True, kw_only=True)
class DropLowest(_Filter):
    """Ejects the ⌊share·n + ½⌋ lowest of every round, whatever they did."""

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be 0 to 1, not {self.share}")

    def _lowest(self, scores: Mapping[int, float]) -> list[int]:
        lowest = sorted(scores, key=lambda index: (scores[index], index))
        return lowest[: math.floor(self.share * len(lowest) + 0.5)]

    def _could_condemn(self, tracks: Mapping[int, Track], condemned: Collection[int]) -> bool:
        scores = {
            i: track.evidence[_SCORE] for i, track in sorted(tracks.items()) if _SCORE in track.evidence
        }
        return set(self._lowest(scores)) == set(condemned)

    def _could_have(self, revealed: tuple[int, ...]) -> bool:
        return bool(revealed)

    async def judge(self, made: DefenceRound, memory: Memory, laboratory: ScoringEngine) -> Verdict:
        """Everybody is aggregated until ejected."""
        scores = await _scores("step", made, laboratory)
        condemned = self._lowest(scores)
        standings = dict(memory.standings) | dict.fromkeys(
            condemned, Standing(condemned=True, fault=Fault.HARMFUL)
        )
        suspend = dict.fromkeys(condemned, (_SUSPENSION, Fault.HARMFUL))
        return _verdict(made, dataclasses.replace(memory, standings=standings), scores, suspend)


async def _scores(name: str, made: DefenceRound, laboratory: ScoringEngine) -> dict[int, float]:
    score: Score = registry.create("score", name)
    scoring = ScoringRound(
        network=made.network,
        start=made.start,
        updates=tuple(member.model for member in made.members),
        weights=(1 / max(1, len(made.members)),) * len(made.members),
        samples_key=made.samples_key,
    )
    values = await score.scores(scoring, laboratory)
    return {member.index: value for member, value in zip(made.members, values, strict=True)}


def _verdict(
    made: DefenceRound,
    memory: Memory,
    scores: dict[int, float],
    suspend: dict[int, tuple[int, Fault]],
) -> Verdict:
    return Verdict(
        models=(models := {member.index: member.model for member in made.members}),
        scored=models,
        factors={},
        evidence={index: {_SCORE: score} for index, score in scores.items()},
        rejected={},
        suspend=suspend,
        eject={
            index: Fault.HARMFUL
            for index in sorted(made.suspended)
            if memory.standings.get(index, Standing()).condemned
        },
        memory=memory,
    )
