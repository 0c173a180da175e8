// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {ITaskFactory} from "../src/interfaces/ITaskFactory.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Permit, Phase, Sanction, Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Joining, leaving, stakes, suspension, ejection and the cohort
contract MembershipTest is TaskFixture {
    // ---------------------------------------------------------------- join and leave

    function test_JoinTakesTheStakeAndGivesTheNextIndex() public {
        _create(_config());
        _join(0);
        _join(1);
        vm.assertEq(task.ledger().stakes, 2 * STAKE);
        vm.assertEq(_stakeOf(1), STAKE);
        vm.assertEq(task.population().members, 2);
        vm.assertEq(_balance(address(task)), BUDGET + 2 * STAKE);
    }

    function test_JoinIsRefusedTwiceAndWhenFull() public {
        _started(_config(), 4);
        vm.prank(_account(0));
        vm.expectRevert(ITrainingTask.TaskFull.selector);
        task.join(_account(0), _noPermit(), "");
        _leave(1);
        vm.prank(_account(0));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.AlreadyMember.selector, _account(0)));
        task.join(_account(0), _noPermit(), "");
    }

    function test_AnAccountJoinsOnceEvenAfterLeaving() public {
        _create(_config());
        _join(0);
        _leave(0);
        vm.prank(_account(0));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.AlreadyMember.selector, _account(0)));
        task.join(_account(0), _noPermit(), "");
    }

    function test_JoinEndsWithTheLastRound() public {
        TaskConfig memory c = _config();
        c.rounds = 1;
        _started(c, 2);
        _round(2);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Closing));
        task.join(_account(2), _noPermit(), "");
    }

    function test_AJoinerTakesPartFromTheNextRound() public {
        _started(_config(), 2);
        _join(2);
        vm.assertFalse(_inCohort(2));
        vm.prank(_account(2));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotInCohort.selector, 2));
        task.commit(_number(), 2, bytes32(0));
        _round(2);
        vm.assertTrue(_inCohort(2));
    }

    function test_JoinWithPermitAndSignatureCostsTheTrainerNothing() public {
        _create(_config());
        address account = _account(0);
        token.transfer(account, uint256(STAKE) * 1e9);
        Permit memory permit = _stakePermit(0);
        bytes memory signature = _signJoin(0, account);
        vm.prank(stranger);
        task.join(account, permit, signature);
        vm.assertEq(_stakeOf(0), STAKE);
        vm.assertEq(account.balance, 0);
    }

    function test_JoinSurvivesAFrontRunPermit() public {
        _create(_config());
        address account = _account(0);
        token.transfer(account, uint256(STAKE) * 1e9);
        Permit memory p = _stakePermit(0);
        token.permit(account, address(task), p.value, p.deadline, p.v, p.r, p.s);
        vm.prank(account);
        task.join(account, p, "");
        vm.assertEq(_stakeOf(0), STAKE);
    }

    function test_JoinAndLeaveNeedTheAccountOrItsSignature() public {
        _create(_config());
        _fund(_account(0), STAKE);
        bytes memory foreign = _signJoin(1, _account(0));
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.join(_account(0), _noPermit(), foreign);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.join(_account(0), _noPermit(), hex"00");
        vm.prank(_account(0));
        task.join(_account(0), _noPermit(), "");
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.leave(_number(), 0, foreign);
    }

    function test_AHighSSignatureIsNotOne() public {
        _create(_config());
        _fund(_account(0), STAKE);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_key(0), _joinHash(_account(0)));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory high = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.join(_account(0), _noPermit(), high);
    }

    function test_ASignedJoinCannotBeReplayedAfterLeaving() public {
        _create(_config());
        _fund(_account(0), STAKE);
        bytes memory signature = _signJoin(0, _account(0));
        task.join(_account(0), _noPermit(), signature);
        _leave(0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.AlreadyMember.selector, _account(0)));
        task.join(_account(0), _noPermit(), signature);
    }

    function test_ABatchOfJoinsSkipsWhomTheTaskRefuses() public {
        _create(_config());
        ITaskFactory.SignedJoin[] memory joins = new ITaskFactory.SignedJoin[](4);
        for (uint32 i; i < 4; ++i) {
            // The third is not funded, the last has another's signature.
            if (i != 2) token.transfer(_account(i), uint256(STAKE) * 1e9);
            joins[i] = ITaskFactory.SignedJoin(_account(i), _stakePermit(i), _signJoin(i == 3 ? 0 : i, _account(i)));
        }
        vm.prank(stranger);
        factory.joinBatch(address(task), joins);
        vm.assertEq(task.population().active, 2);
        vm.assertEq(_stakeOf(0), STAKE);
        vm.assertEq(_stakeOf(1), STAKE);
        vm.expectRevert(ITaskFactory.NobodyJoined.selector);
        factory.joinBatch(address(task), joins);
    }

    function test_SignedLeaveReturnsTheStakeToTheAccount() public {
        _create(_config());
        _join(0);
        bytes32 typeHash = keccak256("Leave(uint32 round,uint32 index)");
        bytes32 structHash = keccak256(abi.encode(typeHash, _number(), uint32(0)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_key(0), _typed(structHash));
        vm.prank(stranger);
        task.leave(_number(), 0, abi.encodePacked(r, s, v));
        vm.assertEq(_balance(_account(0)), STAKE);
        vm.assertEq(task.ledger().stakes, 0);
        vm.assertFalse(_isActive(0));
        vm.prank(_account(0));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotMember.selector, 0));
        task.leave(_number(), 0, "");
    }

    /// @dev Else it would be gone before the sanction that it sees coming.
    function test_WhoCommittedLeavesOnlyOnceTheRoundIsJudged() public {
        _started(_config(), 2);
        _commit(0);
        _expectCannotLeave(0);
        _commit(1);
        _expectCannotLeave(0);
        _open(0, 0);
        _expectCannotLeave(0);
        _open(1, 1);
        _expectCannotLeave(0);
        _evaluate(_equal(2));
        _leave(0);
        vm.assertEq(_vested(0), 125 * ONE, "one that left is still paid for its work");
        vm.assertFalse(_inCohort(0));
    }

    function _expectCannotLeave(uint32 index) private {
        vm.prank(_account(index));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.CommittedThisRound.selector, index));
        task.leave(_number(), index, "");
    }

    function test_LeavingForfeitsWhatHasNotVestedToTheNextBudget() public {
        TaskConfig memory c = _config();
        c.vestingRounds = 2;
        _started(c, 4);
        _round(4);
        vm.assertEq(_unvested(3), 250 * ONE / 4);
        vm.expectEmit(address(task));
        emit ITrainingTask.TrainerLeft(3, 250 * ONE / 4);
        _leave(3);
        vm.assertEq(_balance(_account(3)), STAKE);
        vm.assertEq(_vested(3) + _unvested(3), 0);
        vm.assertEq(uint256(task.population().bonus), 250 * ONE / 4);
        _round(3);
        vm.assertEq(uint256(task.ledger().credits), 500 * ONE, "the others share it");
    }

    function test_LeavingBeforeTheEndForfeitsNothingInClosing() public {
        TaskConfig memory c = _config();
        (c.rounds, c.vestingRounds) = (1, 2);
        _started(c, 4);
        _round(4);
        _assertPhase(Phase.Closing);
        _leave(3);
        _advance();
        vm.assertEq(_vested(3), 250 * ONE / 4);
    }

    function test_NobodyLeavesEnrolmentAfterItsDeadline() public {
        _create(_config());
        _bond(0);
        _join(0);
        _join(1);
        _later(100);
        vm.prank(_account(1));
        vm.expectPartialRevert(ITrainingTask.DeadlinePassed.selector);
        task.leave(0, 1, "");
        task.advance();
        _assertPhase(Phase.Training);
    }

    function test_ASignedLeaveIsOfItsRound() public {
        _started(_config(), 4);
        bytes32 structHash = keccak256(abi.encode(keccak256("Leave(uint32 round,uint32 index)"), uint32(1), uint32(3)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_key(3), _typed(structHash));
        bytes memory signature = abi.encodePacked(r, s, v);
        _round(4);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 2));
        task.leave(1, 3, signature);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.leave(2, 3, signature);
    }

    function test_IndicesEndAt65536() public {
        _create(_config());
        _join(0);
        bytes32 slot = bytes32(uint256(5)); // the population; its lowest 32 bits are the indices given out
        uint256 word = uint256(vm.load(address(task), slot));
        vm.assertEq(uint256(uint32(word)), 1);
        vm.store(address(task), slot, bytes32(word - 1 + 65_536));
        _fund(_account(1), STAKE);
        vm.prank(_account(1));
        vm.expectRevert(ITrainingTask.TaskFull.selector);
        task.join(_account(1), _noPermit(), "");
        vm.store(address(task), slot, bytes32(word - 1 + 65_535));
        vm.prank(_account(1));
        task.join(_account(1), _noPermit(), "");
        vm.assertEq(_stakeOf(65_535), STAKE);
        vm.prank(_account(1));
        task.leave(0, 65_535, "");
        vm.assertEq(uint256(task.population().free), 0, "the last index has no place in the list of free ones");
    }

    /// @dev Joining and leaving again neither uses indices up nor scatters the others.
    function test_AnIndexThatWasNeverInACohortIsGivenOutAgain() public {
        _create(_config());
        _bond(0);
        for (uint32 i; i < 3; ++i) {
            _join(i);
        }
        _leave(1);
        _leave(0);
        vm.assertEq(task.population().members, 3);
        _join(5);
        _join(6);
        vm.assertEq(task.population().members, 3);
        (CrowdsourcingTask.Member memory first,,,) = task.memberAt(0);
        (CrowdsourcingTask.Member memory second,,,) = task.memberAt(1);
        vm.assertEq(first.account, _account(5));
        vm.assertEq(second.account, _account(6));
        vm.assertEq(uint256(first.stake) + second.stake, 2 * STAKE);
        _join(7);
        vm.assertEq(task.population().members, 4, "then a new one");
        vm.prank(_account(7));
        task.leave(_number(), 3, "");
        vm.prank(_account(0));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.AlreadyMember.selector, _account(0)));
        task.join(_account(0), _noPermit(), "");
        vm.prank(_account(0));
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.leave(_number(), 0, "");
    }

    function test_AnIndexThatWasInACohortIsNot() public {
        _started(_config(), 3);
        _leave(2);
        _join(5);
        vm.assertEq(task.population().members, 4);
        (CrowdsourcingTask.Member memory member,,,) = task.memberAt(2);
        vm.assertEq(member.account, _account(2)); // its credits are still its own
    }

    function testFuzz_EveryActiveMemberHasAnIndexOfItsOwn(uint256 moves) public {
        TaskConfig memory c = _config();
        c.capacity = 16;
        _create(c);
        uint32 next = 0;
        for (uint256 i; i < 40; ++i) {
            uint32 who = uint32((moves >> (6 * i)) % 64);
            if (who < 40) {
                if (task.population().active < 15) _join(next++);
            } else if (who - 40 < task.population().members && _isActive(who - 40)) {
                (CrowdsourcingTask.Member memory leaver,,,) = task.memberAt(who - 40);
                vm.prank(leaver.account);
                task.leave(0, who - 40, "");
            }
        }
        uint256 active;
        for (uint32 i; i < task.population().members; ++i) {
            (CrowdsourcingTask.Member memory member, bool isActive,,) = task.memberAt(i);
            if (isActive) ++active;
            vm.assertEq(isActive, member.account != address(0));
            vm.assertEq(uint256(member.stake), isActive ? STAKE : 0);
        }
        vm.assertEq(active, task.population().active);
        vm.assertLe(task.population().members, 15);
    }

    // ---------------------------------------------------------------- suspension and ejection

    function test_SuspensionLastsItsRoundsAndEndsInParole() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 2);
        vm.assertTrue(_isSuspended(3));
        vm.prank(_account(3));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotInCohort.selector, 3));
        task.commit(_number(), 3, bytes32(0));
        _round(3);
        vm.assertFalse(_inCohort(3), "second round out");
        vm.recordLogs();
        _round(3);
        vm.assertEq(_count(vm.getRecordedLogs(), ITrainingTask.TrainersReinstated.selector), 1);
        vm.assertTrue(_inCohort(3));
        vm.assertEq(task.population().suspended, 0);
    }

    function test_TheEndOfSuspensionsNamesItsMembers() public {
        TaskConfig memory c = _config();
        c.capacity = 300;
        _started(c, 300);
        for (uint32 i; i < 300; ++i) {
            _commit(i);
        }
        for (uint32 i; i < 300; ++i) {
            _open(i, i);
        }
        Sanction[] memory list = new Sanction[](3);
        (list[0], list[1], list[2]) = (Sanction(3, 1, 5, 0), Sanction(258, 1, 5, 0), Sanction(299, 1, 5, 0));
        _evaluateWith(_equal(300), list, new uint256[](0));
        vm.expectEmit(address(task));
        emit ITrainingTask.TrainersReinstated(3, 0, 1 << 3);
        vm.expectEmit(address(task));
        emit ITrainingTask.TrainersReinstated(3, 1, 1 << 2 | 1 << 43);
        _advance();
        vm.assertEq(task.population().suspended, 0);
        vm.assertEq(_number(), 3);
    }

    function test_ASuspendedMemberCannotLeave() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 1);
        vm.prank(_account(3));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.MemberSuspended.selector, 3));
        task.leave(_number(), 3, "");
    }

    function test_EjectionNeedsAnEarlierSuspension() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        Sanction[] memory list = new Sanction[](2);
        list[0] = Sanction(3, 2, 5, bytes32(0));
        list[1] = Sanction(3, 0, 5, bytes32(0));
        _expectSanctionRefused(4, list, 3);
        (list[0], list[1]) = (list[1], list[0]);
        _expectSanctionRefused(4, list, 3);
    }

    function test_AFaultOfThisRoundIsNoEarlierSuspension() public {
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
        _expectSanctionRefused(3, _sanctions(Sanction(3, 0, 5, bytes32(0))), 3);
    }

    function test_ASuspendedMemberCannotBeSuspendedAgain() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 3);
        _commitAndOpen(3);
        _expectSanctionRefused(3, _sanctions(Sanction(3, 1, 5, bytes32(0))), 3);
    }

    function test_EjectionForfeitsThePlaceForGoodAndKeepsTheStake() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 3);
        _commitAndOpen(3);
        _evaluateAndSanction(_equal(3), 3, 0);
        vm.assertFalse(_isActive(3));
        vm.assertEq(task.population().suspended, 0);
        vm.prank(_account(3));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.AlreadyMember.selector, _account(3)));
        task.join(_account(3), _noPermit(), "");
        _withdraw(3);
        vm.assertEq(_balance(_account(3)), 250 * ONE / 4, "what it earned, without vesting, stays");
        _round(3);
        _round(3);
        _advance();
        _withdraw(3);
        vm.assertEq(_balance(_account(3)), 250 * ONE / 4 + STAKE, "the stake comes at the end");
    }

    function test_EjectionTakesAQuarterAtMost() public {
        TaskConfig memory c = _config();
        c.capacity = 8;
        _started(c, 8);
        _commitAndOpen(8);
        Sanction[] memory list = new Sanction[](3);
        for (uint32 i; i < 3; ++i) {
            list[i] = Sanction(5 + i, 2, 5, bytes32(0));
        }
        _evaluateWith(_equal(8), list, new uint256[](0));
        _commitAndOpen(5);
        for (uint32 i; i < 3; ++i) {
            list[i].rounds = 0;
        }
        _evaluateWith(_equal(5), list, new uint256[](0));
        vm.assertEq(task.population().active, 6);
        vm.assertTrue(_isActive(7), "the third is over the limit");
    }

    function test_SanctionsLeaveMinTrainers() public {
        TaskConfig memory c = _config();
        c.minTrainers = 4;
        _started(c, 4);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 3);
        vm.assertFalse(_isSuspended(3));
    }

    function test_EjectionLeavesMinTrainers() public {
        TaskConfig memory c = _config();
        (c.minTrainers, c.capacity) = (4, 5);
        _started(c, 5);
        _commitAndOpen(5);
        _evaluateAndSanction(_equal(5), 4, 3);
        vm.assertTrue(_isSuspended(4));
        _leave(3);
        _commitAndOpen(3);
        _evaluateAndSanction(_equal(3), 4, 0);
        vm.assertTrue(_isActive(4));
    }

    function test_LeavingCannotUndoTheEvaluatorsTransaction() public {
        TaskConfig memory c = _config();
        (c.selection, c.cohortSize) = (Selection.ScoreOrder, 3);
        _started(c, 4);
        uint32[] memory cohort = _cohortList(4);
        for (uint32 i; i < 3; ++i) {
            _commit(cohort[i]);
        }
        for (uint32 i; i < 3; ++i) {
            _open(i, cohort[i]);
        }
        uint32 gone = 6 - cohort[0] - cohort[1] - cohort[2]; // who takes no part may go at any time
        _leave(gone);
        Sanction[] memory list = _sanctions(Sanction(gone, 1, 5, bytes32(0)));
        uint256[] memory ranking = new uint256[](1);
        ranking[0] = (1 << gone) | (1 << cohort[1]) | (1 << cohort[2]);
        _evaluateWith(_equal(3), list, ranking);
        vm.assertEq(task.round().cohort, 3, "the leaver's place went to who joined first");
        vm.assertFalse(_inCohort(gone));
    }

    // ---------------------------------------------------------------- selection

    function test_AllTakesEveryEligibleMember() public {
        _started(_config(), 4);
        vm.assertEq(task.round().cohort, 4);
    }

    /// @dev The last cohort is taken again where nobody came or went: whatever changes it must be seen.
    function test_AllFollowsWhoComesAndGoesAfterQuietRounds() public {
        TaskConfig memory c = _config();
        (c.rounds, c.capacity, c.roundBudget) = (14, 8, 50 * ONE);
        _started(c, 5);
        _assertCohort("11111");
        _round(5);
        _round(5);
        _assertCohort("11111");
        _join(5);
        _assertCohort("111110");
        _round(5);
        _assertCohort("111111");
        _round(6);
        _leave(1);
        _assertCohort("101111");
        _roundAndSanction(0, 0);
        _assertCohort("101111");
        _roundAndSanction(3, 2);
        _assertCohort("101011");
        _roundAndSanction(0, 0);
        _assertCohort("101011");
        _roundAndSanction(0, 0);
        _assertCohort("101111"); // parole
        _roundAndSanction(0, 0);
        _assertCohort("101111");
        _roundAndSanction(3, 5);
        _roundAndSanction(3, 0); // ejected: nobody is suspended, and one has gone
        _assertCohort("101011");
        _roundAndSanction(0, 0);
        _assertCohort("101011");
    }

    /// @dev A round of the whole cohort, and a sanction of `index` where that is not zero.
    function _roundAndSanction(uint32 index, uint32 rounds) private {
        uint32 count;
        for (uint32 i; i < 6; ++i) {
            if (!_inCohort(i)) continue;
            _commit(i);
            ++count;
        }
        uint256 batch;
        for (uint32 i; i < 6; ++i) {
            if (_inCohort(i)) _open(batch++, i);
        }
        if (index == 0) _evaluate(_equal(count));
        else _evaluateAndSanction(_equal(count), index, rounds);
    }

    /// @dev `expected`: 1 for each member of the cohort, in index order.
    function _assertCohort(bytes memory expected) private view {
        _assertPhase(Phase.Training);
        uint256 size;
        for (uint32 i; i < expected.length; ++i) {
            vm.assertEq(_inCohort(i), expected[i] == "1");
            if (expected[i] == "1") ++size;
        }
        vm.assertEq(task.round().cohort, size);
    }

    function test_FirstComeTakesThoseWhoJoinedFirst() public {
        TaskConfig memory c = _config();
        (c.selection, c.cohortSize, c.capacity) = (Selection.FirstCome, 3, 6);
        _started(c, 6);
        for (uint32 i; i < 6; ++i) {
            vm.assertEq(_inCohort(i), i < 3);
        }
        _leave(1);
        _round2of3();
        vm.assertTrue(_inCohort(0) && _inCohort(2) && _inCohort(3));
    }

    function _round2of3() private {
        _commit(0);
        _commit(2);
        _open(0, 0);
        _open(1, 2);
        _evaluate(_equal(2));
    }

    function test_RandomDrawsTheRightNumberAndChangesWithTheModel() public {
        TaskConfig memory c = _config();
        (c.selection, c.cohortSize, c.capacity) = (Selection.Random, 5, 20);
        _started(c, 20);
        vm.assertEq(_cohortList(20).length, 5);
        uint256 first = _cohortWord(20);
        _playCohort(20);
        vm.assertEq(_cohortList(20).length, 5);
        vm.assertTrue(first != _cohortWord(20));
    }

    function test_ARankingIsTheNextCohort() public {
        TaskConfig memory c = _config();
        (c.selection, c.cohortSize) = (Selection.ScoreOrder, 2);
        _started(c, 4);
        _rankNext(4, 0x6);
        vm.assertEq(_cohortWord(4), 0x6);
        _rankNext(4, 0x8);
        vm.assertEq(_cohortWord(4), 0x9, "a short ranking is filled up in order of joining");
        _playCohort(4);
        vm.assertEq(_cohortList(4).length, 2);
    }

    function test_ARankingStaysWithinItsBounds() public {
        TaskConfig memory c = _config();
        (c.selection, c.cohortSize) = (Selection.ScoreOrder, 2);
        _started(c, 4);
        _openCohort(4);
        uint256[] memory ranking = new uint256[](1);
        ranking[0] = 0x7;
        _expectRankingRefused(ranking);
        _expectRankingRefused(new uint256[](2));
    }

    function test_ARankingIsRefusedWhereNoneIsAskedFor() public {
        _started(_config(), 2);
        _commitAndOpen(2);
        _expectRankingRefused(new uint256[](1));
    }

    // ---------------------------------------------------------------- pieces

    function _stakePermit(uint32 index) private view returns (Permit memory permit) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        permit.value = uint256(STAKE) * 1e9;
        permit.deadline = vm.getBlockTimestamp() + 1;
        bytes32 structHash =
            keccak256(abi.encode(typeHash, _account(index), address(task), permit.value, 0, permit.deadline));
        (permit.v, permit.r, permit.s) =
            vm.sign(_key(index), keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }

    function _joinHash(address account) private view returns (bytes32) {
        return _typed(keccak256(abi.encode(keccak256("Join(address account)"), account)));
    }

    function _signJoin(uint32 signer, address account) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_key(signer), _joinHash(account));
        return abi.encodePacked(r, s, v);
    }

    function _expectSanctionRefused(uint32 scored, Sanction[] memory list, uint32 index) private {
        uint32 number = _number();
        bytes memory scores = _pack(_equal(scored));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.SanctionNotAllowed.selector, index));
        vm.prank(evaluator);
        task.submitEvaluation(number, scores, _modelOf(1), _modelOf(1), list, new uint256[](0));
    }

    function _expectRankingRefused(uint256[] memory ranking) private {
        uint32 number = _number();
        vm.expectRevert(ITrainingTask.InvalidRanking.selector);
        vm.prank(evaluator);
        task.submitEvaluation(number, _pack(_equal(2)), _modelOf(1), _modelOf(1), new Sanction[](0), ranking);
    }

    function _rankNext(uint32 members, uint256 word) private {
        uint32 count = _openCohort(members);
        uint256[] memory ranking = new uint256[](1);
        ranking[0] = word;
        _evaluateWith(_equal(count), new Sanction[](0), ranking);
    }

    function _playCohort(uint32 members) private {
        uint32 count = _openCohort(members);
        _evaluate(_equal(count));
    }

    function _openCohort(uint32 members) private returns (uint32 count) {
        uint32[] memory cohort = _cohortList(members);
        count = uint32(cohort.length);
        for (uint32 i; i < count; ++i) {
            _commit(cohort[i]);
        }
        if (_phase() == Phase.Training) _advance();
        for (uint32 i; i < count; ++i) {
            _open(i, cohort[i]);
        }
    }

    function _cohortWord(uint32 members) private view returns (uint256 word) {
        for (uint32 i; i < members; ++i) {
            if (_inCohort(i)) word |= 1 << i;
        }
    }

    function _cohortList(uint32 members) private view returns (uint32[] memory list) {
        list = new uint32[](task.round().cohort);
        uint256 next;
        for (uint32 i; i < members; ++i) {
            if (_inCohort(i)) list[next++] = i;
        }
        vm.assertEq(next, list.length);
    }
}
