# SPDX-License-Identifier: Apache-2.0
"""The default defence: novelty → freshness → selected subset → evidence of harm → reputation, gates on the rewards.

Every layer can be switched off by a scenario, so that its part can be measured.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bcfl.models.aggregation.clipping import clip_to_median
from bcfl.models.class_groups import class_groups, grouped
from bcfl.models.defences.blocks import Vectors, mean_of_shortened
from bcfl.models.defences.bounds import Track
from bcfl.models.defences.defence import NOT_SELECTED, DefenceRound, Fault, Memory, Verdict
from bcfl.models.defences.effort import effort_factors
from bcfl.models.defences.evidence import FEATURES, EvidenceWeights, Features, features
from bcfl.models.defences.freshness import Freshness, freshness
from bcfl.models.defences.many import is_many
from bcfl.models.defences.measuring import measured
from bcfl.models.defences.reputation import Clerk, Decision
from bcfl.models.defences.screening import Screen, Screening, same_models
from bcfl.models.defences.selection import Subset, select
from bcfl.models.defences.selection_of_many import select_of_many
from bcfl.models.defences.worth import Worth, worth_of
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.training.job import ClassEvaluation
from bcfl.models.weights import Weights
from bcfl.registry import register

__all__ = ("Pipeline",)

_WATCHED = "suspected"
_SUSPICION = "suspicion"
_FEW = 4
"""Members below which no subset is selected: of three, one honest who differs would always be left out."""
_DOUBTFUL = {Fault.INVALID, Fault.UNAVAILABLE}
_NOT_OWN = frozenset({Fault.COPIED.value, Fault.NO_NEW_WORK.value})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Study:
    """What was computed of a round's valid updates; arrays are in the order of the members."""

    indices: tuple[int, ...]
    updates: Vectors
    positions: tuple[int, ...]
    models: tuple[Weights, ...]
    start: bytes
    digests: tuple[bytes, ...]
    """Canonical: of the round's model, and of each update."""
    evaluation: ClassEvaluation
    """The start model's row first."""
    gradients: Vectors
    fresh: Freshness


