// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {ICrowdsourcingTask} from "../src/interfaces/ICrowdsourcingTask.sol";
import {Phase, Sanction, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Vm} from "./Cheats.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Every row of the phase table: how it ends early, what its deadline does
contract PhasesTest is TaskFixture {
    // ---------------------------------------------------------------- enrolment

    function test_EnrolmentEndsWhenFullAndBonded() public {
        _create(_config());
        _bond(0);
        for (uint32 i; i < 3; ++i) {
            _join(i);
        }
        _assertPhase(Phase.Enrolment);
        _join(3);
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 1);
        vm.assertEq(task.round().cohort, 4);
    }

    function test_EnrolmentWaitsForAnEvaluatorAndTheBondEndsIt() public {
        _create(_config());
        for (uint32 i; i < 4; ++i) {
            _join(i);
        }
        _assertPhase(Phase.Enrolment);
        _bond(1);
        _assertPhase(Phase.Training);
        vm.assertEq(task.round().evaluator, 1, "the bonded standby is active, not the first of the list");
        _commitAndOpen(4);
        _evaluate(_equal(4));
        vm.assertEq(_number(), 2);
    }

    function test_EnrolmentDeadlineStartsWithMinTrainers() public {
        _create(_config());
        _bond(0);
        _join(0);
        _join(1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlineNotReached.selector, task.round().deadline));
        task.advance();
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(task.round().cohort, 2);
    }

    function test_EnrolmentDeadlineWithTooFewCancelsWithFullRefund() public {
        _create(_config());
        _bond(0);
        _join(0);
        _advance();
        _assertPhase(Phase.Cancelled);
        task.refund();
        task.withdrawBond(0);
        _withdraw(0);
        vm.assertEq(_balance(publisher), BUDGET);
        vm.assertEq(_balance(evaluator), BOND);
        vm.assertEq(_balance(_account(0)), STAKE);
        vm.assertEq(token.balanceOf(address(task)), 0);
    }

    function test_EnrolmentDeadlineWithoutEvaluatorCancels() public {
        _create(_config());
        _join(0);
        _join(1);
        vm.recordLogs();
        _advance();
        _assertPhase(Phase.Cancelled);
        vm.assertEq(_cancelReason(), 3);
    }

    function test_EnrolmentTakesNobodyAtItsDeadline() public {
        _create(_config());
        _fund(_account(0), STAKE);
        vm.warp(task.round().deadline);
        bytes memory reason = abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, task.round().deadline);
        vm.expectRevert(reason);
        vm.prank(_account(0));
        task.join(_account(0), _noPermit(), "");
    }

    // ---------------------------------------------------------------- training and reveal

    function test_TrainingEndsOnlyWhenEveryoneCommitted() public {
        _started(_config(), 4);
        for (uint32 i; i < 3; ++i) {
            _commit(i);
            _assertPhase(Phase.Training);
        }
        _commit(3);
        _assertPhase(Phase.Reveal);
    }

    function test_TrainingDeadlineGoesOnWithThoseWhoCommitted() public {
        _started(_config(), 4);
        _commit(2);
        _advance();
        _assertPhase(Phase.Reveal);
        vm.assertEq(task.round().committed, 1);
    }

    function test_TrainingDeadlineWithoutCommitmentIsAVoidRound() public {
        _started(_config(), 4);
        bytes32 before = task.model().digest;
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 2);
        vm.assertEq(task.model().digest, before);
        vm.assertEq(task.ledger().escrow, BUDGET);
    }

    function test_TrainingEndsWhenTheLastWithoutCommitmentLeaves() public {
        _started(_config(), 4);
        for (uint32 i; i < 3; ++i) {
            _commit(i);
        }
        _leave(3);
        _assertPhase(Phase.Reveal);
        vm.assertEq(task.round().cohort, 3);
    }

    function test_LeavingDoesNotEndTrainingBeforeAnybodyCommitted() public {
        _started(_config(), 4);
        for (uint32 i; i < 4; ++i) {
            _leave(i);
        }
        _assertPhase(Phase.Training);
        _advance();
        vm.assertEq(_number(), 2);
        vm.assertEq(task.round().cohort, 0);
    }

    function test_RevealEndsWhenEveryCommitmentIsOpened() public {
        _started(_config(), 4);
        for (uint32 i; i < 4; ++i) {
            _commit(i);
        }
        for (uint32 i; i < 3; ++i) {
            _open(i, i);
            _assertPhase(Phase.Reveal);
        }
        _open(3, 3);
        _assertPhase(Phase.Evaluation);
    }

    function test_RevealDeadlineSlashesTheUnopenedForThisRoundsBudget() public {
        _started(_config(), 4);
        for (uint32 i; i < 4; ++i) {
            _commit(i);
        }
        for (uint32 i; i < 3; ++i) {
            _open(i, i);
        }
        _advance();
        _assertPhase(Phase.Evaluation);
        vm.assertEq(_stakeOf(3), 0);
        vm.assertEq(task.ledger().stakes, 3 * STAKE);
        vm.assertEq(task.ledger().escrow, BUDGET + STAKE);
        _evaluate(_equal(3));
        vm.assertEq(task.ledger().credits, 250 * ONE + STAKE, "the slashed stake went to those who opened");
    }

    function test_RevealDeadlineWithoutOpeningIsAVoidRound() public {
        _started(_config(), 4);
        _commit(0);
        _advance();
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 2);
        vm.assertEq(_stakeOf(0), 0);
        vm.assertEq(task.population().bonus, STAKE);
    }

    function test_RevealDeadlineSuspendsInsteadInARelayedTask() public {
        TaskConfig memory c = _config();
        c.relayed = true;
        _started(c, 4);
        for (uint32 i; i < 4; ++i) {
            _commit(i);
        }
        for (uint32 i; i < 3; ++i) {
            _open(i, i);
        }
        _advance();
        vm.assertEq(_stakeOf(3), STAKE);
        vm.assertTrue(_isSuspended(3));
        _evaluate(_equal(3));
        vm.assertFalse(_inCohort(3));
        _round(3);
        vm.assertTrue(_inCohort(3), "out for one round");
    }

    function test_ARelayedTaskWithoutFaultSuspensionPunishesNobody() public {
        TaskConfig memory c = _config();
        c.relayed = true;
        c.faultSuspension = 0;
        _started(c, 2);
        _commit(0);
        _commit(1);
        _open(0, 0);
        _advance();
        vm.assertFalse(_isSuspended(1));
        vm.assertEq(_stakeOf(1), STAKE);
    }

    function test_AnEndlessFaultSuspensionDoesNotStopTheTask() public {
        TaskConfig memory c = _config();
        c.relayed = true;
        c.faultSuspension = type(uint32).max;
        _started(c, 2);
        _commit(0);
        _commit(1);
        _open(0, 0);
        _advance();
        _assertPhase(Phase.Evaluation);
        vm.assertTrue(_isSuspended(1));
    }

    // ---------------------------------------------------------------- evaluation

    function test_EvaluationEndsWithTheEvaluatorsSubmission() public {
        _started(_config(), 4);
        _round(4);
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 2);
        vm.assertEq(task.model().digest, _modelOf(1).digest);
    }

    function test_EvaluationDeadlineCallsTheStandby() public {
        _started(_config(), 4);
        _bond(1);
        _commitAndOpen(4);
        _advance();
        _assertPhase(Phase.Evaluation);
        vm.assertEq(task.round().evaluator, 1);
        vm.assertEq(task.round().deadline, vm.getBlockTimestamp() + 400, "a fresh window");
        vm.assertEq(task.evaluatorAt(0).bond, BOND / 2);
        bytes memory reason = abi.encodeWithSelector(ICrowdsourcingTask.NotEvaluator.selector, evaluator);
        vm.prank(evaluator);
        vm.expectRevert(reason);
        task.submitEvaluation(1, "", _modelOf(1), _modelOf(1), _noSanctions(), new uint256[](0));
        _evaluate(_equal(4));
        vm.assertEq(task.ledger().credits, 250 * ONE + BOND / 2, "half the bond went to the round");
    }

    function test_EvaluationDeadlineWithNobodyLeftSplitsEquallyAndCancels() public {
        _started(_config(), 3);
        _commitAndOpen(3);
        vm.recordLogs();
        _advance();
        vm.assertEq(_cancelReason(), 3);
        _assertPhase(Phase.Cancelled);
        uint64 payout = 250 * ONE + BOND / 2;
        vm.assertEq(_vested(1), payout / 3);
        vm.assertEq(_vested(2), payout / 3);
        vm.assertEq(_vested(0), payout / 3 + payout % 3);
    }

    function test_EqualSplitByRateIsAnEqualPartOfWhatIsLeft() public {
        TaskConfig memory c = _config();
        (c.roundBudget, c.rate) = (0, 10 * ONE);
        _started(c, 4);
        _round(4);
        uint64 left = BUDGET - 40 * ONE;
        vm.assertEq(task.ledger().escrow, left);
        _commitAndOpen(4);
        _advance();
        vm.assertEq(task.ledger().credits, 40 * ONE + (left + BOND / 2) / 3 + BOND / 2);
    }

    function test_AListedEvaluatorMayBondLaterAndAnExpiredOneMayNot() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _bond(1);
        _advance();
        _fund(evaluator, BOND);
        bytes memory reason = abi.encodeWithSelector(ICrowdsourcingTask.EvaluatorNotBondable.selector, 0);
        vm.prank(evaluator);
        vm.expectRevert(reason);
        task.bond(0, bytes32(0), _noPermit());
    }

    // ---------------------------------------------------------------- aggregation

    function _withAggregator() internal {
        TaskConfig memory c = _config();
        c.aggregator = aggregator;
        _started(c, 4);
    }

    function test_AggregationEndsWithTheNamedAggregatorsModel() public {
        _withAggregator();
        _round(4);
        _assertPhase(Phase.Aggregation);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotAggregator.selector, evaluator));
        vm.prank(evaluator);
        task.submitModel(1, keccak256("m"), SIZE);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 1));
        vm.prank(aggregator);
        task.submitModel(2, keccak256("m"), SIZE);
        vm.recordLogs();
        vm.prank(aggregator);
        task.submitModel(1, keccak256("m"), SIZE);
        _assertPhase(Phase.Training);
        vm.assertEq(task.model().digest, keccak256("m"));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == ITrainingTask.RoundFinalized.selector) {
                (,, uint64 payout) = abi.decode(logs[i].data, (bytes32, uint32, uint64));
                vm.assertEq(payout, 250 * ONE, "what the round credited");
            }
        }
    }

    function test_AggregationDeadlineKeepsModelAndCredits() public {
        _withAggregator();
        bytes32 before = task.model().digest;
        _round(4);
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 2);
        vm.assertEq(task.model().digest, before);
        vm.assertEq(task.ledger().credits, 250 * ONE);
    }

    function test_TwoMissedModelsInARowCancel() public {
        _withAggregator();
        _round(4);
        _advance();
        _round(4);
        vm.recordLogs();
        _advance();
        vm.assertEq(_cancelReason(), 4);
        vm.assertEq(task.ledger().credits, 500 * ONE);
    }

    function test_AVoidRoundBetweenTwoMissedModelsStartsTheCountAgain() public {
        _withAggregator();
        _round(4);
        _advance();
        _advance(); // nobody commits
        vm.assertEq(_number(), 3);
        _round(4);
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 4);
    }

    function test_AModelBetweenTwoMissedOnesStartsTheCountAgain() public {
        _withAggregator();
        _round(4);
        _advance();
        _round(4);
        vm.prank(aggregator);
        task.submitModel(2, keccak256("m"), SIZE);
        _round(4);
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 4);
    }

    // ---------------------------------------------------------------- the end

    function test_TheLastRoundLeadsToClosingAndCompleted() public {
        _started(_config(), 4);
        for (uint256 i; i < 4; ++i) {
            _round(4);
        }
        _assertPhase(Phase.Closing);
        _advance();
        _assertPhase(Phase.Completed);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Completed));
        task.advance();
        vm.assertEq(task.ledger().credits, BUDGET);
    }

    function test_ATaskOfSilentTrainersCompletesByItsDeadlines() public {
        _started(_config(), 4);
        for (uint256 i; i < 4; ++i) {
            _advance();
        }
        _assertPhase(Phase.Closing);
        _advance();
        _assertPhase(Phase.Completed);
        task.refund();
        vm.assertEq(_balance(publisher), BUDGET);
    }

    // ---------------------------------------------------------------- cancel

    function test_OnlyThePublisherCancels() public {
        _create(_config());
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotPublisher.selector, stranger));
        vm.prank(stranger);
        task.cancel();
    }

    function test_CancelBeforeTheFirstCommitmentIsImmediate() public {
        _started(_config(), 4);
        _advance();
        vm.prank(publisher);
        task.cancel();
        _assertPhase(Phase.Cancelled);
    }

    function test_CancelAfterACommitmentWaitsForTheRoundBoundary() public {
        _started(_config(), 4);
        _commit(0);
        vm.prank(publisher);
        task.cancel();
        _assertPhase(Phase.Training);
        for (uint32 i = 1; i < 4; ++i) {
            _commit(i);
        }
        for (uint32 i; i < 4; ++i) {
            _open(i, i);
        }
        vm.recordLogs();
        _evaluate(_equal(4));
        vm.assertEq(_cancelReason(), 1);
        vm.assertEq(task.ledger().credits, 250 * ONE, "the round under way is paid");
        task.refund();
        vm.assertEq(_balance(publisher), 750 * ONE);
    }

    function test_CancelInTheLastRoundChangesNothing() public {
        TaskConfig memory c = _config();
        c.rounds = 1;
        c.roundBudget = 250 * ONE;
        _started(c, 4);
        _commit(0);
        vm.prank(publisher);
        task.cancel();
        _advance();
        _open(0, 0);
        _evaluate(_equal(1));
        _assertPhase(Phase.Closing);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Closing));
        vm.prank(publisher);
        task.cancel();
    }

    // ---------------------------------------------------------------- actions in the wrong phase

    function test_ActionsBelongToTheirPhaseAndRound() public {
        _started(_config(), 4);
        bytes memory wrong = abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Training);
        vm.expectRevert(wrong);
        task.reveal(_number(), 0, "");
        vm.expectRevert(wrong);
        task.submitModel(1, bytes32(0), 0);
        vm.expectRevert(wrong);
        task.submitEvaluation(1, "", _modelOf(1), _modelOf(1), _noSanctions(), new uint256[](0));
        _commitAndOpen(4);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Evaluation));
        vm.prank(_account(0));
        task.commit(_number(), 0, bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 1));
        task.submitEvaluation(2, "", _modelOf(1), _modelOf(1), _noSanctions(), new uint256[](0));
    }

    function test_NothingIsTakenAtTheDeadlineItself() public {
        _started(_config(), 4);
        uint256 deadline = task.round().deadline;
        bytes memory passed = abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, deadline);
        vm.warp(deadline);
        vm.expectRevert(passed);
        vm.prank(_account(0));
        task.commit(_number(), 0, bytes32(uint256(1)));
        vm.warp(deadline - 1);
        _commit(0);
    }

    function _noSanctions() private pure returns (Sanction[] memory) {}

    function _cancelReason() private returns (uint8 reason) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == ITrainingTask.TaskCancelled.selector) reason = abi.decode(logs[i].data, (uint8));
        }
    }
}
