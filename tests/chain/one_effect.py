# SPDX-License-Identifier: Apache-2.0
"""A process that has one effect to make on chain and may be killed at any point: ``test_crash`` starts it again.

Usage: one_effect.py URL JOURNAL COUNTER
"""

import sys

import anyio

from bcfl.chain.devnet import mine
from bcfl.chain.fees import FeePolicy
from bcfl.chain.journal import ActionKey, ActionRecord, Journal
from bcfl.chain.keys import derive_key
from bcfl.chain.node import open_node
from bcfl.chain.transactions import Immediate, Intent, OutcomeStatus, TransactionOwner
from bcfl.contracts.delivery import Batch, Level

KEY = ActionKey("trainer", "0xtask", 1, "commit")


async def main(url: str, journal_path: str, counter: str) -> None:
    outcomes = []
    async with (
        open_node(url) as node,
        Journal.open(journal_path, chain_id=node.chain_id, genesis_hash=node.genesis_hash) as journal,
    ):
        owner = TransactionOwner(
            node=node,
            signer=derive_key(b"\x11" * 32),
            journal=journal,
            dispatch=Immediate(),
            fee_policy=FeePolicy(patience=1),
            on_outcome=outcomes.append,
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(owner.run)
            # What an agent does on an event: decide (the same again after a restart), record, send.
            await journal.write([ActionRecord(KEY, b"salt")])
            await owner.submit(Intent(key=KEY, to=counter, data=(7).to_bytes(32, "big")))
            with anyio.fail_after(20):
                while owner.pending:
                    await owner.observe(Batch(block=await mine(node), level=Level.SEEN, events=()))
            tasks.cancel_scope.cancel()
    assert all(outcome.status is OutcomeStatus.INCLUDED for outcome in outcomes), outcomes


anyio.run(main, *sys.argv[1:])
