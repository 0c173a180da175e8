# SPDX-License-Identifier: Apache-2.0
import dataclasses
import sqlite3
from pathlib import Path

import anyio
import pytest

from bcfl.chain import journal_file
from bcfl.chain.bookmarks import Bookmark
from bcfl.chain.errors import (
    ActionAlreadyRecorded,
    JournalInUse,
    JournalOfAnotherChain,
    JournalUnreadable,
    JournalUnwritable,
)
from bcfl.chain.journal import (
    TEMPORARY,
    ActionKey,
    ActionRecord,
    Journal,
    OutboxEntry,
    OutboxStatus,
)
from bcfl.contracts.crowd_state import CrowdState
from bcfl.contracts.delivery import BlockRef
from bcfl.contracts.state_codec import StateParts

GENESIS = "0x" + "ab" * 32
KEY = ActionKey("trainer-1", "0xtask", 4, "commit")


def opened(path, *, chain_id=31337, genesis_hash=GENESIS):
    return Journal.open(path, chain_id=chain_id, genesis_hash=genesis_hash)


def entry(*, key=KEY, sender="0xA", nonce=0, status=OutboxStatus.PENDING, **other):
    return OutboxEntry(
        key=key, sender=sender, nonce=nonce, raw=b"\x02raw", hash=f"0x{nonce}", status=status, **other
    )


@pytest.mark.asyncio
async def test_actions_survive_a_restart(tmp_path):
    path = tmp_path / "journal.db"
    async with opened(path) as journal:
        assert await journal.action(KEY) is None
        await journal.write([ActionRecord(KEY, b"salt and digest")])
    async with opened(path) as journal:
        assert await journal.action(KEY) == b"salt and digest"


@pytest.mark.asyncio
async def test_how_far_a_process_has_read_is_kept(tmp_path):
    path = tmp_path / "journal.db"
    first = Bookmark(
        block=BlockRef(7, "0x07", "0x06", 70),
        tasks={"0xa": _parts(b"a", {1: b"over"}), "0xb": _parts(b"b", {0: b"x", 1: b"y"})},
    )
    later = Bookmark(
        block=BlockRef(9, "0x09", "0x08", 90),
        tasks={"0xb": _parts(b"later", {1: b"z", 2: b"new"}, whole=False)},
    )
    async with opened(path) as journal:
        assert await journal.bookmark() is None
        await journal.mark(first)
        assert await journal.bookmark() == first
        with pytest.raises(JournalUnreadable, match="Round 1 of 0xa cannot be read"):
            journal.round("0xa", CrowdState, 1)
        with pytest.raises(JournalUnreadable, match="Round 99 of 0xa cannot be read"):
            journal.round("0xa", CrowdState, 99)
        await journal.mark(later)
    async with opened(path) as journal:
        found = await journal.bookmark()
        assert found.block == later.block
        assert found.tasks == {"0xb": _parts(b"later", {0: b"x", 1: b"z", 2: b"new"})}
        # of a task that went nothing is left
        assert journal._connection.execute("SELECT DISTINCT task FROM rounds").fetchall() == [("0xb",)]


def _parts(head, rounds, *, whole=True):
    return StateParts(head=head, rounds=rounds, whole=whole)


@pytest.mark.asyncio
async def test_what_an_earlier_life_kept_of_a_task_that_is_read_again_is_gone(tmp_path):
    async with opened(tmp_path / "journal.db") as journal:
        block = BlockRef(7, "0x07", "0x06", 70)
        await journal.mark(Bookmark(block=block, tasks={"0xa": _parts(b"a", {0: b"x", 1: b"y", 2: b"z"})}))
        anew = Bookmark(block=block, tasks={"0xa": _parts(b"enrolment", {0: b"x"})})
        await journal.mark(anew)
        assert await journal.bookmark() == anew


@pytest.mark.asyncio
async def test_a_journal_of_the_first_form_is_brought_to_this_one_and_keeps_what_it_has(
    tmp_path, monkeypatch
):
    path = tmp_path / "journal.db"
    with monkeypatch.context() as earlier:
        earlier.setattr(journal_file, "_STEPS", journal_file._STEPS[:1])
        async with opened(path) as journal:
            journal._connection.execute("CREATE TABLE cursors (agent TEXT PRIMARY KEY)")
            await journal.write([ActionRecord(KEY, b"salt")])
            await journal.store([entry()])
    async with opened(path) as journal:
        assert await journal.action(KEY) == b"salt"
        assert await journal.transaction(KEY) == entry()
        assert await journal.bookmark() is None
        (version,) = journal._connection.execute("PRAGMA user_version").fetchone()
    assert version == len(journal_file._STEPS) == 4


