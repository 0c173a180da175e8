// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Commitments, batches, openings and who owns a digest
contract IntakeTest is TaskFixture {
    function _relayed() private {
        TaskConfig memory c = _config();
        c.relayed = true;
        _started(c, 4);
    }

    // ---------------------------------------------------------------- commitments

    function test_ACommitmentComesFromTheMemberOnce() public {
        _started(_config(), 4);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotMember.selector, 0));
        task.commit(_number(), 0, bytes32(0));
        _commit(0);
        vm.prank(_account(0));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.AlreadyCommitted.selector, 0));
        task.commit(_number(), 0, bytes32(0));
    }

    function test_ABatchOfSignedCommitmentsIsRelayedByAnyone() public {
        _relayed();
        bytes memory batch = abi.encodePacked(_signed(3), _signed(1), _signed(0), _signed(2));
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesCommitted(1, 0, 0, abi.encodePacked(_honest(3), _honest(1), _honest(0), _honest(2)));
        vm.prank(stranger);
        task.commitBatch(_number(), batch);
        _assertPhase(Phase.Reveal);
    }

    function test_ABatchSkipsBadDoubledAndForeignEntries() public {
        _relayed();
        _commit(2);
        bytes32 hash = _commitment(1, keccak256("x"), SIZE);
        bytes memory batch = abi.encodePacked(
            _signed(0), // good
            _signed(0), // doubled
            _signedEntry(1, hash, 1, _key(3)), // signed by another
            _signedEntry(1, hash, 2, _key(1)), // for another round
            _signed(2), // has committed alone
            _signedEntry(9, hash, 1, _key(9)), // nobody
            abi.encodePacked(uint32(1), hash, bytes32(0), bytes32(0), uint8(27)) // no signature
        );
        task.commitBatch(_number(), batch);
        vm.assertEq(task.round().committed, 2);
        (bool committed,,) = task.intakeOf(1, 1);
        vm.assertFalse(committed);
    }

    function test_ABatchWithNothingAcceptedReverts() public {
        _relayed();
        bytes memory batch = _signedEntry(0, bytes32(0), 1, _key(1));
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        task.commitBatch(_number(), batch);
    }

    function test_AMalformedBatchReverts() public {
        _relayed();
        vm.expectRevert(ITrainingTask.MalformedBatch.selector);
        task.commitBatch(_number(), "");
        vm.expectRevert(ITrainingTask.MalformedBatch.selector);
        task.commitBatch(_number(), new bytes(100));
        vm.expectRevert(ITrainingTask.MalformedBatch.selector);
        task.commitBatch(_number(), new bytes(101 * 257));
    }

    function test_ADirectTaskTakesNoBatch() public {
        _started(_config(), 4);
        vm.expectRevert(ITrainingTask.RelayNotAllowed.selector);
        task.commitBatch(_number(), new bytes(101));
    }

    function test_BatchesReachMembersOfEveryWord() public {
        TaskConfig memory c = _config();
        (c.relayed, c.capacity, c.stake) = (true, 520, 0);
        _create(c);
        _bond(0);
        for (uint32 i; i < 520; ++i) {
            vm.prank(_account(i));
            task.join(_account(i), _noPermit(), "");
        }
        bytes memory batch = abi.encodePacked(_signed(515), _signed(3), _signed(300), _signed(40), _signed(515));
        task.commitBatch(_number(), batch);
        vm.assertEq(task.round().committed, 4);
        _advance();
        task.reveal(_number(), 0, abi.encodePacked(_opened(515), _closed(3), _closed(300), _closed(40)));
        task.reveal(_number(), 0, abi.encodePacked(_opened(515), _opened(3), _opened(300), _opened(40)));
        _assertPhase(Phase.Evaluation);
        _evaluate(_scores(1e9, 2e9, 3e9, 4e9)); // of 3, 40, 300 and 515
        vm.assertEq(_vested(3), 25 * ONE);
        vm.assertEq(_vested(40), 50 * ONE);
        vm.assertEq(_vested(300), 75 * ONE);
        vm.assertEq(_vested(515), 100 * ONE);
    }

    // ---------------------------------------------------------------- openings

    function test_AnOpeningAuthenticatesItself() public {
        _started(_config(), 2);
        _commit(0);
        _commit(1);
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesSubmitted(1, abi.encodePacked(uint32(1), _digest(1, 1), SIZE, uint32(1)));
        vm.prank(stranger);
        task.reveal(_number(), 1, _opened(1));
    }

    function test_OpeningsComeWithTheClosedEntriesOfTheirBatch() public {
        _relayed();
        task.commitBatch(_number(), abi.encodePacked(_signed(3), _signed(0), _signed(2), _signed(1)));
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesSubmitted(1, abi.encodePacked(_update(0, 1), _update(1, 3)));
        task.reveal(_number(), 0, abi.encodePacked(_closed(3), _opened(0), _closed(2), _opened(1)));
        // Those already open are skipped, opened or closed.
        vm.expectEmit(address(task));
        emit ITrainingTask.UpdatesSubmitted(1, abi.encodePacked(_update(3, 0)));
        task.reveal(_number(), 0, abi.encodePacked(_opened(3), _opened(0), _closed(2), _closed(1)));
        bytes memory again = abi.encodePacked(_opened(3), _opened(0), _closed(2), _opened(1));
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        task.reveal(_number(), 0, again);
        bytes memory none = abi.encodePacked(_closed(3), _closed(0), _closed(2), _closed(1));
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        task.reveal(_number(), 0, none);
        vm.assertEq(task.round().revealed, 3);
        task.reveal(_number(), 0, abi.encodePacked(_closed(3), _closed(0), _opened(2), _closed(1)));
        _assertPhase(Phase.Evaluation);
    }

    function test_AWrongOpeningRevertsAndIsNobodysFault() public {
        _relayed();
        task.commitBatch(_number(), abi.encodePacked(_signed(0), _signed(1), _signed(2), _signed(3)));
        bytes memory rest = abi.encodePacked(_opened(1), _opened(2), _opened(3));
        bytes32 digest = _digest(1, 0);
        _assertUnknown(abi.encodePacked(_opening(0, keccak256("wrong"), SIZE), rest));
        _assertUnknown(abi.encodePacked(_opening(0, digest, SIZE + 1), rest));
        _assertUnknown(abi.encodePacked(uint8(1), uint32(0), digest, SIZE, bytes16(0), rest));
        _assertUnknown(abi.encodePacked(_opening(4, digest, SIZE), rest)); // another index
        _assertUnknown(abi.encodePacked(_closed(1), rest)); // twice
        _assertUnknown(abi.encodePacked(rest, _opened(0))); // another order
        _assertUnknown(rest); // one left out
        _assertUnknown(abi.encodePacked(_opened(0), rest, _opened(4))); // one too many
        _assertUnknown("");
        vm.assertEq(task.round().revealed, 0);
        task.reveal(_number(), 0, abi.encodePacked(_opened(0), rest));
        _assertPhase(Phase.Evaluation);
    }

    function test_MalformedEntriesRevert() public {
        _started(_config(), 2);
        _commit(0);
        _commit(1);
        bytes memory opened = _opened(0);
        bytes memory closed = _closed(0);
        _assertMalformed(abi.encodePacked(opened, uint8(0)));
        _assertMalformed(abi.encodePacked(closed, opened, hex"01"));
        _assertMalformed(new bytes(36));
        opened[0] = 0x02;
        _assertMalformed(opened);
    }

    /// @dev Any mixture of opened and closed entries opens the opened ones alone.
    function testFuzz_ExactlyTheOpenedAreRevealed(uint8 first, uint8 second) public {
        TaskConfig memory c = _config();
        (c.relayed, c.capacity) = (true, 8);
        _started(c, 8);
        bytes memory signed;
        for (uint32 i; i < 8; ++i) {
            signed = abi.encodePacked(signed, _signed(i));
        }
        task.commitBatch(_number(), signed);
        uint8 open;
        for (uint256 call; call < 2; ++call) {
            uint8 mask = call == 0 ? first : second;
            bytes memory entries = _mixture(mask);
            if (_phase() != Phase.Reveal) break;
            if (mask & ~open == 0) vm.expectRevert(ITrainingTask.NothingAccepted.selector);
            task.reveal(_number(), 0, entries);
            open |= mask;
            for (uint32 i; i < 8; ++i) {
                (, bool revealed,) = task.intakeOf(1, i);
                vm.assertEq(revealed, open & (1 << i) != 0);
            }
        }
    }

    function _mixture(uint8 mask) private view returns (bytes memory entries) {
        for (uint32 i; i < 8; ++i) {
            entries = abi.encodePacked(entries, mask & (1 << i) != 0 ? _opened(i) : _closed(i));
        }
    }

    function test_AnOversizeUpdateCannotBeOpened() public {
        _started(_config(), 2);
        bytes32 digest = keccak256("large");
        bytes32 commitment = _commitment(0, digest, 2_001);
        vm.prank(_account(0));
        task.commit(_number(), 0, commitment);
        _commit(1);
        bytes memory opening = _opening(0, digest, 2_001);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector);
        task.reveal(_number(), 0, opening);
    }

    function test_OpeningsNameABatchOfThisRound() public {
        _started(_config(), 2);
        _commit(0);
        _commit(1);
        bytes memory opened = _opened(0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 2));
        task.reveal(_number(), 2, opened);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 1));
        task.reveal(_number(), 1, opened);
    }

    function test_OpeningsOfAnEarlierRoundAreUnknown() public {
        _started(_config(), 2);
        bytes memory old = _opened(1);
        _round(2);
        _commit(0);
        _advance();
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 1));
        task.reveal(_number(), 1, old);
    }

    function test_LateOpeningsAreRefused() public {
        _started(_config(), 2);
        _commit(0);
        _commit(1);
        bytes memory opened = _opened(0);
        uint256 deadline = task.round().deadline;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, deadline));
        task.reveal(_number(), 0, opened);
    }

    // ---------------------------------------------------------------- digests

    function test_ADigestBelongsToItsEarliestCommitter() public {
        _started(_config(), 2);
        bytes32 digest = keccak256("shared");
        _commitTo(0, digest);
        _commitTo(1, digest);
        _openAs(0, 0, digest);
        _openAs(1, 1, digest);
        _assertOwner(digest, 0);
        _assertDisowned(1, true);
    }

    function test_AnEarlierCommitterWhoOpensLaterTakesTheDigestOver() public {
        _started(_config(), 3);
        bytes32 digest = keccak256("shared");
        _commitTo(2, digest);
        _commitTo(0, digest);
        _commitTo(1, digest);
        _openAs(2, 1, digest);
        _assertOwner(digest, 1);
        _openAs(1, 0, digest);
        _assertOwner(digest, 0);
        _assertDisowned(1, true);
        _openAs(0, 2, digest);
        _assertOwner(digest, 2);
        _assertDisowned(0, true);
        _assertDisowned(2, false);
    }

    function test_WithoutUniqueDigestsEveryoneMayBeScored() public {
        TaskConfig memory c = _config();
        c.uniqueDigests = false;
        _started(c, 2);
        bytes32 digest = keccak256("shared");
        _commitTo(0, digest);
        _commitTo(1, digest);
        _openAs(0, 0, digest);
        _openAs(1, 1, digest);
        _evaluate(_equal(2));
        vm.assertEq(_vested(1), 125 * ONE);
    }

    // ---------------------------------------------------------------- without commit and reveal

    function test_SubmitInTheOpen() public {
        TaskConfig memory c = _config();
        (c.commitReveal, c.revealDuration) = (false, 0);
        _started(c, 2);
        vm.prank(_account(0));
        task.submit(_number(), 0, keccak256("a"), SIZE);
        vm.prank(_account(0));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.AlreadyCommitted.selector, 0));
        task.submit(_number(), 0, keccak256("b"), SIZE);
        vm.prank(_account(1));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UpdateTooLarge.selector, 2_001));
        task.submit(_number(), 1, keccak256("a"), 2_001);
        vm.prank(_account(1));
        task.submit(_number(), 1, keccak256("a"), SIZE);
        _assertPhase(Phase.Evaluation);
        _assertDisowned(1, true);
        int64[] memory scores = new int64[](2);
        scores[0] = 1;
        _evaluate(scores);
        vm.assertEq(_vested(0), 250 * ONE);
    }

    function test_SubmitInTheOpenEndsAtTheDeadlineToo() public {
        TaskConfig memory c = _config();
        c.commitReveal = false;
        _started(c, 2);
        vm.prank(_account(1));
        task.submit(_number(), 1, keccak256("a"), SIZE);
        _advance();
        _assertPhase(Phase.Evaluation);
        _evaluate(_equal(1));
        vm.assertEq(_vested(1), 250 * ONE);
    }

    function test_CommitAndSubmitExcludeEachOther() public {
        _started(_config(), 2);
        vm.expectRevert(ITrainingTask.CommitRevealMismatch.selector);
        task.submit(_number(), 0, keccak256("a"), SIZE);
        TaskConfig memory c = _config();
        (c.commitReveal, c.relayed) = (false, true);
        _create(c);
        vm.expectRevert(ITrainingTask.CommitRevealMismatch.selector);
        task.commit(_number(), 0, bytes32(0));
        vm.expectRevert(ITrainingTask.CommitRevealMismatch.selector);
        task.commitBatch(_number(), new bytes(101));
    }

    // ---------------------------------------------------------------- pieces

    function _honest(uint32 index) private view returns (bytes memory) {
        return _entry(index, _digest(_number(), index));
    }

    function _opened(uint32 index) private view returns (bytes memory) {
        return _opening(index, _digest(_number(), index), SIZE);
    }

    function _closed(uint32 index) private view returns (bytes memory) {
        return abi.encodePacked(uint8(0), _honest(index));
    }

    function _update(uint32 index, uint32 position) private view returns (bytes memory) {
        return abi.encodePacked(index, _digest(_number(), index), SIZE, position);
    }

    function _assertUnknown(bytes memory entries) private {
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.UnknownBatch.selector, 0));
        task.reveal(_number(), 0, entries);
    }

    function _assertMalformed(bytes memory entries) private {
        vm.expectRevert(ITrainingTask.MalformedBatch.selector);
        task.reveal(_number(), 0, entries);
    }

    function _assertOwner(bytes32 digest, uint32 index) private view {
        vm.assertEq(task.digestOwner(digest).index, index);
    }

    function _assertDisowned(uint32 index, bool expected) private view {
        (,, bool disowned) = task.intakeOf(_number(), index);
        vm.assertEq(disowned, expected);
    }
}
