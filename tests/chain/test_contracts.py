# SPDX-License-Identifier: Apache-2.0
"""The vocabulary against the contracts on a real anvil: what Python hashes, signs and folds is what the chain says.

Every script below goes block by block; after each block the folded state is compared with all of the task's views,
and each event with its own JSON (``played_task.py``).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bcfl.contracts import calls, typed_data
from bcfl.contracts import events as e
from bcfl.contracts.abi import encode_call
from bcfl.contracts.calls import Call, Sanction
from bcfl.contracts.config import Schedule
from bcfl.contracts.phases import CancelReason, Phase, Selection
from bcfl.contracts.scores import to_bitmap

_spec = importlib.util.spec_from_file_location(
    "bcfl_test_played_task", Path(__file__).with_name("played_task.py")
)
_played = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_played)
CONTRACT, GENESIS, Stage, content = _played.CONTRACT, _played.GENESIS, _played.Stage, _played.content

pytestmark = pytest.mark.anvil


@pytest.mark.asyncio
async def test_faults_take_over_void_rounds_leaving_and_cancelling(node):
    stage = await Stage.open(node)
    await stage.create(rounds=4, stake=5_000)
    await stage.enrol(3)
    assert stage.state.phase is Phase.TRAINING

    # the copy opens first and owns the digest until the earlier commitment opens; the third never opens
    shared = content("shared")
    await stage.commit({0: shared, 1: shared, 2: content("unopened")})
    await stage.reveal({1: shared})
    assert stage.state.owners[shared.digest] == (1, 1, 1)
    await stage.reveal({0: shared})
    assert stage.state.owners[shared.digest] == (1, 0, 0)
    await stage.advance()
    assert stage.state.members[2].stake == 0
    assert stage.state.bonus == 5_000
    assert await stage.refused(1, stage.evaluation([5, 5], "model 1")), "the copy was scored"
    await stage.evaluate([3 * 10**8, 0], "model 1")
    assert stage.state.rounds[1].credits == {0: 10**8 + 5_000, 1: 0}

    await stage.advance()
    assert stage.state.rounds[2].payout == 0
    assert stage.state.model == content("model 1"), "a void round keeps the model"

    leave = Call(stage.task, encode_call(CONTRACT, "leave", stage.state.round, 1, b""))
    await stage.must((4, leave))
    assert stage.state.current.cohort == (0, 2)
    await stage.commit({0: GENESIS, 2: content("own")})
    await stage.must((0, calls.cancel(stage.task)))
    await stage.reveal({2: content("own"), 0: GENESIS})
    assert not stage.state.current.updates[0].owned, "somebody is paid for the genesis model"
    await stage.evaluate([0, -4], "model 3")
    assert stage.state.cancel_reason is CancelReason.PUBLISHER
    assert await stage.refused(4, await stage.join(1)), "an account joins once"
    await stage.settle()


@pytest.mark.asyncio
async def test_a_relayed_task_with_signed_joins_batches_suspension_and_farewell(node):
    stage = await Stage.open(node)
    await stage.create(rounds=3, relayed=True, stake=700, fault_suspension=1)
    await stage.bond(0)
    chain_id, task = node.chain_id, stage.task
    for member in range(3):
        signer = stage.people[member + 3]
        digest = typed_data.join_digest(chain_id=chain_id, task=task, account=signer.address)
        call = calls.join(
            task,
            signer.address,
            permit=await stage.permit(member + 3, 700),
            signature=signer.sign_digest(digest),
        )
        stranger = stage.people[7].sign_digest(digest)
        forged = calls.join(task, signer.address, permit=calls.NO_PERMIT, signature=stranger)
        assert await stage.refused(0, forged)
        await stage.must((0, call))

    def entry(index, name, *, by=None):
        hidden = stage.hidden(index, content(name))
        digest = typed_data.commit_digest(
            chain_id=chain_id, task=task, round_number=stage.state.round, index=index, commitment=hidden
        )
        signer = stage.people[3 + (index if by is None else by)]
        return index.to_bytes(4, "big") + hidden + signer.sign_digest(digest)

    # a forged entry and a second one of the same member are skipped
    batch = entry(2, "c") + entry(1, "forged", by=0) + entry(0, "a") + entry(0, "again") + entry(1, "b")
    await stage.must((0, Call(task, encode_call(CONTRACT, "commitBatch", 1, batch))))
    commitments_made = stage.state.current.commitments
    assert {n: entry.position for n, entry in commitments_made.items()} == {2: 0, 0: 1, 1: 2}
    assert commitments_made[1].commitment == stage.hidden(1, content("b"))
    assert stage.state.phase is Phase.REVEAL
    await stage.reveal({0: content("a"), 1: content("b")})
    await stage.advance()
    assert stage.state.members[2].suspended
    assert stage.state.members[2].stake == 700, "a relayed task does not slash"
    await stage.evaluate([2, 1], "model 1")
    assert stage.state.current.cohort == (0, 1)

    digest = typed_data.leave_digest(chain_id=chain_id, task=task, round_number=2, index=1)
    farewell = Call(task, encode_call(CONTRACT, "leave", 2, 1, stage.people[4].sign_digest(digest)))
    await stage.must((0, farewell))
    assert stage.state.members[1].stake == 0
    await stage.commit({0: content("second")})
    await stage.reveal({0: content("second")})
    await stage.evaluate([10**9], "model 2")
    assert stage.state.current.cohort == (0, 2), "the suspension is over"
    await stage.advance()
    assert stage.state.phase is Phase.CLOSING
    await stage.advance()
    assert stage.state.phase is Phase.COMPLETED
    await stage.settle()


@pytest.mark.asyncio
async def test_silent_evaluators_are_replaced_and_at_last_owners_share_equally(node):
    stage = await Stage.open(node)
    await stage.create(evaluators=2, rounds=3, round_budget=10**8 + 1)
    await stage.enrol(3, evaluator=1)
    assert stage.state.active_evaluator == 1
    await stage.bond(0)
    assert stage.state.active_evaluator == 1, "who bonds later does not push out who is active"

    first = {0: content("x"), 1: content("y"), 2: content("z")}
    await stage.commit(first)
    await stage.reveal(first)
    await stage.advance()
    assert stage.state.active_evaluator == 0
    assert stage.state.evaluators[1].removed
    assert stage.state.phase is Phase.EVALUATION
    await stage.evaluate([1, 1, 1], "model 1", evaluator=0)
    assert sum(stage.state.rounds[1].credits.values()) == 2 * (10**8 + 1), "at most as much again of the bond"

    second = {0: content("p"), 1: content("p"), 2: content("q")}
    await stage.commit(second)
    await stage.reveal(second)
    await stage.advance()
    assert stage.state.cancel_reason is CancelReason.NO_EVALUATOR
    shares = stage.state.rounds[2].credits
    assert sorted(shares) == [0, 2], "who copied shares nothing"
    assert shares == {0: 10**8 + 1, 2: 10**8 + 1}
    assert stage.state.bonus == 10**9 - 2 * (10**8 + 1)
    await stage.settle()
    returned = [event.amount for event in stage.events if isinstance(event, e.BondReturned)]
    assert returned == [10**9 // 2] * 2


@pytest.mark.asyncio
async def test_objections_remove_evaluators_and_bring_models_back(node):
    stage = await Stage.open(node)
    await stage.create(evaluators=2, rounds=4, bond=10**9 + 2, vesting_rounds=1, min_trainers=3)
    await stage.enrol(3)
    await stage.bond(1)

    def objection(index, number=1, **extra):
        return calls.object_to(stage.task, round_number=number, index=index, blames=True, **extra)

    async def one_round(model, evaluator):
        updates = {n: content(f"{stage.state.round} of {n}") for n in range(3)}
        await stage.commit(updates)
        await stage.reveal(updates)
        await stage.evaluate([10**9, 0, 1], model, evaluator=evaluator)

    assert await stage.refused(3, objection(0)), "there is nothing to object to"
    await one_round("bad", 0)
    assert stage.state.objectionable == 1
    digest = typed_data.object_digest(
        chain_id=node.chain_id, task=stage.task, round_number=1, index=2, blames=True
    )
    forged = stage.people[3].sign_digest(digest)
    assert await stage.refused(0, objection(2, signature=forged))
    await stage.must((0, objection(2, signature=stage.people[5].sign_digest(digest))))
    assert await stage.refused(5, objection(2)), "an objection counts once"
    await stage.commit({0: content("in vain")})
    await stage.must((3, objection(0)))
    assert stage.state.round == 2, "two of three are not more than two thirds"
    await stage.must((4, objection(1)))
    assert stage.state.rounds[1].objections == (2, 0, 1)
    assert (stage.state.model, stage.state.active_evaluator) == (GENESIS, 1)
    assert stage.state.round == 3
    assert stage.state.evaluators[0].accused_in == 1
    assert stage.state.evaluators[0].bond == 10**9 + 2, "it waits for what the standby finds"
    assert await stage.refused(0, calls.withdraw_bond(stage.task, evaluator=0))

    assert await stage.refused(4, objection(1, number=2)), "a void round has no evaluation"
    await one_round("model 3", 1)
    await one_round("worse", 1)
    assert stage.state.phase is Phase.CLOSING
    await stage.must((2, calls.clear(stage.task, evaluator=0)))
    assert stage.state.evaluators[0].accused_in is None
    await stage.must(*((n + 3, objection(n, number=4)) for n in range(3)))
    assert stage.state.phase is Phase.CLOSING
    assert stage.state.model == content("model 3")
    assert stage.state.active_evaluator is None
    await stage.advance()
    assert stage.state.phase is Phase.COMPLETED
    await stage.settle()
    half = 10**9 // 2 + 1
    third = half // 3
    assert stage.state.rounds[4].bond_shares == {0: half - 2 * third, 1: third, 2: third}
    returned = [event.amount for event in stage.events if isinstance(event, e.BondReturned)]
    assert returned == [10**9 + 2, half], "cleared, and nobody could clear the last one"


@pytest.mark.asyncio
async def test_without_a_standby_upheld_objections_end_the_task(node):
    stage = await Stage.open(node)
    await stage.create(commit_reveal=False)
    await stage.enrol(3)
    for n in range(3):
        await stage.must(
            (
                n + 3,
                calls.submit(
                    stage.task, round_number=stage.state.round, index=n, content=content(f"update {n}")
                ),
            )
        )
    await stage.evaluate([1, 1, 1], "bad")
    await stage.must((3, calls.submit(stage.task, round_number=2, index=0, content=content("in vain"))))
    await stage.must(
        *((n + 3, calls.object_to(stage.task, round_number=1, index=n, blames=True)) for n in range(3))
    )
    assert stage.state.cancel_reason is CancelReason.NO_EVALUATOR
    assert stage.state.model == GENESIS
    await stage.settle()
    assert stage.state.returned == stage.state.budget - 10**8


@pytest.mark.asyncio
async def test_vesting_ejection_and_a_named_aggregator(node):
    stage = await Stage.open(node, people=9)
    publisher = stage.people[0].address
    await stage.create(
        rounds=5,
        capacity=5,
        vesting_rounds=1,
        round_budget=0,
        rate=10**7,
        bond=10**9,
        aggregator=publisher,
    )
    await stage.enrol(5)

    async def one_round(members, scores, *, model, **extra):
        updates = {n: content(f"{stage.state.round} of {n}") for n in members}
        await stage.commit(updates)
        await stage.reveal(updates)
        await stage.evaluate(scores, "ignored", **extra)
        if model is None:
            await stage.advance()
        else:
            named = content(model)
            await stage.must((0, calls.submit_model(stage.task, round_number=stage.state.round, model=named)))

    suspend = Sanction(index=4, rounds=3, reason=6, evidence=b"\x05" * 32)
    await one_round(range(5), [10**9] * 5, model="model 1", sanctions=[suspend])
    assert stage.state.members[4].suspended
    assert await stage.view("creditOf", 4) == (0, 10**7)
    nothing = stage.state.members[4].withdrawn
    await stage.must((0, calls.withdraw(stage.task, [4])))
    assert stage.state.members[4].withdrawn == nothing, "unvested credits were paid"

    eject = Sanction(index=4, rounds=0, reason=6, evidence=b"\x06" * 32)
    await one_round(range(4), [10**9, 10**8, 7, 0], model=None, sanctions=[eject])
    assert stage.state.members[4].ejected_round == 2
    assert stage.state.members[4].earned == 0
    assert stage.state.bonus == 10**7, "forfeits join the next round's budget"
    assert stage.state.rounds[2].model == content("model 1"), "a missed model keeps the last one"

    await one_round(range(4), [3, 3, 3, 10**9], model="3 of 0")
    assert stage.state.rounds[3].payout == 10**7 * (10**9 + 9) // 10**9 + 10**7
    assert stage.state.owners[content("3 of 0").digest] == (3, 0, None), "a global model is the task's own"
    await stage.must((0, calls.withdraw(stage.task, [0, 3])))
    assert stage.state.members[0].withdrawn == sum(stage.state.rounds[n].credits[0] for n in (1, 2))
    await one_round(range(4), [1, 2, 3, 4], model=None)
    await one_round(range(4), [1, 2, 3, 4], model=None)
    assert stage.state.cancel_reason is CancelReason.NO_MODEL, "two models in a row were missed"
    await stage.settle()


@pytest.mark.parametrize("selection", list(Selection))
@pytest.mark.asyncio
async def test_open_submissions_and_every_way_to_select(node, selection):
    stage = await Stage.open(node, people=9)
    size = 0 if selection is Selection.ALL else 3
    await stage.create(
        capacity=6, commit_reveal=False, unique_digests=False, selection=selection, cohort_size=size
    )
    await stage.enrol(6)
    for number in (1, 2, 3):
        cohort = stage.state.current.cohort
        assert len(cohort) == (size or len(stage.state.active_members))
        for n in cohort:
            await stage.must(
                (
                    n + 3,
                    calls.submit(
                        stage.task, round_number=stage.state.round, index=n, content=content(f"update {n}")
                    ),
                )
            )
            if number == 2 and n == cohort[0]:
                leave = Call(stage.task, encode_call(CONTRACT, "leave", number, n, b""))
                assert await stage.refused(n + 3, leave), "who has submitted stays until it is judged"
        ranking = ()
        if selection is Selection.SCORE_ORDER:
            ranking = to_bitmap([3, 4, 5], len(stage.state.members))
        await stage.evaluate([n + 1 for n in range(len(cohort))], f"model {number}", ranking=ranking)
        if ranking and number < 3:
            assert stage.state.current.cohort == (3, 4, 5) or number == 2
    assert stage.state.phase is Phase.CLOSING


@pytest.mark.asyncio
async def test_a_task_nobody_joins_or_evaluates_is_cancelled_with_a_full_refund(node):
    stage = await Stage.open(node)
    await stage.create(min_trainers=2)
    await stage.enrol(1)
    await stage.advance()
    assert stage.state.cancel_reason is CancelReason.TOO_FEW_TRAINERS
    await stage.settle()
    assert stage.state.returned == stage.state.budget
    assert stage.state.evaluators[0].returned


@pytest.mark.asyncio
async def test_the_configuration_on_chain_is_the_one_asked_for(node):
    stage = await Stage.open(node)
    aggregator = stage.people[5].address
    await stage.create(
        rounds=7,
        capacity=11,
        min_trainers=2,
        cohort_size=5,
        selection=Selection.FIRST_COME,
        relayed=True,
        unique_digests=False,
        public_audit=False,
        vesting_rounds=3,
        fault_suspension=9,
        stake=123,
        round_budget=0,
        rate=77,
        aggregator=aggregator,
        schedule=Schedule(enrolment=11, training=12, reveal=13, evaluation=14, aggregation=15, closing=16),
    )
    assert stage.state.config.schedule.closing == 16
    assert stage.state.deadline == (await node.block("latest")).ref.timestamp + 11
