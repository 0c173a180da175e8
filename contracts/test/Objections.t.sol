// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {ICrowdsourcingTask} from "../src/interfaces/ICrowdsourcingTask.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Content, Phase, Sanction, TaskConfig} from "../src/interfaces/TaskTypes.sol";
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
        task.object(index, "");
    }

    function _objectAll(uint32 count) private {
        for (uint32 i; i < count; ++i) {
            _object(i);
        }
    }

    function _signedObjection(uint32 number, uint32 index, uint256 key) private view returns (bytes memory) {
        bytes32 typeHash = keccak256("Object(uint32 round,uint32 index)");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _typed(keccak256(abi.encode(typeHash, number, index))));
        return abi.encodePacked(r, s, v);
    }

    function _assertModel(bytes32 digest, uint32 size) private view {
        vm.assertEq(task.model().digest, digest);
        vm.assertEq(uint256(task.model().size), size, "size of the model");
    }

    function _assertNothingMissing() private view {
        CrowdsourcingTask.Ledger memory l = task.ledger();
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
        vm.assertEq(uint256(_vested(1)), before + BOND / 4, "every revealer has its part of the bond");
        vm.assertEq(uint256(_vested(2)), before + BOND / 4, "also who did not object");
        vm.assertEq(uint256(task.evaluatorAt(0).bond), 0);
        vm.assertEq(uint256(task.ledger().bonds), BOND, "the standby's alone");
        vm.assertEq(uint256(task.round().evaluator), 1, "the standby is active");
        _assertNothingMissing();
        _withdraw(2);
        vm.assertEq(uint256(_balance(_account(2))), before + BOND / 4, "it is theirs at once");

        _round(4);
        _assertModel(_modelOf(3).digest, SIZE);
        vm.assertEq(uint256(_number()), 4);
    }

    function test_EventsTellAllOfIt() public {
        _evaluated();
        _object(0);
        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.Objected(1, 1, 2);
        _object(1);
        vm.recordLogs();
        _object(2);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 4);
        vm.assertEq(logs[0].topics[0], ICrowdsourcingTask.Objected.selector);
        vm.assertEq(logs[1].topics[0], ICrowdsourcingTask.EvaluatorRemoved.selector);
        vm.assertEq(uint256(logs[1].topics[1]), 1, "the objected round");
        vm.assertEq(uint256(abi.decode(logs[1].data, (uint64))), BOND);
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
        vm.assertEq(uint256(_vested(0)), 250 * ONE + BOND / 4);
        vm.assertEq(uint256(_vested(3)), BOND / 4, "also the suspended, who revealed");
    }

    function test_TheRemainderOfTheBondIsTheFirstRevealers() public {
        TaskConfig memory c = _config();
        c.bond = BOND + 2;
        _create(c);
        _fund(evaluator, c.bond);
        vm.prank(evaluator);
        task.bond(0, bytes32(0), _noPermit());
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
        uint64 part = (BOND + 2) / 3;
        vm.assertEq(uint256(_vested(0)), 0, "it did not reveal");
        vm.assertEq(uint256(_vested(1)), BOND + 2 - 2 * part);
        vm.assertEq(uint256(_vested(2)), part);
    }

    function test_TheBondDoesNotVest() public {
        TaskConfig memory c = _config();
        c.vestingRounds = 3;
        _evaluated(c);
        uint64 waiting = _unvested(2);
        _objectAll(3);
        vm.assertEq(uint256(_vested(2)), BOND / 4);
        vm.assertEq(uint256(_unvested(2)), waiting);
    }

    function test_WithoutAStandbyTheTaskEndsWithTheRevertedModel() public {
        _started(_config(), 4);
        _round(4);
        _objectAll(3);
        _assertPhase(Phase.Cancelled);
        _assertModel(keccak256("genesis"), SIZE);
        task.refund();
        for (uint32 i; i < 4; ++i) {
            _withdraw(i);
        }
        vm.assertEq(uint256(_balance(publisher)), BUDGET - 250 * ONE);
        vm.assertEq(uint256(_balance(_account(0))), STAKE + (250 * ONE + BOND) / 4, "credits stand");
        vm.assertEq(uint256(_balance(address(task))), 0);
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
        vm.assertGe(BOND, stolen, "the bond covers the round");
        vm.assertGe(_vested(0) + _vested(1) + _vested(2), 2 * (250 * ONE) * 3 / 4, "as if both rounds had been fair");
    }

    // ---------------------------------------------------------------- who and when

    function test_AnybodyBringsASignedObjection() public {
        _evaluated();
        vm.prank(stranger);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.object(0, "");
        vm.prank(stranger);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.object(0, _signedObjection(1, 0, _key(1)));
        vm.prank(stranger);
        task.object(0, _signedObjection(1, 0, _key(0)));
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.AlreadyObjected.selector, 0));
        _object(0);
    }

    function test_AnObjectionToAnOlderRoundDoesNotCount() public {
        _evaluated();
        _round(4);
        vm.prank(stranger);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.object(0, _signedObjection(1, 0, _key(0)));
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
        vm.assertEq(uint256(_vested(0)), (250 * ONE + BOND) / 4);
    }

    function test_OnlyInTrainingAndClosing() public {
        _create(_config());
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Enrolment));
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
        _object(0);
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
                task.submit(i, _digest(number, i), SIZE);
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
        vm.assertEq(uint256(task.ledger().bonds), 0);
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
            vm.assertEq(uint256(task.ledger().bonds), c.bond);
            _object(revealers[(first + i) % n]);
        }
        _assertPhase(Phase.Cancelled);
        vm.assertEq(uint256(task.ledger().credits), c.bond);
        for (uint256 i; i < n; ++i) {
            vm.assertEq(uint256(_vested(revealers[i])), c.bond / n + (i == 0 ? c.bond % n : 0));
        }
        _assertNothingMissing();
    }
}