@register("defence", "pipeline", source="docs/defences.md")
@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Score-based filtering in layers: what is copied or holds nothing new earns nothing, what harms is found and sent away."""

    words: ClassVar[frozenset[str]] = _NOT_OWN | {_WATCHED, NOT_SELECTED}
    paid: ClassVar[frozenset[str]] = frozenset({NOT_SELECTED})

    novelty: bool = True
    freshness: bool = True
    subset: bool = True
    evidence: bool = True
    effort: bool = True
    sanctions: bool = True
    clip: float = 3.0
    """Updates longer than this times the median are shortened to it; 0: none."""
    probe: int = 128
    """Validation samples whose outputs are compared."""
    directions: int = 32
    """Parts of the validation loss whose gradients say where work leads."""
    gain: float = 0.02
    least_kept: float = 1 / 3
    history: int = 1024
    """Updates remembered exactly; older ones go into a sketch."""
    screen: Screen = field(default_factory=Screen)
    weights: EvidenceWeights = field(default_factory=EvidenceWeights)
    clerk: Clerk = field(default_factory=Clerk)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.clip) and self.clip >= 0):
            raise ValueError(f"clip must be at least 0, not {self.clip}")
        if self.probe < 1 or self.history < 2 or self.directions < 1:
            raise ValueError(
                f"probe and directions must be at least 1 and history at least 2, not {self.probe}, "
                f"{self.directions} and {self.history}"
            )
        if not (0 <= self.gain < 1 and 0 <= self.least_kept <= 1):
            raise ValueError(
                f"gain must be at least 0 and below 1, and least_kept 0 to 1, not {self.gain} and {self.least_kept}"
            )

    async def judge(self, made: DefenceRound, memory: Memory, laboratory: ScoringEngine) -> Verdict:
        """Judge a round."""
        memory = dataclasses.replace(memory, history=memory.history.moved(made.start.vector))
        study = await self._study(made, memory, laboratory)
        screening = self._screened(study, memory)
        faults = {study.indices[place]: fault for place, fault in screening.faults.items()}
        sound = [place for place, index in enumerate(study.indices) if index not in faults]
        clipped = self._clipped(made.start, [study.models[place] for place in sound])
        least = self.least_kept if len(clipped) >= _FEW else 1.0
        weights = [made.members[place].weight for place in sound]
        worth = await worth_of(made, clipped, weights, laboratory)
        limits = {"gain": self.gain, "least": least}
        subset = await (
            select_of_many(made, clipped, worth, laboratory, **limits)
            if is_many(len(clipped))
            else select(made, clipped, laboratory, **limits)
        )
        found = self._features(study, sound, subset, worth)
        amounts = self.weights.evidence(found, gain=worth.gain) if sound else np.zeros(0)
        decision = self._decide(made, memory, study, sound, amounts, screening)
        scored = {
            study.indices[place]: model
            for place, model in zip(sound, clipped, strict=True)
            if study.indices[place] not in decision.watched
        }
        best = {study.indices[sound[number]] for number in subset.kept} if self.subset else scored.keys()
        kept = {index: model for index, model in scored.items() if index in best}
        return Verdict(
            models=kept,
            scored=scored,
            factors=self._factors(made, study, set(scored)),
            evidence=_evidence(study, sound, found, amounts, subset, decision),
            rejected={index: fault.value for index, fault in faults.items()}
            | {
                study.indices[place]: _WATCHED if study.indices[place] in decision.watched else NOT_SELECTED
                for place in sound
                if study.indices[place] not in kept
            },
            suspend=decision.suspend,
            eject=decision.eject,
            memory=Memory(
                standings=decision.standings,
                history=dataclasses.replace(memory.history, most=self.history).extended(
                    study.updates, (*study.digests, study.start)
                ),
            ),
            losses=dict(zip(study.indices, map(float, study.evaluation.means[1:]), strict=True)),
            coalitions=worth.losses if len(scored) == len(sound) else {},
        )

    def foregone(
        self, start: bytes, digests: Mapping[int, bytes], positions: Mapping[int, int]
    ) -> Mapping[int, str]:
        """Who sends the round's model back, or an earlier committed one."""
        if not self.novelty:
            return {}
        same = same_models(digests, positions, frozenset({start}), start)
        return {index: fault.value for index, fault in same.items()}

    def passed(
        self, start: Weights, models: Mapping[int, Weights], rejected: Mapping[int, str]
    ) -> Mapping[int, Weights]:
        """Shortened to the median length of all that are work of their own."""
        sound = [index for index in sorted(models) if rejected.get(index) not in _NOT_OWN]
        clipped = self._clipped(start, [models[index] for index in sound])
        return {index: model for index, model in zip(sound, clipped, strict=True) if index not in rejected}

    def could_sanction(
        self,
        tracks: Mapping[int, Track],
        suspend: Mapping[int, tuple[int, Fault]],
        eject: Mapping[int, Fault],
    ) -> bool:
        """As far as the clerk can have come to it."""
        if not self.sanctions:
            return not suspend and not eject
        most = self.weights.most if self.evidence else 0.0
        return all(
            rounds == self.clerk.suspension and self._could_suspend(tracks[index], fault, most)
            for index, (rounds, fault) in suspend.items()
        ) and all(self.clerk.could_eject(tracks[index], fault, most=most) for index, fault in eject.items())

    def _could_suspend(self, track: Track, fault: Fault, most: float) -> bool:
        """Harm is looked for in updates that are work of their own, and who is suspected of it is not aggregated."""
        if fault is not Fault.HARMFUL:
            return self.clerk.could_suspend(track, fault)
        suspicion = track.evidence.get(_SUSPICION, 0.0)
        told = track.word == _WATCHED if suspicion > self.clerk.watch else track.word not in _NOT_OWN
        return told and self.clerk.could_suspect(track, suspicion, most=most)

    async def _study(self, made: DefenceRound, memory: Memory, laboratory: ScoringEngine) -> _Study:
        members = made.members
        # a thousand would take gigabytes otherwise
        exact: npt.DTypeLike = np.float32 if is_many(len(members)) else np.float64
        start = made.start.vector.astype(exact)
        updates: Vectors = np.empty((len(members), len(start)), dtype=exact)
        for row, member in zip(updates, members, strict=True):
            np.subtract(member.model.vector, start, out=row, dtype=exact)
        models = tuple(member.model for member in members)
        positions = tuple(member.position for member in members)
        evaluation = await measured(made, self.probe, laboratory)
        groups = class_groups(evaluation.counts, self.directions)
        evaluation = grouped(evaluation, groups)
        gradients = await self._gradients(made, made.start, laboratory, groups)
        # Where honest training arrives says more than where it began, above all when the model is new.
        ahead = await self._gradients(made, self._ahead(made.start, updates), laboratory, groups)
        both = np.concatenate([gradients, ahead]).reshape(-1, len(start))
        return _Study(
            indices=tuple(member.index for member in members),
            updates=updates,
            positions=positions,
            models=models,
            start=made.start.digest(),
            digests=tuple(model.digest() for model in models),
            evaluation=evaluation,
            gradients=gradients.sum(axis=1),
            fresh=freshness(updates, positions, both, memory.history, least=self.screen.fresh),
        )

    async def _gradients(
        self, made: DefenceRound, weights: Weights, laboratory: ScoringEngine, groups: npt.NDArray[np.int64]
    ) -> Vectors:
        """Of the loss of each class, or of each group of many, (groups, parts, d)."""
        # What sets samples of one class apart is a direction of work too.
        parts = math.ceil(self.directions / (int(groups.max()) + 1))
        found = await laboratory.class_gradients(
            made.network, weights, made.samples_key, groups=groups, parts=parts
        )
        return np.nan_to_num(found.astype(np.float64), posinf=0.0, neginf=0.0)

    def _ahead(self, start: Weights, updates: Vectors) -> Weights:
        """The start model moved by the mean of the updates, long ones shortened."""
        if not len(updates):
            return start
        moved = start.vector.astype(np.float64) + mean_of_shortened(updates)
        return Weights(start.schema, moved.astype(np.float32))

    def _screened(self, study: _Study, memory: Memory) -> Screening:
        copied = stale = Screening(faults={}, certain=frozenset())
        if self.novelty and study.indices:
            copied = self.screen.copies(
                digests=study.digests,
                known=memory.history.digests | {study.start},
                start=study.start,
                updates=study.updates,
                outputs=study.evaluation.outputs.astype(np.float64),
                positions=study.positions,
                fresh=study.fresh,
            )
        if self.freshness:
            stale = self.screen.stale(updates=study.updates, fresh=study.fresh)
        return Screening(faults={**stale.faults, **copied.faults}, certain=copied.certain | stale.certain)

    def _clipped(self, start: Weights, models: Sequence[Weights]) -> tuple[Weights, ...]:
        return clip_to_median(models, start, self.clip) if self.clip and models else tuple(models)

    def _features(self, study: _Study, sound: list[int], subset: Subset, worth: Worth) -> Features:
        if not sound:
            return _no_features()
        losses = study.evaluation.losses
        present = study.evaluation.counts > 0
        return features(
            updates=study.updates,
            residuals=study.fresh.residuals,
            places=sound,
            gradients=study.gradients[present],
            start_losses=losses[0, present],
            losses=losses[1:][sound][:, present],
            kept=subset.kept,
            marginal=np.array(subset.marginal),
            loss=float(study.evaluation.means[0]),
            certainty=worth.certainty,
        )

    def _decide(
        self,
        made: DefenceRound,
        memory: Memory,
        study: _Study,
        sound: list[int],
        amounts: Vectors,
        screening: Screening,
    ) -> Decision:
        certain = {index: fault for index, fault in made.invalid.items() if fault not in _DOUBTFUL}
        doubtful = {index: fault for index, fault in made.invalid.items() if fault in _DOUBTFUL}
        for place, fault in screening.faults.items():
            (certain if place in screening.certain else doubtful)[study.indices[place]] = fault
        evidence = {study.indices[place]: float(amounts[number]) for number, place in enumerate(sound)}
        decision = self.clerk.decide(
            made.number,
            memory.standings,
            evidence=evidence if self.evidence else {},
            certain=certain,
            doubtful=doubtful,
            absent=made.absent,
            due=len(made.members) + len(made.invalid) + len(made.absent),
            suspended=made.suspended,
        )
        if self.sanctions:
            return decision
        return Decision(standings=decision.standings, watched=decision.watched, suspend={}, eject={})

    def _factors(self, made: DefenceRound, study: _Study, kept: set[int]) -> dict[int, float]:
        places = [place for place, index in enumerate(study.indices) if index in kept]
        if not self.effort or not places:
            return {}
        factors = effort_factors(
            signal=study.fresh.signal[places],
            ratio=study.fresh.alone[places],
            weights=[made.members[place].weight for place in places],
        )
        return {study.indices[place]: float(f) for place, f in zip(places, factors, strict=True)}


def _no_features() -> Features:
    none = np.zeros(0)
    return Features(**dict.fromkeys(FEATURES, none))


def _evidence(
    study: _Study, sound: list[int], found: Features, amounts: Vectors, subset: Subset, decision: Decision
) -> dict[int, dict[str, float]]:
    told: dict[int, dict[str, float]] = {}
    for place, index in enumerate(study.indices):
        told[index] = {
            "freshness": float(study.fresh.beside[place]),
            "freshness_alone": float(study.fresh.alone[place]),
            "norm": float(np.linalg.norm(study.updates[place])),
            "new": float(np.linalg.norm(study.fresh.residuals[place])),
        }
    for number, place in enumerate(sound):
        index = study.indices[place]
        told[index] |= found.row(number)
        told[index]["kept"] = float(number in subset.kept)
        told[index]["evidence"] = float(amounts[number])
    for index in told:
        standing = decision.standings.get(index)
        told[index][_SUSPICION] = standing.suspicion if standing is not None else 0.0
    # the last digits follow the matrix library's processor and threads
    return {
        index: {name: float(f"{value:.9g}") for name, value in numbers.items()}
        for index, numbers in told.items()
    }