@pytest.mark.asyncio
async def test_actions_of_a_task_come_by_round_and_action():
    keys = [
        ActionKey("a", "t", 2, "commit"),
        ActionKey("a", "t", 1, "reveal"),
        ActionKey("a", "t", 1, "commit"),
    ]
    async with opened(TEMPORARY) as journal:
        await journal.write(actions=[ActionRecord(key, key.action.encode()) for key in keys])
        await journal.write(actions=[ActionRecord(ActionKey("b", "t", 1, "commit"), b"other agent")])
        await journal.write(actions=[ActionRecord(ActionKey("a", "u", 1, "commit"), b"other task")])
        assert [record.key for record in await journal.actions("a", "t")] == sorted(keys)


@pytest.mark.asyncio
async def test_recording_an_action_again_changes_nothing():
    async with opened(TEMPORARY) as journal:
        await journal.write(actions=[ActionRecord(KEY, b"one")])
        await journal.write(actions=[ActionRecord(KEY, b"one")])
        assert await journal.actions("trainer-1", "0xtask") == (ActionRecord(KEY, b"one"),)


@pytest.mark.asyncio
async def test_an_action_with_another_payload_is_refused_and_nothing_of_that_write_stays():
    other = ActionKey("trainer-1", "0xtask", 5, "commit")
    async with opened(TEMPORARY) as journal:
        await journal.write(actions=[ActionRecord(KEY, b"one")])
        with pytest.raises(ActionAlreadyRecorded, match="'commit' of round 4"):
            await journal.write([ActionRecord(other, b"new"), ActionRecord(KEY, b"two")])
        assert await journal.action(KEY) == b"one"
        assert await journal.action(other) is None


