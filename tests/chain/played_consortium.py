# SPDX-License-Identifier: Apache-2.0
"""A consortium on a real anvil, played phase by phase; the tests beside it load it by its path."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bcfl.contracts import calls, commitments, settlement
from bcfl.contracts import events as e
from bcfl.contracts.calls import Opening
from bcfl.contracts.phases import Kind, Phase

_spec = importlib.util.spec_from_file_location(
    "bcfl_test_played_task", Path(__file__).with_name("played_task.py")
)
_played = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_played)
CONTRACT, GENESIS, SALT, UNIT, content = (
    _played.CONTRACT,
    _played.GENESIS,
    _played.SALT,
    _played.UNIT,
    _played.content,
)

__all__ = ("CONTRACT", "GENESIS", "PROBE", "UNIT", "ConsortiumStage", "content")

PROBE = b"\x05" * 32


class ConsortiumStage(_played.Stage):
    """Person 0 publishes; member ``n`` is person ``n + 1``. ``thorough``: compare all views after each block."""

    thorough = True

    async def create(self, *, founders=3, **options):
        defaults = {"capacity": founders, "tolerance": 10**9, "evaluation_pool": 9 * 10**7, "bond": 5_000}
        await super().create(evaluators=founders, kind=Kind.CONSORTIUM, **{**defaults, **options})

    def bonds(self):
        return [member.bond for member in self.state.members.values()]

    async def compare(self):
        if self.thorough:
            await self.compare_now()

    async def compare_now(self):
        """Every view says what the state says."""
        await super().compare()

    def _check_payout(self, event):
        """What was settled is what ``contracts.settlement`` makes of the vectors that were opened."""
        if not isinstance(event, e.ScoresSettled):
            return
        state, record, config = self.state, self.state.current, self.state.config
        targets, revealed = record.targets, sorted(record.updates)
        opened = state.phase is Phase.SCORE_REVEAL
        forfeiters = record.score_commitments.keys() - record.vectors.keys() if opened else ()
        budget = min(config.round_budget + state.bonus, state.escrow)
        if len(record.vectors) < len(record.cohort) // 2 + 1:
            shares = dict(zip(targets, settlement.equal_split(budget, len(targets)), strict=True))
            assert (event.scores, event.pays) == ((), ())
            pays = {}
        else:
            settled = settlement.settle(targets, record.vectors)
            scores = [settled.scores.get(index, 0) for index in revealed]
            assert event.scores == tuple(scores)
            shares = dict(zip(revealed, settlement.credit(scores, budget), strict=True))
        credits_ = settlement.withheld(shares, forfeiters)
        assert event.payout == sum(credits_.values())
        if event.scores:
            pays = settlement.evaluation_pays(
                settled,
                record.probes,
                pool=config.evaluation_pool,
                cohort=len(record.cohort),
                tolerance=config.tolerance,
                escrow=state.escrow - event.payout,
            )
            assert event.pays == tuple(pays.values())
        assert event.evaluation_payout == sum(pays.values())

    async def must_in(self, phase, *acts):
        """As ``must``, in this phase: where it has not come by itself, in the block that ends the one before."""
        if self.state.phase is phase:
            if acts:
                await self.must(*acts)
        else:
            acts = ((0, calls.advance(self.task)), *acts)
            assert all(await self.play(*acts, at=self.state.deadline))

    # ---- the acts of members

    async def enrol(self, members=None):
        """The founders, or the first ``members`` of them, join in one block with an approval."""
        count = self.state.config.capacity if members is None else members
        allowance = (self.state.config.stake + self.state.config.bond) * UNIT
        acts = []
        for person in range(1, count + 1):
            acts += [
                (person, calls.approve(self.deployment.token, self.task, allowance)),
                (person, calls.join(self.task, self.people[person].address)),
            ]
        await self.must(*acts)

    async def commit(self, updates):
        await self.must_in(
            Phase.TRAINING,
            *(
                (
                    index + 1,
                    calls.commit(
                        self.task,
                        round_number=self.state.round,
                        index=index,
                        commitment=self.hidden(index, update),
                    ),
                )
                for index, update in updates.items()
            ),
        )

    async def reveal(self, updates):
        record = self.state.current
        acts = []
        for index, update in updates.items():
            entry = record.commitments[index]
            opening = Opening(place=entry.place, content=update, salt=SALT)
            entries = record.batches[entry.batch]
            acts.append(
                (
                    0,
                    calls.reveal(
                        self.task,
                        round_number=self.state.round,
                        batch=entry.batch,
                        entries=entries,
                        openings=[opening],
                    ),
                )
            )
        await self.must_in(Phase.REVEAL, *acts)

    def sealed(self, index, scores, probe=PROBE):
        """The commitment to these scores."""
        return commitments.score_commitment(
            chain_id=self.node.chain_id,
            task=self.task,
            round_number=self.state.round,
            index=index,
            probe=probe,
            scores=scores,
            salt=SALT,
        )

    async def commit_scores(self, vectors, probes=None):
        """``vectors``: by judge, scores of the others in index order."""
        await self.must_in(
            Phase.EVALUATION,
            *(
                (
                    index + 1,
                    calls.commit_scores(
                        self.task,
                        round_number=self.state.round,
                        index=index,
                        commitment=self.sealed(index, scores, (probes or {}).get(index, PROBE)),
                    ),
                )
                for index, scores in vectors.items()
            ),
        )

    def opening(self, index, scores, probe=PROBE):
        return calls.reveal_scores(
            self.task, round_number=self.state.round, index=index, probe=probe, scores=scores, salt=SALT
        )

    async def reveal_scores(self, vectors, probes=None):
        """Brought by the publisher: an opening authenticates itself."""
        await self.must_in(
            Phase.SCORE_REVEAL,
            *(
                (0, self.opening(index, scores, (probes or {}).get(index, PROBE)))
                for index, scores in vectors.items()
            ),
        )

    def model_vote(self, index, name):
        model = name if name is GENESIS else content(name)
        return (index + 1, calls.submit_model(self.task, round_number=self.state.round, model=model))

    async def vote_model(self, votes):
        """``votes``: by member, the name of its model."""
        await self.must_in(
            Phase.AGGREGATION, *(self.model_vote(index, name) for index, name in votes.items())
        )

    async def settle(self):
        """Everybody takes what is theirs; nothing is left."""
        assert self.state.ended
        acts = [(0, calls.withdraw(self.task, list(self.state.members))), (0, calls.refund(self.task))]
        acts += [
            (0, calls.withdraw_member_bond(self.task, index=index))
            for index, member in self.state.members.items()
            if member.bond
        ]
        await self.must(*acts)
        unclaimed = self.state.bonus  # slashed, and came to no budget: nobody's
        assert await self.view("ledger") == (unclaimed, 0, 0, 0)
