# SPDX-License-Identifier: Apache-2.0
"""What a defence is given and what it answers; pure but for the evaluations that it asks the engine for.

A defence keeps nothing to itself: what it has learnt in earlier rounds is in the ``Standing`` of each member and the
public ``History``, both of which anybody who repeats the rounds comes to as well. So a standby evaluator, or an
auditor, finds the same verdicts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bcfl.models.defences.history import History
from bcfl.models.networks.network import Network
from bcfl.models.scoring.game import ScoringEngine
from bcfl.models.weights import Weights

__all__ = ("NOT_SELECTED", "Defence", "DefenceRound", "Fault", "Member", "Memory", "Standing", "Verdict")

NOT_SELECTED = "not_selected"
"""The word for an update that is not in the model, because the others do without it, and is paid all the same."""


class Fault(enum.Enum):
    """Why a member is refused, suspended or ejected."""

    INVALID = "invalid_update"
    UNAVAILABLE = "unavailable"
    NO_NEW_WORK = "no_new_work"
    COPIED = "copied"
    HARMFUL = "harmful"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A valid update of the round: whose it is, the whole model, when it was committed (0 first).

    ``weight`` is its weight in the game that is paid, in any unit: whoever counts for less owes less work.
    """

    index: int
    model: Weights
    position: int
    weight: int = 1


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What evidence has come to about one member.

    Attributes:
        suspicion: the running sum of evidence, at least 0.
        strikes: the rounds of its newest faults.
        missed: the rounds that it newly missed.
        condemned: suspended to be ejected at the next evaluation.
        fault: the newest reason.
        paroled: how often it has been suspended before.
    """

    suspicion: float = 0.0
    strikes: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    condemned: bool = False
    fault: Fault | None = None
    paroled: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """What is carried from round to round."""

    standings: Mapping[int, Standing] = field(default_factory=dict)
    history: History = field(default_factory=History)


@dataclass(frozen=True, kw_only=True, eq=False)
class DefenceRound:
    """One round to be judged.

    Attributes:
        number: from 1.
        network: of the models.
        samples_key: the evaluator's validation samples in the engine.
        start: the round's global model.
        members: the valid updates, by index.
        invalid: revealed updates that cannot be used, by index, with the fault.
        absent: who was to train and revealed nothing.
        suspended: who is suspended, and so was not asked.
    """

    number: int
    network: Network
    samples_key: str
    start: Weights
    members: tuple[Member, ...]
    invalid: Mapping[int, Fault]
    absent: frozenset[int]
    suspended: frozenset[int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What follows for a round; all mappings are by index.

    What enters the model, what is paid and who is sanctioned are three decisions.

    Attributes:
        models: the updates to aggregate, clipped where they were too long.
        scored: the updates whose game makes the scores, all of ``models`` among them.
        factors: what each score is multiplied by, 0 to 1; who is missing counts fully.
        evidence: the numbers that were looked at, of everybody with an update.
        rejected: a word for each valid update that is not aggregated.
        suspend: for how many rounds, from the next one on, and why.
        eject: of those suspended before, and why.
        memory: for the next round.
        losses: mean validation losses of whole models, where they were computed anyway.
        coalitions: the same of the models of coalitions of ``scored``, whose weights are those of the members: by bit mask over
            them, in the order of their indices.
    """

    models: Mapping[int, Weights]
    scored: Mapping[int, Weights]
    factors: Mapping[int, float]
    evidence: Mapping[int, Mapping[str, float]]
    rejected: Mapping[int, str]
    suspend: Mapping[int, tuple[int, Fault]]
    eject: Mapping[int, Fault]
    memory: Memory
    losses: Mapping[int, float] = field(default_factory=dict)
    coalitions: Mapping[int, float] = field(default_factory=dict)


class Defence(Protocol):
    """An entry of kind ``defence``: a frozen dataclass whose fields are its parameters.

    One that needs no memory of earlier rounds says that it is ``stateless`` (``models/declared.py``).
    """

    async def judge(self, made: DefenceRound, memory: Memory, laboratory: ScoringEngine) -> Verdict:
        """Judge a round, given what the earlier ones left."""
        ...