@pytest.mark.asyncio
async def test_writes_at_the_same_moment_share_a_commit_and_fail_alone(tmp_path):
    refused = []

    async def write(journal, number):
        payload = b"same" if number % 2 else str(number).encode()
        try:
            await journal.write(actions=[ActionRecord(ActionKey("a", "t", number // 4, "x"), payload)])
        except ActionAlreadyRecorded:
            refused.append(number)

    async with opened(tmp_path / "journal.db") as journal:
        commits = 0

        def count(statement):
            nonlocal commits
            commits += statement == "COMMIT"

        journal._connection.set_trace_callback(count)
        async with anyio.create_task_group() as tasks:
            for number in range(400):
                tasks.start_soon(write, journal, number)
        assert len(await journal.actions("a", "t")) == 100
    assert len(refused) == 300  # of 4 writes of a key the first wins: numbers 1 and 3 agree but came after 0
    assert commits < 20


@pytest.mark.asyncio
async def test_a_cancelled_write_leaves_the_journal_usable():
    async with opened(TEMPORARY) as journal:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.write([ActionRecord(KEY, b"never")])
        await journal.write([ActionRecord(ActionKey("a", "t", 1, "x"), b"written")])
        assert await journal.action(ActionKey("a", "t", 1, "x")) == b"written"
        assert await journal.action(KEY) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("other", [{"chain_id": 1}, {"genesis_hash": "0x" + "cd" * 32}])
async def test_a_journal_of_another_chain_is_refused(tmp_path, other):
    path = tmp_path / "journal.db"
    async with opened(path):
        pass
    with pytest.raises(JournalOfAnotherChain, match="belongs to chain 31337"):
        async with opened(path, **other):
            pass
    async with opened(path):
        pass  # the refusal did not change it


@pytest.mark.asyncio
async def test_a_journal_has_one_writing_process(tmp_path):
    path = tmp_path / "journal.db"
    async with opened(path):
        with pytest.raises(JournalInUse):
            async with opened(path):
                pass
    async with opened(path):
        pass


@pytest.mark.asyncio
async def test_a_damaged_or_newer_journal_is_refused(tmp_path):
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is not a database, whatever its name says" * 50)
    with pytest.raises(JournalUnreadable, match="damaged"):
        async with opened(damaged):
            pass
    newer = tmp_path / "newer.db"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(JournalUnreadable, match="newer"):
        async with opened(newer):
            pass
    with pytest.raises(JournalUnreadable, match="cannot be opened"):
        async with opened(tmp_path / "no" / "such" / "folder.db"):
            pass


@pytest.mark.asyncio
async def test_a_full_disk_is_one_clear_error_and_writes_nothing(tmp_path):
    async with opened(tmp_path / "journal.db") as journal:
        journal._connection.execute("PRAGMA max_page_count=1")
        with pytest.raises(JournalUnwritable, match="make room"):
            await journal.write(actions=[ActionRecord(KEY, b"x" * 1_000_000)])
        assert await journal.action(KEY) is None


@pytest.mark.asyncio
async def test_an_outbox_entry_comes_back_as_it_was(tmp_path):
    path = tmp_path / "journal.db"
    whole = entry(status=OutboxStatus.INCLUDED, replaced=("0xa", "0xb"), block=(12, "0xblock"))
    async with opened(path) as journal:
        await journal.store([whole])
    async with opened(path) as journal:
        assert await journal.transaction(KEY) == whole
        assert whole.hashes == ("0x0", "0xb", "0xa")


@pytest.mark.asyncio
async def test_what_is_stored_later_is_read_at_once_and_survives_closing(tmp_path):
    path = tmp_path / "journal.db"
    other = entry(key=ActionKey("b", "t", 1, "x"), nonce=1)
    async with opened(path) as journal:
        await journal.store([entry()])
        journal.store_later([entry(status=OutboxStatus.SENT)])
        assert (await journal.transaction(KEY)).status is OutboxStatus.SENT
        journal.store_later([other])
    async with opened(path) as journal:
        assert await journal.transaction(other.key) == other


@pytest.mark.asyncio
async def test_what_is_of_rounds_that_are_over_is_forgotten_and_what_is_under_way_is_not():
    def of(round_number, *, task="t", status=OutboxStatus.INCLUDED):
        key = ActionKey("a", task, round_number, f"{status.value}")
        return entry(key=key, status=status, nonce=round_number)

    kept = [
        of(0),
        of(3),
        of(1, task="other"),
        of(1, status=OutboxStatus.SENT),
        of(1, status=OutboxStatus.PENDING),
    ]
    gone = [of(1), of(2), of(2, status=OutboxStatus.FAILED)]
    async with opened(TEMPORARY) as journal:
        await journal.store([*kept, *gone])
        await journal.write(actions=[ActionRecord(found.key, b"payload") for found in [*kept[:3], *gone]])
        journal.forget_later("t", before=3)
        assert [await journal.transaction(found.key) for found in gone] == [None] * len(gone)
        assert [await journal.transaction(found.key) for found in kept] == kept
        assert [record.key.round for record in await journal.actions("a", "t")] == [0, 3]
        assert len(await journal.actions("a", "other")) == 1


@pytest.mark.asyncio
async def test_open_transactions_are_a_senders_pending_and_sent_by_nonce():
    def numbered(nonce, status, sender="0xA"):
        return entry(key=ActionKey(sender, "t", nonce, "x"), sender=sender, nonce=nonce, status=status)

    async with opened(TEMPORARY) as journal:
        await journal.store(
            [
                numbered(3, OutboxStatus.PENDING),
                numbered(0, OutboxStatus.INCLUDED),
                numbered(2, OutboxStatus.SENT),
                numbered(1, OutboxStatus.FAILED),
                numbered(2, OutboxStatus.SENT, sender="0xB"),
            ]
        )
        assert [found.nonce for found in await journal.open_transactions("0xA")] == [2, 3]


@pytest.mark.asyncio
async def test_blocks_that_left_the_chain_give_their_transactions_back():
    first = entry(status=OutboxStatus.INCLUDED, block=(5, "0xgone"))
    reverted = entry(
        key=ActionKey("b", "t", 1, "x"), nonce=1, status=OutboxStatus.FAILED, block=(6, "0xgone2")
    )
    stays = entry(key=ActionKey("c", "t", 1, "x"), nonce=2, status=OutboxStatus.INCLUDED, block=(4, "0xkept"))
    async with opened(TEMPORARY) as journal:
        await journal.store([first, reverted, stays])
        back = await journal.reopen(["0xgone2", "0xgone"])
        assert back == tuple(
            dataclasses.replace(item, status=OutboxStatus.SENT, block=None) for item in (first, reverted)
        )
        assert await journal.transaction(stays.key) == stays
        assert await journal.open_transactions("0xA") == back


@pytest.mark.asyncio
async def test_a_temporary_journal_is_its_own_and_no_memory():
    payload = bytes(1 << 20)
    async with opened(TEMPORARY) as journal, opened(TEMPORARY) as other:
        before = _resident()
        for number in range(64):
            await journal.write(actions=[ActionRecord(ActionKey("bob", "0xtask", number, "update"), payload)])
        assert await journal.action(ActionKey("bob", "0xtask", 7, "update")) == payload
        assert await other.action(ActionKey("bob", "0xtask", 7, "update")) is None
        assert _resident() - before < 32


def _resident():
    """MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20
