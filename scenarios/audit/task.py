# SPDX-License-Identifier: Apache-2.0
"""``scenario.yaml`` and ``chain.json`` beside the task on chain: did this scenario make it, and does it stand where they say?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eth_utils import keccak, to_canonical_address

from bcfl.agents.audit.finding import Finding
from bcfl.chain.raw import checksummed
from bcfl.contracts import events as e
from bcfl.contracts.event_codec import event_to_json
from bcfl.contracts.ids import Address
from bcfl.contracts.specification import Specification
from bcfl.scenarios.audit.differences import differences
from bcfl.scenarios.planning.plan import Plan
from bcfl.scenarios.planning.population import DEPLOYER, PUBLISHER, task_config

__all__ = (
    "data_findings",
    "participant_findings",
    "place_findings",
    "specification_findings",
    "task_findings",
)

_SCENARIO = "scenario.yaml"
_CHAIN = "chain.json"
_DEPLOYED = ("token", "credits", "consortium", "crowdsourcing", "rooted", "factory")
"""What a set-up deploys, in its order."""
_SET_UPS = 120
"""Nonces of the deployer that are tried; who has deployed more often on one chain is not followed."""


def task_findings(plan: Plan, created: e.TaskCreated) -> Iterator[Finding]:
    """Where the task that the scenario asks for is not the one on chain: every term of its configuration."""
    signers = plan.population.signers
    due = e.TaskCreated(
        origin=created.origin,
        task=created.task,
        publisher=signers[PUBLISHER].address,
        token=created.token,
        kind=plan.population.kind,
        config=task_config(plan.scenario, plan.task, token=created.token, accounts=plan.population.accounts),
        evaluators=tuple(signers[name].address for name in plan.population.founders),
        budget=plan.task.budget,
    )
    for key, asked, said in differences(event_to_json(due), event_to_json(created)):
        yield Finding(
            subject=f"the task's {key}",
            message=f"the scenario gives {asked}, the task on chain has {said}",
            event=created,
            where=_SCENARIO,
        )


def specification_findings(plan: Plan, specification: bytes) -> Iterator[Finding]:
    """Where the specification that the scenario gives is not the one on chain, key by key."""
    for key, asked, said in differences(
        json.loads(plan.task.specification), json.loads(Specification.decode(specification).encode())
    ):
        yield Finding(
            subject=f"specification, {key}",
            message=f"the scenario gives {asked}, the specification on chain has {said}",
            where=_SCENARIO,
        )


def data_findings(plan: Plan, events: Iterable[e.Event]) -> Iterator[Finding]:
    """Where the scenario gives another validation set than evaluators opened."""
    due = bytes.fromhex(plan.population.validation.digest())
    for event in events:
        if isinstance(event, e.ValidationOpened) and event.digest != due:
            message = f"its validation set is {due.hex()}, the one that was opened {event.digest.hex()}"
            yield Finding(subject="data", message=message, event=event, where=_SCENARIO)


def participant_findings(plan: Plan, said: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Where the log names other participants than the scenario has; ``where``: the line that names them."""
    for key, name, due in differences(dict(said), plan.participants):
        message = f"it says {name}, the scenario gives {due}"
        yield Finding(subject=f"participants, {key}", message=message, where=where)


def place_findings(record: Mapping[str, Any], created: e.TaskCreated, plan: Plan) -> Iterator[Finding]:
    """Where ``chain.json`` gives other contracts than the events come from, or than the set-up has deployed."""
    due: dict[str, Address] = {"token": created.token, "factory": created.origin.address}
    due = _deployed(plan.population.signers[DEPLOYER].address, due["factory"]) | due
    for key, address in due.items():
        if record.get(key) != address:
            yield Finding(
                subject=key,
                message=f"it says {record.get(key)}, the run's is {address}",
                event=created,
                where=_CHAIN,
            )
    block = record.get("block")
    if not isinstance(block, int) or not 0 <= block < created.origin.block.number:
        message = f"it says {block}, the task was created in block {created.origin.block.number}"
        yield Finding(subject="block", message=message, event=created, where=_CHAIN)


def _deployed(deployer: Address, factory: Address) -> dict[str, Address]:
    """The addresses of the set-up that ends with this factory; none where the deployer's nonce is out of reach."""
    for first in range(_SET_UPS):
        found = [_created(deployer, first + place) for place in range(len(_DEPLOYED))]
        if found[-1] == factory:
            return dict(zip(_DEPLOYED, found, strict=True))
    return {}


def _created(account: Address, nonce: int) -> Address:
    """Where a contract stands: keccak256(rlp([account, nonce])), yellow paper 7, for nonces below 128."""
    encoded = b"\xd6\x94" + to_canonical_address(account) + bytes([nonce or 0x80])
    return checksummed(f"0x{keccak(encoded)[12:].hex()}")
