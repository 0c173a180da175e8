# SPDX-License-Identifier: Apache-2.0
"""Typed calls: what an agent may ask of a contract, ready to be sent."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from bcfl.contracts.abi import encode_call
from bcfl.contracts.config import TaskConfig
from bcfl.contracts.ids import Address, ContentId
from bcfl.contracts.merkle import tree_of
from bcfl.contracts.phases import Kind
from bcfl.contracts.scores import pack_scores, to_bitmap
from bcfl.contracts.state import RootedBatch

__all__ = (
    "NO_PERMIT",
    "Call",
    "Opening",
    "Permit",
    "Sanction",
    "advance",
    "approve",
    "bond",
    "cancel",
    "clear",
    "commit",
    "commit_batch",
    "commit_root",
    "commit_scores",
    "create_task",
    "credit",
    "join",
    "join_batch",
    "leave",
    "object_to",
    "open_validation",
    "propose",
    "refund",
    "reveal",
    "reveal_proven",
    "reveal_root",
    "reveal_scores",
    "submit",
    "submit_evaluation",
    "submit_model",
    "transfer",
    "vote",
    "withdraw",
    "withdraw_bond",
    "withdraw_member_bond",
)

_TASK = "CrowdsourcingTask"  # what every task has in common is the same calldata for a consortium
_CONSORTIUM = "ConsortiumTask"
_ROOTED = "RootedTask"
_ENTRY = 36  # index (4) ‖ commitment (32)


@dataclass(frozen=True)
class Call:
    """Calldata and the contract it is for."""

    to: Address
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Permit:
    """An ERC-2612 permit; ``value`` in base units, ``deadline`` zero: none."""

    value: int = 0
    deadline: int = 0
    v: int = 0
    r: bytes = bytes(32)
    s: bytes = bytes(32)

    def to_abi(self) -> tuple[int, int, int, bytes, bytes]:
        """The struct's values in the contract's order."""
        return (self.value, self.deadline, self.v, self.r, self.s)


NO_PERMIT = Permit()


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Opens one entry of a batch; ``place`` is the entry's place in it."""

    place: int
    content: ContentId
    salt: bytes


@dataclass(frozen=True, kw_only=True)
class Sanction:
    """What an evaluator does to a member; ``rounds`` zero ejects. ``evidence``: 32 bytes."""

    index: int
    rounds: int
    reason: int
    evidence: bytes


def approve(token: Address, spender: Address, base_units: int) -> Call:
    """Let ``spender`` take tokens."""
    return Call(token, encode_call("RewardToken", "approve", spender, base_units))


def transfer(token: Address, account: Address, base_units: int) -> Call:
    """Send tokens."""
    return Call(token, encode_call("RewardToken", "transfer", account, base_units))


def create_task(
    factory: Address,
    *,
    kind: Kind,
    config: TaskConfig,
    evaluators: Sequence[Address],
    budget: int,
    permit: Permit = NO_PERMIT,
) -> Call:
    """Deploy, fund and initialise a task; ``budget`` in 10⁻⁹ token."""
    data = encode_call(
        "TaskFactory", "createTask", int(kind), config.to_abi(), list(evaluators), budget, permit.to_abi()
    )
    return Call(factory, data)


def join(task: Address, account: Address, *, permit: Permit = NO_PERMIT, signature: bytes = b"") -> Call:
    """Become a member, or bring an account that has signed."""
    return Call(task, encode_call(_TASK, "join", account, permit.to_abi(), signature))


def join_batch(factory: Address, task: Address, joins: Sequence[tuple[Address, Permit, bytes]]) -> Call:
    """Bring accounts that have signed, each for itself; an account, its permit and its signature each."""
    signed = [(account, permit.to_abi(), signature) for account, permit, signature in joins]
    return Call(factory, encode_call("TaskFactory", "joinBatch", task, signed))


def leave(task: Address, *, round_number: int, index: int, signature: bytes = b"") -> Call:
    """Leave the task, in the round under way."""
    return Call(task, encode_call(_TASK, "leave", round_number, index, signature))


def bond(task: Address, *, evaluator: int, validation_commitment: bytes, permit: Permit = NO_PERMIT) -> Call:
    """Bind the caller as evaluator number ``evaluator``."""
    return Call(task, encode_call(_TASK, "bond", evaluator, validation_commitment, permit.to_abi()))


