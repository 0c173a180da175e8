# SPDX-License-Identifier: Apache-2.0
"""All that entries of your own need, in one place that does not move: ``docs/extending.md`` says how.

An entry is a frozen dataclass, registered under a kind and a name. Its port is a ``Protocol`` or a base class here. What it may
say of itself beside that are class variables or properties:

============== ================= ====================================================================================
kind           name              what it says, and what is taken where it does not
============== ================= ====================================================================================
network        vocabulary        how many tokens it knows, of sequences of which it takes int64; None: it takes numbers
score          largest_round     how many members of a round it can be computed for at most; any number
defence        stateless         it ignores its memory of earlier rounds; False
aggregator     private           it asks for the evaluator's own samples, so that no consortium can use it; False
aggregator     compares_once     all that it asks is which of two models has the lower loss; False
aggregator     follows_scores    its weights depend on the scores that are posted; True
attack         knowledge         whose models it sees: 'self', 'public', 'colluders' or 'omniscient'; 'self'
behaviour      misbehaves        it counts as an adversary; False
behaviour      sees_everybody    it is given everybody's models of a round; False
judge          misbehaves        it counts as an adversary; False
codec          feeds_back        what it leaves out is to be added to the trainer's next update
============== ================= ====================================================================================
"""

from __future__ import annotations

from bcfl.agents.common.behaviour import Honest, HonestJudge, Judgement, Turn
from bcfl.agents.common.circle import Circle
from bcfl.agents.fleet.distributions import Distribution
from bcfl.agents.runtime.actions import Action, View
from bcfl.agents.runtime.ports import ContentStore
from bcfl.contracts.ids import Address, ContentId, TrainerIndex
from bcfl.contracts.state import TaskState
from bcfl.models.aggregation import sums
from bcfl.models.aggregation.aggregator import (
    Aggregate,
    AggregationRound,
    Aggregator,
    Doubted,
    PlainMean,
)
from bcfl.models.aggregation.fold import fold
from bcfl.models.aggregation.mixing import Mixed, Part, PreAggregator
from bcfl.models.aggregation.robust import RobustRule
from bcfl.models.aggregation.server import ServerOptimizer
from bcfl.models.aggregation.weights import integer_weights
from bcfl.models.attacks.attack import Attack, DataAttack, Outlook, Scene
from bcfl.models.attacks.vectors import Vector
from bcfl.models.data.dataset import Dataset, DatasetSource, Samples
from bcfl.models.data.partition import Partition
from bcfl.models.defences.bounds import Bounded, Track
from bcfl.models.defences.defence import Defence, DefenceRound, Fault, Member, Memory, Standing, Verdict
from bcfl.models.networks.network import Network, schema_of
from bcfl.models.scoring.game import CoalitionValues, Score, ScoringEngine, ScoringRound
from bcfl.models.training.optimizers import Optimizer
from bcfl.models.training.schedules import Schedule
from bcfl.models.weights import Schema, TensorSpec, Weights
from bcfl.models.wire.codecs import Codec
from bcfl.registry import register

__all__ = (
    "Action",
    "Address",
    "Aggregate",
    "AggregationRound",
    "Aggregator",
    "Attack",
    "Bounded",
    "Circle",
    "CoalitionValues",
    "Codec",
    "ContentId",
    "ContentStore",
    "DataAttack",
    "Dataset",
    "DatasetSource",
    "Defence",
    "DefenceRound",
    "Distribution",
    "Doubted",
    "Fault",
    "Honest",
    "HonestJudge",
    "Judgement",
    "Member",
    "Memory",
    "Mixed",
    "Network",
    "Optimizer",
    "Outlook",
    "Part",
    "Partition",
    "PlainMean",
    "PreAggregator",
    "RobustRule",
    "Samples",
    "Scene",
    "Schedule",
    "Schema",
    "Score",
    "ScoringEngine",
    "ScoringRound",
    "ServerOptimizer",
    "Standing",
    "TaskState",
    "TensorSpec",
    "Track",
    "TrainerIndex",
    "Turn",
    "Vector",
    "Verdict",
    "View",
    "Weights",
    "fold",
    "integer_weights",
    "register",
    "schema_of",
    "sums",
)
