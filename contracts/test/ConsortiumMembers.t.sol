// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IConsortiumTask} from "../src/interfaces/IConsortiumTask.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Vm} from "./Cheats.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.sol";

/// @title Who may join a consortium, votes to admit and to expel, and members' bonds
/// @dev Account 9 is nobody's at first.
contract ConsortiumMembersTest is ConsortiumFixture {
    // ---------------------------------------------------------------- joining

    function test_OnlyFoundersJoinAndBindThemselves() public {
        _createConsortium(_consortiumConfig());
        vm.assertTrue(consortium.isAllowed(_account(3)));
        vm.assertFalse(consortium.isAllowed(_account(4)));
        _fund(_account(3), STAKE + MEMBER_BOND);
        vm.expectEmit(address(consortium));
        emit ITrainingTask.TrainerJoined(0, _account(3), STAKE);
        vm.prank(_account(3));
        consortium.join(_account(3), _noPermit(), "");
        vm.assertEq(consortium.bondOf(0), MEMBER_BOND);
        vm.assertEq(task.ledger().bonds, MEMBER_BOND);
        vm.assertEq(task.ledger().stakes, STAKE);
        vm.assertEq(_balance(_account(3)), 0);
        _fund(_account(4), STAKE + MEMBER_BOND);
        _expectJoinRefused(4, abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, _account(4)));
        _fund(_account(1), STAKE); // and not its bond
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientBalance.selector);
        vm.prank(_account(1));
        consortium.join(_account(1), _noPermit(), "");
    }

    function test_TheRoundsBeginWhenAllPlacesAreTaken() public {
        _createConsortium(_consortiumConfig());
        for (uint32 i; i < 3; ++i) {
            _enrol(i);
        }
        _assertPhase(Phase.Enrolment);
        _enrol(3);
        _assertPhase(Phase.Training);
        vm.assertEq(task.round().cohort, 4);
    }

    function test_EnrolmentEndsWithEnoughOrIsCancelled() public {
        _startedConsortium(_consortiumConfig(), 2);
        vm.assertEq(task.round().cohort, 2);
        _createConsortium(_consortiumConfig());
        _enrol(0);
        _advance();
        _assertPhase(Phase.Cancelled);
        consortium.withdrawBond(0);
        _withdraw(0);
        vm.assertEq(_balance(_account(0)), STAKE + MEMBER_BOND);
    }

    function test_AFounderJoinsLaterAndJudgesFromTheNextRound() public {
        _startedConsortium(_consortiumConfig(), 3);
        _enrol(3);
        _consortiumRound(3);
        vm.assertTrue(_inCohort(3));
        _consortiumRound(4);
        vm.assertEq(_number(), 3);
    }

    // ---------------------------------------------------------------- admitting

    function test_MoreThanHalfOfTheActiveMembersAdmit() public {
        _roomForOne();
        address account = _account(9);
        vm.expectEmit(address(consortium));
        emit IConsortiumTask.MemberProposed(0, account, true, 2);
        vm.expectEmit(address(consortium));
        emit IConsortiumTask.MemberVoted(0, 2, false);
        vm.prank(_account(2));
        vm.assertEq(consortium.propose(account, true), 0);
        _voteFor(0, 1);
        vm.assertFalse(consortium.isAllowed(account));
        vm.assertFalse(consortium.proposalAt(0).passed);
        vm.expectEmit(address(consortium));
        emit IConsortiumTask.MemberVoted(0, 0, true);
        _voteFor(0, 0);
        vm.assertTrue(consortium.isAllowed(account));
        vm.assertTrue(consortium.proposalAt(0).passed);
        vm.assertEq(consortium.proposalAt(0).votes, 7);
        _enrol(9);
        _consortiumRound(4);
        vm.assertEq(task.round().cohort, 5);
    }

    function test_AVoteIsCastOnceByActiveMembersOnOpenProposals() public {
        _roomForOne();
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.UnknownProposal.selector, 0));
        _voteFor(0, 0);
        _propose(0, 9, true);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.AlreadyVoted.selector, 0));
        _voteFor(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, _account(9)));
        _voteFor(0, 9);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, _account(9)));
        _propose(9, 9, true);
        _leave(3);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, _account(3)));
        _voteFor(0, 3);
        _voteFor(0, 1);
        vm.assertTrue(consortium.isAllowed(_account(9)), "two of three");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.UnknownProposal.selector, 0));
        _voteFor(0, 2);
    }

    function test_VotesOfThoseWhoHaveGoneDoNotCount() public {
        _roomForOne();
        _propose(0, 9, true);
        _voteFor(0, 1);
        _leave(0);
        _voteFor(0, 2);
        vm.assertTrue(consortium.isAllowed(_account(9)), "two of three");
        _propose(1, 8, true);
        _leave(1);
        _voteFor(1, 2);
        vm.assertFalse(consortium.isAllowed(_account(8)), "one of two");
    }

    /// @dev Else who joins first would be a majority, and admit its sybils only.
    function test_ProposalsAreMadeOnceTheRoundsHaveBegunUntilTheyEnd() public {
        _createConsortium(_consortiumConfig());
        _enrol(0);
        bytes memory refused = abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Enrolment);
        vm.expectRevert(refused);
        _propose(0, 1, false);
        vm.expectRevert(refused);
        _voteFor(0, 0);
        for (uint32 i = 1; i < 4; ++i) {
            _enrol(i);
        }
        _propose(0, 9, true);
        for (uint256 i; i < 4; ++i) {
            _advance();
        }
        refused = abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Closing);
        vm.expectRevert(refused);
        _propose(0, 1, false);
        vm.expectRevert(refused);
        _voteFor(0, 1);
    }

    /// @dev One word of bitmaps holds all the indices that a consortium ever gives out.
    function test_ThereAreAtMost256MembersPastOnesIncluded() public {
        TaskConfig memory c = _consortiumConfig();
        (c.stake, c.bond, c.minTrainers) = (0, 0, 1);
        founders = 2;
        _startedConsortium(c, 2);
        _leave(1);
        for (uint32 i = 2; i < 257; ++i) {
            _propose(0, i, true); // the only one: passed at once
            if (i == 256) break;
            _enrol(i);
            vm.assertTrue(_isActive(i));
            _leave(i);
        }
        _expectJoinRefused(256, abi.encodeWithSelector(ITrainingTask.TaskFull.selector));
        vm.assertEq(task.population().members, 256);
        vm.assertEq(task.population().active, 1);
    }

    /// @dev Members of high indices act as those of low ones do.
    function test_PlacesFollowIndicesWhateverTheyAre() public {
        TaskConfig memory c = _consortiumConfig();
        (c.stake, c.bond, c.minTrainers) = (0, 0, 1);
        founders = 2;
        _startedConsortium(c, 2);
        _leave(1);
        for (uint32 i = 2; i < 139; ++i) {
            _propose(0, i, true);
            _enrol(i);
            if (i != 138) _leave(i);
        }
        _propose(0, 139, true); // of two members both must vote
        _voteFor(_newest(), 138);
        _enrol(139);
        _advance();
        vm.assertEq(task.round().cohort, 3);
        uint32[3] memory cohort = [uint32(0), 138, 139];
        for (uint32 i; i < 3; ++i) {
            _commit(cohort[i]);
        }
        for (uint32 i; i < 3; ++i) {
            _open(i, cohort[i]);
        }
        for (uint32 i; i < 3; ++i) {
            _judge(cohort[i], _equal(2));
        }
        for (uint32 i; i < 3; ++i) {
            _openScores(cohort[i], _equal(2));
        }
        for (uint32 i; i < 3; ++i) {
            vm.assertGe(_vested(cohort[i]), (ROUND + POOL) / 3 - 1000);
        }
        _voteModel(139, "model");
        _voteModel(138, "model");
        vm.assertEq(task.model().digest, "model");
    }

    // ---------------------------------------------------------------- expelling

    function test_AnAccountThatIsNoMemberOnlyLosesItsPlaceOnTheList() public {
        _startedConsortium(_consortiumConfig(), 3);
        vm.recordLogs();
        _expel(0, 1, 3);
        vm.assertEq(_count(vm.getRecordedLogs(), ITrainingTask.TrainerEjected.selector), 0);
        vm.assertFalse(consortium.isAllowed(_account(3)));
        _fund(_account(3), STAKE + MEMBER_BOND);
        _expectJoinRefused(3, abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, _account(3)));
    }

    function test_InTrainingNobodyWaitsForTheExpelled() public {
        _startedConsortium();
        _commit(0);
        _commit(1);
        _commit(2);
        _propose(0, 3, false);
        _voteFor(0, 1);
        _assertPhase(Phase.Training);
        vm.recordLogs();
        _voteFor(0, 2);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[0].topics[0], IConsortiumTask.MemberVoted.selector);
        vm.assertEq(logs[1].topics[0], ITrainingTask.TrainerEjected.selector);
        vm.assertEq(uint256(logs[1].topics[1]), 1);
        vm.assertEq(uint256(logs[1].topics[2]), 3);
        vm.assertEq(logs[1].data, abi.encode(uint8(7), bytes32(0), uint64(0)));
        _assertPhase(Phase.Reveal);
        vm.assertFalse(_isActive(3));
        vm.assertFalse(_inCohort(3));
        vm.assertEq(task.population().active, 3);
        for (uint32 i; i < 3; ++i) {
            _open(i, i);
        }
        _judgeAndOpen(_honest(_worth(3)));
        _agree(3);
        vm.assertEq(task.round().cohort, 3);
    }

    function test_ACommitmentOfTheExpelledIsStillOpenedAndItsUpdatePaid() public {
        _startedConsortium();
        _commit(3);
        _expel(0, 1, 2, 3);
        vm.assertTrue(_inCohort(3));
        for (uint32 i; i < 3; ++i) {
            _commit(i);
        }
        _assertPhase(Phase.Reveal);
        _open(0, 3);
        for (uint32 i; i < 3; ++i) {
            _open(i + 1, i);
        }
        _judgeAll(3);
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _flat(4));
        }
        vm.assertGe(_vested(3), ROUND / 4 - 1000, "credits are for work done");
        _agree(4);
        vm.assertFalse(_inCohort(3));
    }

    function test_InEvaluationTheExpelledActsNoMoreAndIsWaitedForOnce() public {
        _revealedConsortium();
        _judge(3, _flat(4));
        _expel(0, 1, 2, 3);
        _expel(0, 1, 2); // of three, two are enough
        for (uint32 i; i < 2; ++i) {
            _judge(i, _flat(4));
        }
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotMember.selector, 2));
        vm.prank(_account(2));
        consortium.commitScores(_number(), 2, bytes32(0));
        _assertPhase(Phase.Evaluation);
        _advance();
        for (uint32 i; i < 4; ++i) {
            if (i != 2) _openScores(i, _flat(4)); // what was committed counts
        }
        vm.assertGe(_vested(3), (ROUND + POOL) / 4 - 1000);
        uint32 number = _number();
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, _account(3)));
        vm.prank(_account(3));
        consortium.submitModel(number, "model", SIZE);
        _voteModel(0, "model");
        _voteModel(1, "model");
        _assertPhase(Phase.Aggregation);
        _advance();
        vm.assertEq(task.round().cohort, 2);
        vm.assertEq(_number(), 2);
    }

    function test_TheExpelledForfeitsWhatHasNotVestedAndKeepsItsStake() public {
        TaskConfig memory c = _consortiumConfig();
        c.vestingRounds = 1;
        _startedConsortium(c, 4);
        _consortiumRound(4);
        uint64 unvested = _unvested(3);
        vm.recordLogs();
        _expel(0, 1, 2, 3);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[logs.length - 1].data, abi.encode(uint8(7), bytes32(0), unvested));
        vm.assertEq(_unvested(3), 0);
        vm.assertEq(task.population().bonus, unvested);
        _consortiumRound(3);
        vm.assertGe(task.ledger().credits, 2 * (ROUND + POOL) - POOL / 4 - 2000, "it was the others' after that");
        _advance();
        _advance();
        _advance();
        _assertPhase(Phase.Completed);
        _withdraw(3);
        vm.assertEq(_balance(_account(3)), STAKE);
    }

    function test_NothingIsForfeitedWhenNoRoundFollows() public {
        TaskConfig memory c = _consortiumConfig();
        (c.vestingRounds, c.rounds) = (2, 2);
        _startedConsortium(c, 4);
        _consortiumRound(4);
        uint64 unvested = _unvested(3);
        _expel(0, 1, 2, 3);
        vm.assertEq(_unvested(3), unvested);
        vm.assertEq(task.population().bonus, 0);
        c.rounds = 3;
        _createConsortium(c);
        for (uint32 i; i < 4; ++i) {
            _enrol(i);
        }
        _consortiumRound(4);
        _commit(0);
        vm.prank(publisher);
        consortium.cancel();
        _expel(0, 1, 2, 3);
        vm.assertEq(_unvested(3), unvested, "nor when the task ends with this round");
    }

    function test_TheExpelledDoesNotComeBack() public {
        _startedConsortium();
        _expel(0, 1, 2, 3);
        _propose(0, 3, true);
        _voteFor(1, 1);
        vm.assertTrue(consortium.isAllowed(_account(3)));
        _fund(_account(3), STAKE + MEMBER_BOND);
        _expectJoinRefused(3, abi.encodeWithSelector(ITrainingTask.AlreadyMember.selector, _account(3)));
        vm.recordLogs();
        _expel(0, 1, 3); // again, and nothing happens to its index
        vm.assertEq(_count(vm.getRecordedLogs(), ITrainingTask.TrainerEjected.selector), 0);
        vm.assertEq(task.population().active, 3);
    }

    function test_WithEverybodyGoneTheRoundsStillEnd() public {
        TaskConfig memory c = _consortiumConfig();
        _startedConsortium(c, 2);
        _leave(1);
        _propose(0, 0, false); // expels itself
        vm.assertEq(task.population().active, 0);
        for (uint256 i; i < 5; ++i) {
            _advance();
        }
        _assertPhase(Phase.Completed);
    }

    // ---------------------------------------------------------------- bonds

    function test_BondsReturnAtTheEnd() public {
        _startedConsortium();
        _consortiumRound(4);
        vm.expectRevert(ITrainingTask.TaskNotEnded.selector);
        consortium.withdrawBond(0);
        for (uint256 i; i < 4; ++i) {
            _advance();
        }
        vm.expectEmit(address(consortium));
        emit IConsortiumTask.MemberBondReturned(0, MEMBER_BOND);
        vm.prank(stranger);
        consortium.withdrawBond(0);
        consortium.withdrawBond(0);
        consortium.withdrawBond(77);
        consortium.withdrawBond(256);
        vm.assertEq(_balance(_account(0)), MEMBER_BOND);
        vm.assertEq(task.ledger().bonds, 3 * MEMBER_BOND);
    }

    function test_WhoHasGoneTakesItsBondOnceItOwesNoOpening() public {
        _revealedConsortium();
        for (uint32 i; i < 4; ++i) {
            _judge(i, _flat(4));
        }
        _expel(3);
        vm.expectRevert(ITrainingTask.TaskNotEnded.selector);
        consortium.withdrawBond(3);
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _flat(4));
        }
        _advance();
        vm.assertEq(consortium.bondOf(3), 0, "it owed one");
        _agree(4);
        _leave(2);
        consortium.withdrawBond(2);
        vm.assertEq(_balance(_account(2)), STAKE + MEMBER_BOND);
        vm.expectRevert(ITrainingTask.TaskNotEnded.selector);
        consortium.withdrawBond(0);
    }

    function test_InEnrolmentToo() public {
        _createConsortium(_consortiumConfig());
        _enrol(0);
        _leave(0);
        consortium.withdrawBond(0);
        vm.assertEq(_balance(_account(0)), STAKE + MEMBER_BOND);
        vm.assertEq(task.ledger().bonds, 0);
    }

    function test_WithoutABondNoneReturns() public {
        TaskConfig memory c = _consortiumConfig();
        c.bond = 0;
        _startedConsortium(c, 4);
        vm.assertEq(consortium.bondOf(0), 0);
        _leave(0);
        vm.recordLogs();
        consortium.withdrawBond(0);
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    // ---------------------------------------------------------------- pieces

    /// @dev Four members, and a fifth may come.
    function _roomForOne() private {
        TaskConfig memory c = _consortiumConfig();
        c.capacity = 5;
        _startedConsortium(c, 4);
    }

    function _propose(uint32 by, uint32 account, bool admit) private {
        vm.prank(_account(by));
        consortium.propose(_account(account), admit);
    }

    function _voteFor(uint256 proposal, uint32 by) private {
        vm.prank(_account(by));
        consortium.vote(proposal);
    }

    function _newest() private view returns (uint256 proposal) {
        while (true) {
            try consortium.proposalAt(proposal) {
                ++proposal;
            } catch {
                return proposal - 1;
            }
        }
    }

    function _expel(uint32 one, uint32 two, uint32 account) private {
        _propose(one, account, false);
        _voteFor(_newest(), two);
    }

    function _expel(uint32 one, uint32 two, uint32 three, uint32 account) private {
        _expel(one, two, account);
        _voteFor(_newest(), three);
    }

    function _expectJoinRefused(uint32 index, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(_account(index));
        consortium.join(_account(index), _noPermit(), "");
    }
}