def commit(task: Address, *, round_number: int, index: int, commitment: bytes) -> Call:
    """Commit to the round's update. Every act of a member names its round, and reverts in another."""
    return Call(task, encode_call(_TASK, "commit", round_number, index, commitment))


def commit_batch(task: Address, *, round_number: int, entries: Sequence[tuple[int, bytes, bytes]]) -> Call:
    """Bring members' commitments: an index, a commitment and its signature (65 bytes) each; bad, late and doubled ones are skipped."""
    packed = b"".join(index.to_bytes(4, "big") + hidden + signature for index, hidden, signature in entries)
    return Call(task, encode_call(_TASK, "commitBatch", round_number, packed))


def reveal(
    task: Address, *, round_number: int, batch: int, entries: bytes, openings: Sequence[Opening]
) -> Call:
    """Open entries of a batch; the others go along closed, so that the contract knows the batch again.

    One wrong opening reverts the whole call: who opens for others checks each against its commitment first.

    Args:
        task: where.
        round_number: the round that they were committed in.
        batch: the batch's number in the round.
        entries: all of the batch, as its ``UpdatesCommitted`` has them: index (4) ‖ commitment (32) each.
        openings: at most one for a place; a place beyond the batch is ignored.
    """
    packed = list(_closed(entries))
    for opening in openings:
        if opening.place < len(packed):
            packed[opening.place] = _opened(packed[opening.place][1:5], opening)
    return Call(task, encode_call(_TASK, "reveal", round_number, batch, b"".join(packed)))


@functools.lru_cache(maxsize=16)
def _closed(entries: bytes) -> tuple[bytes, ...]:
    """0x00 ‖ index (4) ‖ commitment (32) each; kept, since all of a batch may open theirs one by one."""
    return tuple(b"\0" + entries[start : start + _ENTRY] for start in range(0, len(entries), _ENTRY))


def _opened(index: bytes, opening: Opening) -> bytes:
    """0x01 ‖ index (4) ‖ digest (32) ‖ size (4) ‖ salt (16)."""
    return b"\1" + index + opening.content.digest + opening.content.size.to_bytes(4, "big") + opening.salt


def commit_root(
    task: Address, *, round_number: int, root: bytes, listing: ContentId, members: Sequence[int]
) -> Call:
    """As the rooter, commit for members by the root over a list in the store; who cannot commit is left out."""
    content = (listing.digest, listing.size)
    return Call(task, encode_call(_ROOTED, "commitRoot", round_number, root, content, _bitmap(members)))


def reveal_root(
    task: Address,
    *,
    round_number: int,
    batch: int,
    rooted: RootedBatch,
    listing: ContentId,
    members: Sequence[int],
) -> Call:
    """As the rooter, open for members of a batch what a list in the store says; those open already are left out."""
    content = (listing.digest, listing.size)
    known = (round_number, batch, rooted.root, list(to_bitmap(rooted.members, 256 * rooted.words)))
    return Call(task, encode_call(_ROOTED, "revealRoot", *known, content, _bitmap(members)))


def reveal_proven(
    task: Address,
    *,
    round_number: int,
    batch: int,
    rooted: RootedBatch | None,
    entries: bytes,
    index: int,
    opening: Opening,
) -> Call:
    """Open one commitment in a rooted task, by its proof.

    Args:
        task: where.
        round_number: the round that it was committed in.
        batch: the batch's number in the round.
        rooted: the batch; None: a commitment that its member made by itself, which is its own root.
        entries: all of the batch: index (4) ‖ commitment (32) each.
        index: whose it is; one of the entries.
        opening: what it opens to; its place does not matter.
    """
    tree = tree_of(entries)
    members = [] if rooted is None else list(to_bitmap(rooted.members, 256 * rooted.words))
    opened = _opened(index.to_bytes(4, "big"), opening)
    known = (round_number, batch, tree.root, members)
    return Call(task, encode_call(_ROOTED, "revealProven", *known, opened, list(tree.proof(index))))


def _bitmap(members: Sequence[int]) -> list[int]:
    return list(to_bitmap(members, max(members, default=-1) + 1))


