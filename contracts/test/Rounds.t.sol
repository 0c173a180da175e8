// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Every act of a member names its round and reverts in another, so that what is under way when a round changes
/// harms nobody
contract RoundsTest is TaskFixture {
    bytes private wrongRound;

    /// @dev Round 2 becomes void while what was meant for it is still on its way.
    function _voided() private {
        _started(_config(), 4);
        _bond(1);
        _round(4);
        for (uint32 i; i < 3; ++i) {
            vm.prank(_account(i));
            task.object(1, i, true, "");
        }
        vm.assertEq(_number(), 3);
        wrongRound = abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 3);
    }

    function test_ACommitmentUnderWayWhenAnObjectionIsUpheldCountsForNoRound() public {
        _voided();
        bytes32 pending = keccak256("round 2's");
        vm.expectRevert(wrongRound);
        vm.prank(_account(3));
        task.commit(2, 3, pending);
        _round(4);
        vm.assertEq(_stakeOf(3), STAKE);
        vm.assertEq(_number(), 4);
    }

    function test_ACommitmentUnderWayWhenAVoidRoundEndsCountsForNoRound() public {
        _started(_config(), 2);
        _advance();
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 2));
        vm.prank(_account(0));
        task.commit(1, 0, keccak256("round 1's"));
        _round(2);
        vm.assertEq(_stakeOf(0), STAKE);
    }

    function test_ABatchNamesItsRound() public {
        TaskConfig memory c = _config();
        c.relayed = true;
        _started(c, 4);
        bytes memory batch = abi.encodePacked(_signed(0), _signed(1));
        _advance();
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 2));
        task.commitBatch(1, batch);
        vm.expectRevert(ITrainingTask.NothingAccepted.selector); // signed for another round
        task.commitBatch(2, batch);
    }

    function test_AnOpeningNamesItsRound() public {
        _started(_config(), 2);
        _commit(0);
        _commit(1);
        bytes memory opening = _opening(0, _digest(1, 0), SIZE);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 1));
        task.reveal(2, 0, opening);
        task.reveal(1, 0, opening);
    }

    function test_ASubmissionNamesItsRound() public {
        TaskConfig memory c = _config();
        c.commitReveal = false;
        _started(c, 2);
        _advance();
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 2));
        vm.prank(_account(0));
        task.submit(1, 0, keccak256("round 1's"), SIZE);
    }

    function test_AnObjectionNamesTheRoundThatItIsAbout() public {
        _started(_config(), 4);
        _bond(1);
        _round(4);
        _round(4);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 3));
        vm.prank(_account(0));
        task.object(1, 0, true, "");
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 3));
        vm.prank(_account(0));
        task.object(3, 0, true, "");
        vm.prank(_account(0));
        task.object(2, 0, true, "");
    }

    function test_InClosingAnObjectionNamesTheLastRound() public {
        TaskConfig memory c = _config();
        c.rounds = 2;
        _started(c, 4);
        _round(4);
        _round(4);
        _assertPhase(Phase.Closing);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 2));
        vm.prank(_account(0));
        task.object(1, 0, true, "");
        vm.prank(_account(0));
        task.object(2, 0, true, "");
    }

    // ---------------------------------------------------------------- faults, some at a time

    /// @dev 70 of 300 did not open: more than one call deals with.
    function test_ManyFaultsTakeMoreThanOneCall() public {
        TaskConfig memory c = _config();
        c.capacity = 600;
        _started(c, 600);
        for (uint32 i; i < 600; ++i) {
            _commit(i);
        }
        for (uint32 i = 70; i < 530; ++i) {
            _open(i, i);
        }
        _advance();
        _assertPhase(Phase.Reveal);
        vm.assertEq(uint256(task.ledger().stakes), 530 * STAKE, "the first word's 70");
        vm.assertEq(uint256(task.round().punished), 1);
        task.advance();
        _assertPhase(Phase.Evaluation);
        vm.assertEq(uint256(task.ledger().stakes), 460 * STAKE, "all of them");
        vm.assertEq(uint256(task.population().bonus), 140 * STAKE);
        vm.assertEq(uint256(task.round().punished), 0);
        vm.assertEq(_stakeOf(70), STAKE);
        vm.assertEq(_stakeOf(0) + _stakeOf(69) + _stakeOf(530) + _stakeOf(599), 0);
    }
}
