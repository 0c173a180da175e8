# SPDX-License-Identifier: Apache-2.0
"""``TaskConfig`` as the contract has it; amounts in 10⁻⁹ token, durations in seconds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bcfl.contracts.ids import ZERO_ADDRESS, Address, ContentId
from bcfl.contracts.phases import Selection

__all__ = ("UNIT", "Schedule", "TaskConfig")

UNIT = 10**9
"""Base units (10⁻¹⁸) of an 18-decimals token in the contracts' unit of account (10⁻⁹)."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long each phase may take, in seconds of chain time."""

    enrolment: int = 600
    training: int = 3600
    reveal: int = 600
    evaluation: int = 3600
    aggregation: int = 600
    closing: int = 60


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """Everything about a task that never changes; see ``TaskTypes.sol`` for each field."""

    token: Address
    publisher: Address
    specification: ContentId
    genesis: ContentId
    rounds: int
    capacity: int
    min_trainers: int
    max_update_size: int
    schedule: Schedule
    aggregator: Address = ZERO_ADDRESS
    rooter: Address = ZERO_ADDRESS
    cohort_size: int = 0
    selection: Selection = Selection.ALL
    relayed: bool = False
    commit_reveal: bool = True
    unique_digests: bool = True
    public_audit: bool = True
    vesting_rounds: int = 0
    fault_suspension: int = 1
    stake: int = 0
    bond: int = 0
    rate: int = 0
    round_budget: int = 0
    evaluation_pool: int = 0
    tolerance: int = 0
    decimals: int = 18
    """Of the token; the factory's to say."""

    @property
    def rooted(self) -> bool:
        """Whether commitments come as roots of lists in the store."""
        return self.rooter != ZERO_ADDRESS

    def to_abi(self) -> tuple[Any, ...]:
        """The struct's values in the contract's order."""
        schedule = self.schedule
        return (
            self.token,
            self.publisher,
            self.aggregator,
            self.rooter,
            self.specification.digest,
            self.specification.size,
            self.genesis.digest,
            self.genesis.size,
            self.max_update_size,
            self.rounds,
            self.capacity,
            self.min_trainers,
            self.cohort_size,
            int(self.selection),
            self.relayed,
            self.commit_reveal,
            self.unique_digests,
            self.public_audit,
            self.vesting_rounds,
            self.fault_suspension,
            self.stake,
            self.bond,
            self.rate,
            self.round_budget,
            self.evaluation_pool,
            self.tolerance,
            *dataclasses.astuple(schedule),
            self.decimals,
        )

    @classmethod
    def from_abi(cls, values: dict[str, Any]) -> TaskConfig:
        """From the struct's values by name, as ``contracts.abi`` decodes them."""
        return cls(
            token=values["token"],
            publisher=values["publisher"],
            aggregator=values["aggregator"],
            rooter=values["rooter"],
            specification=ContentId(values["specDigest"], values["specSize"]),
            genesis=ContentId(values["genesisDigest"], values["genesisSize"]),
            max_update_size=values["maxUpdateSize"],
            rounds=values["rounds"],
            capacity=values["capacity"],
            min_trainers=values["minTrainers"],
            cohort_size=values["cohortSize"],
            selection=Selection(values["selection"]),
            relayed=values["relayed"],
            commit_reveal=values["commitReveal"],
            unique_digests=values["uniqueDigests"],
            public_audit=values["publicAudit"],
            vesting_rounds=values["vestingRounds"],
            fault_suspension=values["faultSuspension"],
            stake=values["stake"],
            bond=values["bond"],
            rate=values["rate"],
            round_budget=values["roundBudget"],
            evaluation_pool=values["evaluationPool"],
            tolerance=values["tolerance"],
            decimals=values["decimals"],
            schedule=Schedule(
                enrolment=values["enrolmentDuration"],
                training=values["trainingDuration"],
                reveal=values["revealDuration"],
                evaluation=values["evaluationDuration"],
                aggregation=values["aggregationDuration"],
                closing=values["closingDuration"],
            ),
        )
