# SPDX-License-Identifier: Apache-2.0
"""Commitments computed again: whoever has the scenario has everybody's salts, and each commitment binds the chain's id.

Only honest participants are held to it: what others commit to is their behaviour's affair.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bcfl.agents.audit.finding import Finding
from bcfl.contracts import events as e
from bcfl.contracts.commitments import commitment, salt_for, score_commitment
from bcfl.contracts.consortium_state import ConsortiumState
from bcfl.contracts.ids import Address
from bcfl.contracts.state import TaskState
from bcfl.scenarios.planning.plan import Plan

__all__ = ("commitment_findings",)


def commitment_findings(
    plan: Plan,
    state: TaskState,
    events: list[e.Event],
    chain_id: Any,  # noqa: ANN401 - a JSON value
) -> Iterator[Finding]:
    """Each honest commitment that was opened and is not the one that its member has made on this chain."""
    findings: list[Finding] = []
    checked = 0
    for event in events:
        match event:
            case e.UpdateSubmitted() if state.config.commit_reveal:
                entry = state.rounds[event.round].commitments.get(event.index)
                told = None if entry is None else entry.commitment
                what = "its commitment"
            case e.ScoresRevealed() if isinstance(state, ConsortiumState):
                told = state.rounds[event.round].score_commitments.get(event.index)
                what = "its commitment to scores"
            case _:
                continue
        name = _honest(plan, state.members[event.index].account, judges=isinstance(event, e.ScoresRevealed))
        if name is None or told is None:
            continue
        checked += 1
        number = chain_id if isinstance(chain_id, int) and 0 <= chain_id < 2**256 else 0
        if told != _due(plan, state.address, event, name, number):
            findings.append(
                Finding(
                    round=event.round,
                    subject=f"{type(event).__name__} of {name}",
                    message=f"{what} is not the one that {name} makes of it",
                    event=event,
                )
            )
    if findings and len(findings) == checked:
        message = f"it says {chain_id}, and not one of {checked} commitments was made on that chain"
        yield Finding(subject="chain_id", message=message, where="chain.json")
    yield from findings


def _honest(plan: Plan, account: Address, *, judges: bool) -> str | None:
    """The honest participant who has that account."""
    for entry in plan.scenario.population.present:
        behaviour = entry.judge if judges else entry.behaviour
        if behaviour.name == "honest":
            for name in entry.names:
                signer = plan.population.signers.get(name)
                if signer is not None and signer.address == account:
                    return name
    return None


def _due(
    plan: Plan, task: Address, event: e.UpdateSubmitted | e.ScoresRevealed, name: str, chain_id: int
) -> bytes:
    secret = plan.seeds.derive("secret", name)
    if isinstance(event, e.UpdateSubmitted):
        return commitment(
            chain_id=chain_id,
            task=task,
            round_number=event.round,
            index=event.index,
            content=event.content,
            salt=salt_for(secret, task, event.round),
        )
    return score_commitment(
        chain_id=chain_id,
        task=task,
        round_number=event.round,
        index=event.index,
        probe=event.probe,
        scores=event.scores,
        salt=salt_for(secret, task, event.round, b"scores"),
    )
