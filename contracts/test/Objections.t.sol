// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {ICrowdsourcingTask} from "../src/interfaces/ICrowdsourcingTask.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Content, Ledger, Phase, Sanction, Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Vm} from "./Cheats.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Objections to an evaluation: who, when, how many, and what they undo
contract ObjectionsTest is TaskFixture {
    /// @dev Four members whose first round was evaluated; the second is in Training.
    function _evaluated(TaskConfig memory c) private {
        _started(c, 4);
        _bond(1);
        _round(4);
    }

    function _evaluated() private {
        _evaluated(_config());
    }

    function _object(uint32 index) private {
        vm.prank(_account(index));
        task.object(_objectable(), index, true, "");
    }

    /// @dev The model is bad, whoever made it so.
    function _objectMildly(uint32 index) private {
        vm.prank(_account(index));
        task.object(_objectable(), index, false, "");
    }

    function _objectAll(uint32 count) private {
        for (uint32 i; i < count; ++i) {
            _object(i);
        }
    }

    /// @dev Of ten; the evaluator's friends are the first two.
    function _suspendAllButTwo(uint32 rounds) private {
        Sanction[] memory all = new Sanction[](8);
        for (uint32 i; i < 8; ++i) {
            all[i] = Sanction(i + 2, rounds, 5, keccak256("none"));
        }
        _evaluateWith(_equal(10), all, new uint256[](0));
    }

    /// @dev The publisher's wish, at the next boundary.
    function _cancelled() private {
        vm.prank(publisher);
        task.cancel();
        _advance();
        _assertPhase(Phase.Cancelled);
    }

    function _signedObjection(uint32 number, uint32 index, uint256 key) private view returns (bytes memory) {
        bytes32 typeHash = keccak256("Object(uint32 round,uint32 index,bool blames)");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _typed(keccak256(abi.encode(typeHash, number, index, true))));
        return abi.encodePacked(r, s, v);
    }

    function _assertModel(bytes32 digest, uint32 size) private view {
        vm.assertEq(task.model().digest, digest);
        vm.assertEq(uint256(task.model().size), size, "size of the model");
    }

    function _assertNothingMissing() private view {
        Ledger memory l = task.ledger();
        vm.assertEq(
            uint256(_balance(address(task))),
            uint256(l.escrow) + l.credits + l.stakes + l.bonds,
            "what is owed is there"
        );
    }

    // ---------------------------------------------------------------- what an upheld objection does

    function test_MoreThanTwoThirdsRevertTheModelAndShareTheBond() public {
        _evaluated();
        uint64 before = _vested(1);
        vm.assertEq(task.model().digest, _modelOf(1).digest);
        _object(3);
        _object(1);
        vm.assertEq(uint256(_number()), 2, "two of four are not more than two thirds");
        _object(0);

        _assertModel(keccak256("genesis"), SIZE);
        vm.assertEq(uint256(_number()), 3, "the round under way is void");
        _assertPhase(Phase.Training);
        vm.assertEq(uint256(task.ledger().bonds), 2 * BOND, "the bond waits");
        vm.assertEq(uint256(task.round().evaluator), 1, "the standby is active");
        _assertNothingMissing();

        _round(4);
        _assertModel(_modelOf(3).digest, SIZE);
        vm.assertEq(uint256(_number()), 4);
        vm.expectRevert(ITrainingTask.TaskNotEnded.selector);
        task.withdrawBond(0);
        _round(4);
        _advance();
        uint64 earned = _vested(2);
        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.BondForfeited(1, 0, BOND);
        task.withdrawBond(0);
        vm.assertEq(uint256(_vested(1)), earned + BOND / 4, "every revealer has its part of the bond");
        vm.assertEq(uint256(_vested(2)), earned + BOND / 4, "also who did not object");
        vm.assertEq(uint256(task.ledger().bonds), BOND, "the standby's alone");
        task.withdrawBond(0);
        vm.assertEq(uint256(_vested(2)), earned + BOND / 4, "once");
        vm.assertEq(earned, before + 2 * (250 * ONE / 4));
        _assertNothingMissing();
        _withdraw(2);
        vm.assertEq(uint256(_balance(_account(2))), earned + BOND / 4 + STAKE);
    }

    /// @dev An honest evaluator against more than two thirds who lie: its successor knows, and it keeps what is its own.
    function test_TheSuccessorClearsWhoDidWhatItShould() public {
        _evaluated();
        vm.prank(standby);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotEvaluator.selector, standby));
        task.clear(0);
        _objectAll(3);
        vm.prank(evaluator);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotEvaluator.selector, evaluator));
        task.clear(0);
        vm.prank(standby);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotAccused.selector, 1));
        task.clear(1);
        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.EvaluatorCleared(0);
        vm.prank(standby);
        task.clear(0);
        vm.prank(standby);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotAccused.selector, 0));
        task.clear(0);
        vm.assertEq(uint256(task.round().evaluator), 1, "its place is lost all the same");
        _round(4);
        _round(4);
        _advance();
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        task.withdrawBond(0);
        vm.assertEq(uint256(_balance(evaluator)), BOND);
    }

    /// @dev A publisher that cancels and sybils who object in one block do not cut its successor's word off.
    function test_TheSuccessorHasTimeWhereTheTaskEndsAtOnce() public {
        _evaluated();
        _commit(0);
        vm.prank(publisher);
        task.cancel();
        _objectAll(3);
        _assertPhase(Phase.Cancelled);
        uint256 until = vm.getBlockTimestamp() + 600; // as long as Closing
        vm.assertEq(uint256(task.round().deadline), until);
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlineNotReached.selector, until));
        task.withdrawBond(0);
        vm.prank(standby);
        task.clear(0);
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        task.withdrawBond(0);
        vm.assertEq(uint256(_balance(evaluator)), BOND);
    }

    function test_AtTheEndOfClosingToo() public {
        TaskConfig memory c = _config();
        c.rounds = 1;
        _started(c, 4);
        _bond(1);
        _round(4);
        _later(599);
        uint256 until = vm.getBlockTimestamp() + 600;
        for (uint32 i; i < 3; ++i) {
            if (i == 2) {
                vm.expectEmit(address(task));
                emit ITrainingTask.PhaseStarted(1, Phase.Closing, uint40(until));
            }
            _object(i);
        }
        _later(1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlineNotReached.selector, until));
        task.advance();
        vm.prank(standby);
        task.clear(0);
        _advance();
        _assertPhase(Phase.Completed);
    }

    function test_AnAccusedOneCannotClearItself() public {
        _started(_config(), 4);
        _round(4);
        _round(4);
        _round(4);
        _round(4);
        _assertPhase(Phase.Closing);
        _objectAll(3);
        vm.prank(evaluator);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotAccused.selector, 0));
        task.clear(0);
    }

    /// @dev An accused one that never opens its validation set cannot keep its bond from the others by that.
    function test_ABondIsSharedWithoutAValidationSet() public {
        _evaluated();
        _objectAll(3);
        _cancelled();
        uint64 before = _vested(0);
        task.withdrawBond(0);
        vm.assertEq(uint256(_vested(0)), before + BOND / 4);
    }

    function test_WhereTheModelAloneIsBadNoBondMoves() public {
        _evaluated();
        for (uint32 i; i < 3; ++i) {
            if (i == 2) {
                vm.expectEmit(address(task));
                emit ICrowdsourcingTask.EvaluationReverted(1, 0, 1, false);
            }
            _objectMildly(i);
        }
        _assertModel(keccak256("genesis"), SIZE);
        vm.assertEq(uint256(task.round().evaluator), 1, "the next one has its turn");
        _round(4);
        _round(4);
        _advance();
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        task.withdrawBond(0);
        vm.assertEq(uint256(_balance(evaluator)), BOND);
        vm.assertEq(uint256(_vested(0)), 3 * (250 * ONE / 4));
    }

    function test_WithoutANextOneTheEvaluatorStays() public {
        _started(_config(), 4);
        _round(4);
        for (uint32 i; i < 3; ++i) {
            if (i == 2) {
                vm.expectEmit(address(task));
                emit ICrowdsourcingTask.EvaluationReverted(1, 0, 0, false);
            }
            _objectMildly(i);
        }
        _assertPhase(Phase.Training);
        _assertModel(keccak256("genesis"), SIZE);
        _round(4);
        _assertModel(_modelOf(3).digest, SIZE);
    }

    /// @dev Two thirds must blame it, not only object.
    function test_OneWhoObjectsMildlyDoesNotBlame() public {
        _evaluated();
        _object(0);
        _objectMildly(1);
        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.EvaluationReverted(1, 0, 1, false);
        _object(2);
        vm.assertEq(uint256(task.evaluatorAt(0).standing), uint256(CrowdsourcingTask.Standing.Removed));
    }

    function test_ASignedObjectionIsOfItsGround() public {
        _evaluated();
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.object(1, 0, false, _signedObjection(1, 0, _key(0)));
        task.object(1, 0, true, _signedObjection(1, 0, _key(0)));
    }

    // ---------------------------------------------------------------- the window

    /// @dev As many as could still decide have not spoken: two friends of ten cannot close it on them.
    function test_TheWindowStaysOpenWhileObjectionsCouldPrevail() public {
        TaskConfig memory c = _config();
        (c.capacity, c.minTrainers) = (10, 2);
        _started(c, 10);
        _bond(1);
        _commitAndOpen(10);
        _suspendAllButTwo(type(uint32).max);
        uint40 deadline = task.round().deadline;
        _commit(0);
        vm.expectEmit(address(task));
        emit ITrainingTask.PhaseStarted(2, Phase.Training, deadline - c.trainingDuration / 2);
        _commit(1);
        _assertPhase(Phase.Training);
        vm.assertEq(uint256(task.round().deadline), uint256(deadline) - 100, "half its time");
        for (uint32 i = 2; i < 9; ++i) {
            _object(i);
        }
        vm.assertEq(uint256(_number()), 3, "upheld");
        _assertModel(keccak256("genesis"), SIZE);
    }

    function test_TheWindowClosesAtItsOwnDeadline() public {
        TaskConfig memory c = _config();
        (c.capacity, c.minTrainers) = (10, 2);
        _started(c, 10);
        _commitAndOpen(10);
        _suspendAllButTwo(1);
        _commit(0);
        _commit(1);
        vm.expectPartialRevert(ITrainingTask.DeadlineNotReached.selector);
        task.advance();
        _advance();
        _assertPhase(Phase.Reveal);
    }

    function test_AfterHalfTheTimeTheLastCommitmentEndsTraining() public {
        TaskConfig memory c = _config();
        (c.capacity, c.minTrainers) = (10, 2);
        _started(c, 10);
        _commitAndOpen(10);
        _suspendAllButTwo(1);
        _commit(0);
        _later(100);
        _commit(1);
        _assertPhase(Phase.Reveal);
    }

    /// @dev Whoever goes on from the model without an objection has spoken; so has who objects.
    function testFuzz_TrainingEndsEarlyExactlyWhereNothingCanPrevail(uint256 seed) public {
        uint32 members = uint32(_bound(seed, 4, 20));
        TaskConfig memory c = _config();
        (c.capacity, c.minTrainers) = (members, 1);
        _started(c, members);
        _bond(1);
        _commitAndOpen(members);
        uint32 stay = 1 + uint32((seed >> 8) % members);
        Sanction[] memory out = new Sanction[](members - stay);
        for (uint32 i; i < members - stay; ++i) {
            out[i] = Sanction(stay + i, 1, 5, 0);
        }
        _evaluateWith(_equal(members), out, new uint256[](0));
        vm.assertEq(uint256(task.round().cohort), stay);
        uint256 content;
        uint256 objections;
        for (uint32 i; i < stay; ++i) {
            bool objects = (seed >> (16 + i)) & 1 == 1 && 3 * (objections + 1) <= 2 * members;
            if (objects) {
                _object(i);
                ++objections;
            } else {
                ++content;
            }
            _commit(i);
        }
        bool decided = 3 * (members - content) <= 2 * members;
        _assertPhase(decided ? Phase.Reveal : Phase.Training);
    }

    function test_ASmallCohortOfFriendsCannotCloseTheWindow() public {
        TaskConfig memory c = _config();
        (c.capacity, c.minTrainers) = (10, 2);
        (c.selection, c.cohortSize) = (Selection.ScoreOrder, 3);
        _started(c, 10);
        _bond(1);
        uint32[] memory who = new uint32[](3);
        uint32[] memory friends = new uint32[](3);
        uint256[] memory ranking = new uint256[](1);
        (uint256 n, uint256 m) = (0, 0);
        for (uint32 i; i < 10; ++i) {
            if (_inCohort(i)) {
                who[n++] = i;
            } else if (m < 3) {
                friends[m++] = i;
                ranking[0] |= 1 << i;
            }
        }
        for (uint32 i; i < 3; ++i) {
            _commit(who[i]);
        }
        for (uint32 i; i < 3; ++i) {
            _open(i, who[i]);
        }
        _evaluateWith(new int64[](3), new Sanction[](0), ranking);
        for (uint32 i; i < 3; ++i) {
            _commit(friends[i]);
        }
        _assertPhase(Phase.Training);
        for (uint32 i; i < 3; ++i) {
            _object(who[i]);
        }
        vm.assertEq(uint256(_number()), 3);
    }

    function test_EventsTellAllOfIt() public {
        _evaluated();
        _object(0);
        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.Objected(1, 1, true);
        _object(1);
        vm.recordLogs();
        _object(2);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 4);
        vm.assertEq(logs[0].topics[0], ICrowdsourcingTask.Objected.selector);
        vm.assertEq(logs[1].topics[0], ICrowdsourcingTask.EvaluationReverted.selector);
        vm.assertEq(uint256(logs[1].topics[1]), 1, "the objected round");
        (uint256 successor, bool accused) = abi.decode(logs[1].data, (uint256, bool));
        vm.assertEq(successor, 1);
        vm.assertTrue(accused);
        vm.assertEq(logs[2].topics[0], ITrainingTask.RoundFinalized.selector);
        (bytes32 digest, uint32 size, uint64 payout) = abi.decode(logs[2].data, (bytes32, uint32, uint64));
        vm.assertEq(digest, keccak256("genesis"));
        vm.assertEq(uint256(size), SIZE);
        vm.assertEq(uint256(payout), 0);
        vm.assertEq(logs[3].topics[0], ITrainingTask.RoundStarted.selector);
    }

    function test_CommitmentsOfTheVoidRoundAreNobodysFault() public {
        _evaluated();
        _commit(0);
        _commit(1);
        _objectAll(3);
        vm.assertEq(uint256(task.round().committed), 0);
        vm.assertEq(uint256(_stakeOf(0)), STAKE);
        _commit(0); // to the round that follows, and free to leave it
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.CommittedThisRound.selector, 0));
        _leave(0);
        _leave(1);
        vm.assertEq(uint256(_stakeOf(2)), STAKE);
    }

    function test_CreditsAndSanctionsOfTheObjectedRoundStand() public {
        TaskConfig memory c = _config();
        _started(c, 4);
        _bond(1);
        _commitAndOpen(4);
        _evaluateAndSanction(_scores(1e9, 0, 0, 0), 3, 2);
        vm.assertEq(uint256(_vested(0)), 250 * ONE);
        _objectAll(3);
        vm.assertTrue(_isSuspended(3));
        vm.assertEq(uint256(_vested(0)), 250 * ONE);
        _cancelled();
        task.withdrawBond(0);
        vm.assertEq(uint256(_vested(0)), 250 * ONE + BOND / 4);
        vm.assertEq(uint256(_vested(3)), BOND / 4, "also the suspended, who revealed");
    }

    function test_TheRemainderOfTheBondIsTheFirstRevealers() public {
        TaskConfig memory c = _config();
        c.bond = BOND + 2;
        _create(c);
        _fund(evaluator, c.bond);
        vm.prank(evaluator);
        task.bond(0, keccak256(abi.encodePacked(VALIDATION_SALT, VALIDATION)), _noPermit());
        for (uint32 i; i < 4; ++i) {
            _join(i);
        }
        _commit(1);
        _commit(2);
        _commit(3);
        _advance();
        for (uint32 i; i < 3; ++i) {
            _open(i, i + 1);
        }
        _evaluate(new int64[](3));
        for (uint32 i = 1; i < 4; ++i) {
            _object(i);
        }
        // Without a successor, who could have cleared it, it loses half.
        vm.warp(task.round().deadline);
        task.withdrawBond(0);
        uint64 half = (BOND + 2) / 2;
        vm.assertEq(uint256(_vested(0)), 0, "it did not reveal");
        vm.assertEq(uint256(_vested(1)), half - 2 * (half / 3));
        vm.assertEq(uint256(_vested(2)), half / 3);
        vm.assertEq(uint256(task.evaluatorAt(0).bond), BOND + 2 - half);
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        task.withdrawBond(0);
        vm.assertEq(uint256(_balance(evaluator)), BOND + 2 - half);
    }

    function test_TheBondDoesNotVest() public {
        TaskConfig memory c = _config();
        c.vestingRounds = 3;
        _evaluated(c);
        uint64 waiting = _unvested(2);
        _objectAll(3);
        vm.assertEq(uint256(_unvested(2)), waiting);
        _cancelled();
        task.withdrawBond(0);
        vm.assertEq(uint256(_vested(2)), waiting + BOND / 4);
    }

    function test_WithoutAStandbyTheTaskEndsWithTheRevertedModel() public {
        _started(_config(), 4);
        _round(4);
        _objectAll(3);
        _assertPhase(Phase.Cancelled);
        _assertModel(keccak256("genesis"), SIZE);
        task.refund();
        vm.warp(task.round().deadline);
        task.withdrawBond(0);
        for (uint32 i; i < 4; ++i) {
            _withdraw(i);
        }
        vm.assertEq(uint256(_balance(publisher)), BUDGET - 250 * ONE);
        vm.assertEq(uint256(_balance(_account(0))), STAKE + (250 * ONE + BOND / 2) / 4, "credits stand");
        vm.assertEq(uint256(_balance(address(task))), BOND / 2, "what silence would have left it");
    }

    function test_AModelOfAnotherSizeComesBackWithItsSize() public {
        _started(_config(), 4);
        _bond(1);
        _commitAndOpen(4);
        vm.prank(evaluator);
        task.submitEvaluation(
            1, _pack(_equal(4)), Content("large", 7), Content("report", 1), new Sanction[](0), new uint256[](0)
        );
        _assertModel("large", 7);
        _objectAll(3);
        _assertModel(keccak256("genesis"), SIZE);
        _round(4);
        _assertModel(_modelOf(3).digest, SIZE);
    }

    function test_InClosingTheTaskCompletesWithTheRevertedModel() public {
        TaskConfig memory c = _config();
        c.rounds = 2;
        c.roundBudget = 0;
        c.rate = 1e9;
        c.bond = BUDGET / 2;
        _create(c);
        _fund(evaluator, c.bond);
        vm.prank(evaluator);
        task.bond(0, bytes32(0), _noPermit());
        for (uint32 i; i < 4; ++i) {
            _join(i);
        }
        _round(4);
        _round(4);
        _assertPhase(Phase.Closing);
        _objectAll(3);
        _assertPhase(Phase.Closing);
        _assertModel(_modelOf(1).digest, SIZE);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NoEvaluation.selector, 2));
        _object(3);
        _advance();
        _assertPhase(Phase.Completed);
        _assertNothingMissing();
    }

    function test_InTheLastTrainingTheTaskClosesWithoutThatRound() public {
        TaskConfig memory c = _config();
        c.rounds = 2;
        _evaluated(c);
        _objectAll(3);
        _assertPhase(Phase.Closing);
        _assertModel(keccak256("genesis"), SIZE);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NoEvaluation.selector, 2));
        _object(0);
    }

    function test_ARequestedCancellationIsHonouredByTheVoidRound() public {
        _evaluated();
        _commit(0);
        vm.prank(publisher);
        task.cancel();
        _objectAll(3);
        _assertPhase(Phase.Cancelled);
        _assertModel(keccak256("genesis"), SIZE);
    }

    function test_ANamedAggregatorsModelIsRevertedToo() public {
        TaskConfig memory c = _config();
        c.aggregator = aggregator;
        _started(c, 4);
        _bond(1);
        _commitAndOpen(4);
        _evaluate(_equal(4));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Aggregation));
        _object(0);
        vm.prank(aggregator);
        task.submitModel(1, "named", 9);
        _assertModel("named", 9);
        _objectAll(3);
        _assertModel(keccak256("genesis"), SIZE);
        vm.assertEq(uint256(task.round().evaluator), 1);
    }

    function test_WhereTheAggregatorNamedNoneTheModelStaysAndTheEvaluatorGoes() public {
        TaskConfig memory c = _config();
        c.aggregator = aggregator;
        _started(c, 4);
        _bond(1);
        _commitAndOpen(4);
        _evaluate(_equal(4));
        _advance();
        _objectAll(3);
        _assertModel(keccak256("genesis"), SIZE);
        vm.assertEq(uint256(task.round().evaluator), 1);
    }

    /// @dev The promise: one lost round, and the bond is at least that round's budget.
    function test_AHostileEvaluatorCostsOneRoundAtMostWhichItsBondCovers() public {
        TaskConfig memory c = _config();
        c.rounds = 3;
        c.roundBudget = 250 * ONE;
        _started(c, 4);
        _bond(1);
        _commitAndOpen(4);
        _evaluate(_scores(0, 0, 0, 1e9)); // all to a friend, and a model that is of no use
        uint64 stolen = _vested(3);
        _objectAll(3);
        _round(4);
        _assertPhase(Phase.Closing);
        _assertModel(_modelOf(3).digest, SIZE);
        _advance();
        task.withdrawBond(0);
        vm.assertGe(BOND, stolen, "the bond covers the round");
        vm.assertGe(_vested(0) + _vested(1) + _vested(2), 2 * (250 * ONE) * 3 / 4, "as if both rounds had been fair");
    }

    // ---------------------------------------------------------------- who and when

    function test_AnybodyBringsASignedObjection() public {
        _evaluated();
        vm.prank(stranger);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.object(_objectable(), 0, true, "");
        vm.prank(stranger);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.object(_objectable(), 0, true, _signedObjection(1, 0, _key(1)));
        vm.prank(stranger);
        task.object(_objectable(), 0, true, _signedObjection(1, 0, _key(0)));
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.AlreadyObjected.selector, 0));
        _object(0);
    }

    function test_AnObjectionToAnOlderRoundDoesNotCount() public {
        _evaluated();
        _round(4);
        vm.prank(stranger);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.object(2, 0, true, _signedObjection(1, 0, _key(0)));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 3));
        task.object(1, 0, true, _signedObjection(1, 0, _key(0)));
    }

    function test_OnlyRevealersObject() public {
        _started(_config(), 4);
        _commit(0);
        _commit(1);
        _commit(2);
        _advance();
        _open(0, 0);
        _open(1, 1);
        _advance();
        _evaluate(_equal(2));
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotRevealed.selector, 2));
        _object(2);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotRevealed.selector, 3));
        _object(3);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotRevealed.selector, 999));
        _object(999);
    }

    function test_WhoHasLeftOrIsSuspendedKeepsItsVoice() public {
        _evaluated();
        _leave(0);
        _objectAll(3);
        vm.assertEq(uint256(_number()), 3);
        _cancelled();
        task.withdrawBond(0);
        vm.assertEq(uint256(_vested(0)), (250 * ONE + BOND) / 4);
    }

    function test_OnlyInTrainingAndClosing() public {
        _create(_config());
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 0));
        _object(0);
        _bond(0);
        for (uint32 i; i < 4; ++i) {
            _join(i);
        }
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NoEvaluation.selector, 0));
        _object(0);
        _round(4);
        for (uint32 i; i < 4; ++i) {
            _commit(i);
        }
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Reveal));
        _object(0);
        for (uint32 i; i < 4; ++i) {
            _open(i, i);
        }
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Evaluation));
        _object(0);
    }

    function test_NotFromTheDeadlineOn() public {
        _evaluated();
        _later(200);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, task.round().deadline));
        _object(0);
    }

    function test_NotWhenTheTaskHasEnded() public {
        TaskConfig memory c = _config();
        c.rounds = 1;
        c.roundBudget = 250 * ONE;
        _started(c, 4);
        _round(4);
        _advance();
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Completed));
        vm.prank(_account(0));
        task.object(0, 0, true, "");
    }

    function test_AVoidRoundLeavesNothingToObjectTo() public {
        _evaluated();
        _advance();
        vm.assertEq(uint256(_number()), 3);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NoEvaluation.selector, 2));
        _object(0);
    }

    /// @dev Where updates are submitted in the open, the void round has revealers, and still no evaluation.
    function test_ObjectionsCannotPrevailTwice() public {
        TaskConfig memory c = _config();
        c.commitReveal = false;
        _started(c, 4);
        _bond(1);
        for (uint32 number = 1; number <= 2; ++number) {
            for (uint32 i; i < (number == 1 ? 4 : 2); ++i) {
                vm.prank(_account(i));
                task.submit(_number(), i, _digest(number, i), SIZE);
            }
            if (number == 1) _evaluate(_equal(4));
        }
        _objectAll(3);
        vm.assertEq(uint256(_number()), 3);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NoEvaluation.selector, 2));
        _object(0);
        vm.assertEq(uint256(task.evaluatorAt(1).bond), BOND, "the standby has done nothing");
    }

    function test_TheStandbyAnswersForItsOwnRound() public {
        _evaluated();
        _objectAll(3);
        _round(4);
        _objectAll(3);
        _assertPhase(Phase.Cancelled);
        _assertModel(keccak256("genesis"), SIZE);
        vm.warp(task.round().deadline);
        task.withdrawBond(0);
        task.withdrawBond(1);
        vm.assertEq(uint256(task.ledger().bonds), BOND / 2, "nobody could clear the last one");
        _assertNothingMissing();
    }

    function test_TheRemovedEvaluatorGetsNothingBack() public {
        _evaluated();
        _objectAll(3);
        vm.prank(evaluator);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.EvaluatorNotBondable.selector, 0));
        task.bond(0, bytes32(0), _noPermit());
        _commitAndOpen(4);
        vm.prank(evaluator);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotEvaluator.selector, evaluator));
        task.submitEvaluation(3, _pack(_equal(4)), _modelOf(3), Content("r", 1), new Sanction[](0), new uint256[](0));
        _evaluate(_equal(4));
        _advance();
        _advance();
        _assertPhase(Phase.Completed);
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        task.withdrawBond(0);
        vm.assertEq(uint256(_balance(evaluator)), 0);
    }

    // ---------------------------------------------------------------- numbers

    /// @dev It takes ⌊2n/3⌋ + 1 of n, whoever they are and in whatever order, and the bond goes out to the last unit.
    function testFuzz_TheThresholdAndTheShares(uint256 membersSeed, uint256 revealedSeed, uint64 bonded) public {
        uint32 members = uint32(_bound(membersSeed, 2, 24));
        TaskConfig memory c = _config();
        (c.capacity, c.bond) = (members, uint64(_bound(bonded, BOND, 4 * BOND)));
        _create(c);
        _fund(evaluator, c.bond);
        vm.prank(evaluator);
        task.bond(0, bytes32(0), _noPermit());
        for (uint32 i; i < members; ++i) {
            _join(i);
        }
        uint32[] memory revealers = new uint32[](members);
        uint256 n;
        for (uint32 i; i < members; ++i) {
            if (i == 1 || (revealedSeed >> i) & 1 != 0) revealers[n++] = i;
        }
        for (uint256 i; i < n; ++i) {
            _commit(revealers[i]);
        }
        if (_phase() == Phase.Training) _advance();
        for (uint256 i; i < n; ++i) {
            _open(i, revealers[i]);
        }
        _evaluate(new int64[](n));
        uint256 needed = 2 * n / 3 + 1;
        uint256 first = revealedSeed % n;
        for (uint256 i; i < needed; ++i) {
            _assertPhase(Phase.Training);
            _object(revealers[(first + i) % n]);
        }
        _assertPhase(Phase.Cancelled);
        vm.warp(task.round().deadline);
        task.withdrawBond(0);
        uint64 half = c.bond / 2;
        vm.assertEq(uint256(task.ledger().credits), half);
        for (uint256 i; i < n; ++i) {
            vm.assertEq(uint256(_vested(revealers[i])), half / n + (i == 0 ? half % n : 0));
        }
        _assertNothingMissing();
    }
}