def submit(task: Address, *, round_number: int, index: int, content: ContentId) -> Call:
    """Submit in the open, where the task does without commit and reveal."""
    return Call(task, encode_call(_TASK, "submit", round_number, index, content.digest, content.size))


def submit_evaluation(
    task: Address,
    *,
    round_number: int,
    scores: Sequence[int],
    model: ContentId,
    report: ContentId,
    sanctions: Sequence[Sanction] = (),
    ranking: Sequence[int] = (),
) -> Call:
    """Scores in index order (10⁻⁹), the next model, the report, sanctions and, for score order, the next cohort."""
    data = encode_call(
        _TASK,
        "submitEvaluation",
        round_number,
        pack_scores(scores),
        (model.digest, model.size),
        (report.digest, report.size),
        [(s.index, s.rounds, s.reason, s.evidence) for s in sanctions],
        list(ranking),
    )
    return Call(task, data)


def submit_model(task: Address, *, round_number: int, model: ContentId) -> Call:
    """The named aggregator's next model, or in a consortium a member's vote for it."""
    return Call(task, encode_call(_TASK, "submitModel", round_number, model.digest, model.size))


def advance(task: Address) -> Call:
    """Move on at a deadline."""
    return Call(task, encode_call(_TASK, "advance"))


def cancel(task: Address) -> Call:
    """The publisher's wish to stop."""
    return Call(task, encode_call(_TASK, "cancel"))


def withdraw(task: Address, indices: Sequence[int]) -> Call:
    """Pay members what they have earned."""
    return Call(task, encode_call(_TASK, "withdraw", list(indices)))


def refund(task: Address) -> Call:
    """Return to the publisher what nobody earned."""
    return Call(task, encode_call(_TASK, "refund"))


def object_to(task: Address, *, round_number: int, index: int, blames: bool, signature: bytes = b"") -> Call:
    """Object to the evaluation of a round, the one before (in Closing: the last), or bring a member who has signed.

    ``blames``: the evaluator is at fault; else its model is bad, whoever made it so.
    """
    return Call(task, encode_call(_TASK, "object", round_number, index, blames, signature))


def clear(task: Address, *, evaluator: int) -> Call:
    """As the active evaluator, say that an accused one did what it should."""
    return Call(task, encode_call(_TASK, "clear", evaluator))


def credit(task: Address, *, scores: Sequence[int]) -> Call:
    """Go on with credits that did not fit a transaction; ``scores`` of the evaluation, none for equal parts."""
    return Call(task, encode_call(_TASK, "credit", pack_scores(scores)))


def open_validation(task: Address, *, evaluator: int, digest: bytes, salt: bytes) -> Call:
    """Open the commitment to the validation set."""
    return Call(task, encode_call(_TASK, "openValidation", evaluator, digest, salt))


def withdraw_bond(task: Address, *, evaluator: int) -> Call:
    """Return an evaluator's bond."""
    return Call(task, encode_call(_TASK, "withdrawBond", evaluator))


def withdraw_member_bond(task: Address, *, index: int) -> Call:
    """Return the bond of a consortium's member."""
    return Call(task, encode_call(_CONSORTIUM, "withdrawBond", index))


def commit_scores(task: Address, *, round_number: int, index: int, commitment: bytes) -> Call:
    """Commit to this round's scores of the other members of a consortium."""
    return Call(task, encode_call(_CONSORTIUM, "commitScores", round_number, index, commitment))


def reveal_scores(
    task: Address, *, round_number: int, index: int, probe: bytes, scores: Sequence[int], salt: bytes
) -> Call:
    """Open a member's scores: one for each target but itself, in index order (10⁻⁹)."""
    data = encode_call(_CONSORTIUM, "revealScores", round_number, index, probe, pack_scores(scores), salt)
    return Call(task, data)


def propose(task: Address, *, account: Address, admit: bool) -> Call:
    """Ask the members of a consortium to admit an account, or to expel it; counts as the caller's vote."""
    return Call(task, encode_call(_CONSORTIUM, "propose", account, admit))


def vote(task: Address, *, proposal: int) -> Call:
    """Agree to a proposal."""
    return Call(task, encode_call(_CONSORTIUM, "vote", proposal))
