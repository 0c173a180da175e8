// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsortiumTask} from "../src/interfaces/IConsortiumTask.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Vm} from "./Cheats.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.sol";

/// @title A consortium's Evaluation and ScoreReveal: how each ends early, what its deadline does, what is refused
contract ConsortiumTest is ConsortiumFixture {
    uint64 private constant SHARE = POOL / 4; // of the pool, for one of four judges

    function test_ARoundIsJudgedSettledAgreedAndPaid() public {
        _revealedConsortium();
        uint256[] memory worth = _worth(4);
        worth[2] = 3e9;
        _judgeAndOpen(_honest(worth));
        uint256 credits = task.ledger().credits;
        vm.assertEq(credits + task.ledger().escrow, BUDGET);
        vm.assertGe(_vested(2), 2 * uint256(_vested(0)), "three times the worth");
        vm.assertEq(_vested(0), _vested(3), "equals");
        _agree(4);
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 2);
        vm.assertEq(task.model().digest, _modelOf(1).digest);
        vm.assertEq(task.ledger().credits, credits, "credits stand");
        _consortiumRound(4);
        _consortiumRound(4);
        _consortiumRound(4);
        _assertPhase(Phase.Closing);
        _advance();
        _assertPhase(Phase.Completed);
    }

    function test_EqualMembersWhoJudgeEquallyAreAllPaidInFull() public {
        _revealedConsortium();
        _judgeAndOpen(_honest(_worth(4)));
        for (uint32 i; i < 4; ++i) {
            vm.assertLe(_vested(i), ROUND / 4 + SHARE, "no more");
            vm.assertGe(_vested(i), ROUND / 4 + SHARE - 1000, "but for shares rounded down");
        }
        vm.assertGe(task.ledger().credits, ROUND + POOL - 1000, "all of it");
    }

    function test_EventsTellAllOfIt() public {
        _startedConsortium(_consortiumConfig(), 4);
        _commitAndOpen(4);
        bytes32 commitment = _scoreCommitment(0, PROBE, _pack(_flat(4)));
        vm.expectEmit(address(consortium));
        emit IConsortiumTask.ScoresCommitted(1, 0, commitment);
        _judge(0, _flat(4));
        _judge(1, _flat(4));
        _judge(2, _flat(4));
        vm.recordLogs();
        _judge(3, _flat(4));
        _expectPhaseStarted(vm.getRecordedLogs()[1], Phase.ScoreReveal, 300);
        vm.expectEmit(address(consortium));
        emit IConsortiumTask.ScoresRevealed(1, 0, PROBE, _pack(_flat(4)));
        _openScores(0, _flat(4));
        _openScores(1, _flat(4));
        _later(299);
        _openScores(3, _flat(4));
        _later(1);
        vm.recordLogs();
        vm.prank(stranger);
        consortium.advance();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 3);
        vm.assertEq(logs[0].topics[0], IConsortiumTask.BondSlashed.selector);
        vm.assertEq(uint256(logs[0].topics[1]), 1);
        vm.assertEq(uint256(logs[0].topics[2]), 2);
        vm.assertEq(uint256(abi.decode(logs[0].data, (uint64))), MEMBER_BOND);
        vm.assertEq(logs[1].topics[0], IConsortiumTask.ScoresSettled.selector);
        (uint64 payout, uint64 evaluationPayout, bytes memory scores, bytes memory pays) =
            abi.decode(logs[1].data, (uint64, uint64, bytes, bytes));
        vm.assertEq(scores.length, 4 * 8, "a score for each who revealed");
        vm.assertEq(pays.length, 3 * 8, "a pay for each judge who opened");
        vm.assertEq(uint256(payout) + evaluationPayout, task.ledger().credits);
        vm.assertEq(_value(scores, 0), _value(scores, 3));
        vm.assertEq(uint256(_vested(3)) - _value(pays, 2), uint256(_vested(0)) - _value(pays, 0));
        _expectPhaseStarted(logs[2], Phase.Aggregation, 500);
    }

    // ---------------------------------------------------------------- evaluation

    function test_EvaluationDeadlineWithAQuorumSettlesOnThoseWhoCommitted() public {
        _revealedConsortium();
        _judgeAll(3);
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _flat(4));
        }
        _assertPhase(Phase.Aggregation);
        vm.assertGe(_vested(3), ROUND / 4 - 1000, "its update is paid");
        vm.assertLe(_vested(3), ROUND / 4 + 1000, "its silence is not");
        vm.assertEq(consortium.bondOf(3), MEMBER_BOND, "silence costs no bond");
        vm.assertLe(task.ledger().credits, ROUND + 3 * SHARE, "the shortfall is not redistributed");
    }

    function test_BelowAQuorumInEvaluationTheTargetsShareEqually() public {
        TaskConfig memory c = _consortiumConfig();
        c.roundBudget = ROUND + 2;
        _revealedConsortium(c);
        _judge(1, _flat(4));
        _judge(3, _flat(4));
        vm.recordLogs();
        _advance();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 2, "nobody is at fault");
        vm.assertEq(logs[0].data, abi.encode(uint64(ROUND + 2), uint64(0), "", ""));
        _expectPhaseStarted(logs[1], Phase.Aggregation, 500);
        vm.assertEq(_vested(0), ROUND / 4 + 2, "and the remainder");
        for (uint32 i = 1; i < 4; ++i) {
            vm.assertEq(_vested(i), ROUND / 4);
            vm.assertEq(consortium.bondOf(i), MEMBER_BOND);
        }
        _agree(4);
        vm.assertEq(_number(), 2);
    }

    function test_WithNoJudgeAtAllTheTargetsShareEqually() public {
        _revealedConsortium();
        _advance();
        vm.assertEq(task.ledger().credits, ROUND);
        _agree(4);
        vm.assertEq(_number(), 2);
    }

    function test_WhoDidNotRevealJudgesButIsNoTarget() public {
        _startedConsortium();
        for (uint32 i; i < 3; ++i) {
            _commit(i);
        }
        _advance();
        for (uint32 i; i < 3; ++i) {
            _open(i, i);
        }
        for (uint32 i; i < 3; ++i) {
            _judge(i, _flat(3));
        }
        _judge(3, _equal(3));
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _flat(3));
        }
        _openScores(3, _equal(3));
        _assertPhase(Phase.Aggregation);
        vm.assertGe(_vested(3), SHARE - 1000, "paid for judging");
        vm.assertLe(_vested(3), SHARE, "alone");
        vm.assertGe(_vested(0), uint256(ROUND) / 3 + SHARE - 1000);
    }

    function test_OnlyActiveMembersOfTheCohortCommitScoresOnce() public {
        founders = 5;
        TaskConfig memory c = _consortiumConfig();
        (c.capacity, c.minTrainers) = (5, 2);
        _startedConsortium(c, 4);
        _enrol(4); // during the round
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Training));
        _commitScoresAs(0, 0);
        _commitAndOpen(4);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotMember.selector, 1));
        _commitScoresAs(0, 1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotMember.selector, 300));
        _commitScoresAs(0, 300);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotInCohort.selector, 4));
        _commitScoresAs(4, 4);
        _judge(0, _flat(4));
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.ScoresAlreadyCommitted.selector, 0));
        _commitScoresAs(0, 0);
        _expel(1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotMember.selector, 1));
        _commitScoresAs(1, 1);
        uint256 deadline = task.round().deadline;
        _later(400);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, deadline));
        _commitScoresAs(2, 2);
    }

    // ---------------------------------------------------------------- opening

    function test_WhoDoesNotOpenLosesItsBondAndItsRewardOfTheRound() public {
        _revealedConsortium();
        _judgeAll(4);
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _flat(4));
        }
        _assertPhase(Phase.ScoreReveal);
        _advance();
        _assertPhase(Phase.Aggregation);
        vm.assertEq(_vested(3), 0);
        vm.assertEq(consortium.bondOf(3), 0);
        vm.assertEq(task.ledger().bonds, 3 * MEMBER_BOND);
        vm.assertEq(task.population().bonus, 0, "the bond was in what this round paid");
        vm.assertGe(_vested(0), (ROUND + MEMBER_BOND) / 4 + SHARE - 1000);
        vm.assertLe(_vested(0), (ROUND + MEMBER_BOND) / 4 + SHARE, "and no more: its part stays in the escrow");
        vm.assertEq(task.ledger().escrow + task.ledger().credits, BUDGET + MEMBER_BOND);
    }

    function test_ABondIsLostOnceTheRewardEachTime() public {
        _revealedConsortium();
        for (uint256 round; round < 2; ++round) {
            if (round == 1) _commitAndOpen(4);
            _judgeAll(4);
            for (uint32 i; i < 3; ++i) {
                _openScores(i, _flat(4));
            }
            vm.recordLogs();
            _advance();
            uint256 slashed = _count(vm.getRecordedLogs(), IConsortiumTask.BondSlashed.selector);
            vm.assertEq(slashed, 1 - round);
            vm.assertEq(_vested(3), 0);
            _agree(4);
        }
        vm.assertEq(task.ledger().bonds, 3 * MEMBER_BOND);
    }

    function test_WithoutABondTheRewardIsLostAlone() public {
        TaskConfig memory c = _consortiumConfig();
        c.bond = 0;
        _revealedConsortium(c);
        _judgeAll(4);
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _flat(4));
        }
        vm.recordLogs();
        _advance();
        vm.assertEq(_count(vm.getRecordedLogs(), IConsortiumTask.BondSlashed.selector), 0);
        vm.assertEq(_vested(3), 0);
        vm.assertGe(_vested(0), ROUND / 4);
    }

    /// @dev With the highest score, also the remainder stays.
    function test_TheRemainderOfAForfeiterStaysToo() public {
        TaskConfig memory c = _consortiumConfig();
        (c.bond, c.roundBudget, c.evaluationPool) = (0, ROUND + 3, 0);
        _revealedConsortium(c);
        _judgeAll(4);
        for (uint32 i = 1; i < 4; ++i) {
            _openScores(i, _flat(4));
        }
        _advance();
        vm.assertEq(_vested(0), 0);
        vm.assertEq(_vested(1), ROUND / 4);
        vm.assertEq(task.ledger().credits, 3 * uint256(ROUND / 4));
    }

    function test_BelowAQuorumOfOpeningsTheTargetsShareEqually() public {
        _revealedConsortium();
        _judgeAll(4);
        _openScores(0, _flat(4));
        _openScores(2, _flat(4));
        vm.recordLogs();
        _advance();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 4);
        vm.assertEq(uint256(logs[0].topics[2]), 1);
        vm.assertEq(uint256(logs[1].topics[2]), 3);
        uint64 part = (ROUND + 2 * MEMBER_BOND) / 4;
        vm.assertEq(logs[2].data, abi.encode(2 * part, uint64(0), "", ""));
        vm.assertEq(_vested(0), part);
        vm.assertEq(_vested(1), 0);
        vm.assertEq(_vested(2), part);
        vm.assertEq(_vested(3), 0);
        _assertPhase(Phase.Aggregation);
    }

    function test_AnOpeningIsWhatWasCommittedByThatMember() public {
        _revealedConsortium();
        bytes memory vector = _pack(_flat(4));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Evaluation));
        consortium.revealScores(_number(), 0, PROBE, vector, SALT);
        _judgeAll(3);
        vm.expectRevert(IConsortiumTask.WrongOpening.selector);
        consortium.revealScores(_number(), 0, PROBE, vector, bytes16(0));
        vm.expectRevert(IConsortiumTask.WrongOpening.selector);
        consortium.revealScores(_number(), 0, keccak256("another"), vector, SALT);
        vm.expectRevert(IConsortiumTask.WrongOpening.selector);
        consortium.revealScores(_number(), 0, PROBE, _pack(_equal(4)), SALT);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.ScoresNotCommitted.selector, 3));
        consortium.revealScores(_number(), 3, PROBE, vector, SALT);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotInCohort.selector, 7));
        consortium.revealScores(_number(), 7, PROBE, vector, SALT);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.NotInCohort.selector, 256));
        consortium.revealScores(_number(), 256, PROBE, vector, SALT);
        _openScores(0, _flat(4));
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.ScoresAlreadyRevealed.selector, 0));
        consortium.revealScores(_number(), 0, PROBE, vector, SALT);
        uint256 deadline = task.round().deadline;
        _later(300);
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, deadline));
        consortium.revealScores(_number(), 1, PROBE, vector, SALT);
    }

    function test_ACopiedScoreCommitmentOpensForNobodyElse() public {
        _revealedConsortium();
        bytes32 seen = _scoreCommitment(0, PROBE, _pack(_flat(4)));
        vm.prank(_account(1));
        consortium.commitScores(_number(), 1, seen);
        _judge(0, _flat(4));
        _judge(2, _flat(4));
        _advance();
        vm.expectRevert(IConsortiumTask.WrongOpening.selector);
        consortium.revealScores(_number(), 1, PROBE, _pack(_flat(4)), SALT);
    }

    /// @dev Committed ahead in the round before, and not in this one.
    function test_ACommitmentForALaterRoundDoesNotOpenInIt() public {
        _revealedConsortium();
        bytes memory vector = _pack(_flat(4));
        bytes32 early = keccak256(
            abi.encode(block.chainid, address(consortium), uint32(2), uint32(3), PROBE, keccak256(vector), SALT)
        );
        vm.prank(_account(3));
        consortium.commitScores(_number(), 3, early);
        _judgeAll(3);
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _flat(4));
        }
        _advance();
        _agree(4);
        _commitAndOpen(4);
        _judgeAll(3);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.ScoresNotCommitted.selector, 3));
        consortium.revealScores(_number(), 3, PROBE, vector, SALT);
    }

    /// @dev Who committed a vector of another length can never open it.
    function test_AVectorHasAScoreForEachTargetButItsJudge() public {
        _revealedConsortium();
        _judge(0, _equal(4));
        _judge(1, _equal(2));
        bytes memory odd = abi.encodePacked(_pack(_flat(4)), bytes1(0));
        _judgeWith(2, PROBE, odd);
        _judge(3, _flat(4));
        bytes memory refused = abi.encodeWithSelector(IConsortiumTask.WrongScoreCount.selector, 3);
        vm.expectRevert(refused);
        consortium.revealScores(_number(), 0, PROBE, _pack(_equal(4)), SALT);
        vm.expectRevert(refused);
        consortium.revealScores(_number(), 1, PROBE, _pack(_equal(2)), SALT);
        vm.expectRevert(refused);
        consortium.revealScores(_number(), 2, PROBE, odd, SALT);
        _openScores(3, _flat(4));
        _advance();
        vm.assertEq(task.ledger().bonds, MEMBER_BOND);
        vm.assertEq(_vested(3), (ROUND + 3 * MEMBER_BOND) / 4, "an equal split");
    }

    // ---------------------------------------------------------------- targets and vectors

    function test_ADisownedUpdateIsNoTarget() public {
        _startedConsortium();
        for (uint32 i; i < 4; ++i) {
            _commitTo(i, _digest(1, i == 1 ? 0 : i));
        }
        for (uint32 i; i < 4; ++i) {
            _openAs(i, i, _digest(1, i == 1 ? 0 : i));
        }
        for (uint32 i; i < 4; ++i) {
            _judge(i, _equal(i == 1 ? 3 : 2));
        }
        for (uint32 i; i < 3; ++i) {
            _openScores(i, _equal(i == 1 ? 3 : 2));
        }
        vm.recordLogs();
        _openScores(3, _equal(2));
        (,, bytes memory scores, bytes memory pays) =
            abi.decode(vm.getRecordedLogs()[1].data, (uint64, uint64, bytes, bytes));
        vm.assertEq(scores.length, 32);
        vm.assertEq(_value(scores, 1), 0);
        vm.assertEq(_value(scores, 0), 333333333);
        vm.assertEq(_vested(1), _value(pays, 1), "it is paid for judging alone");
        vm.assertGe(_vested(1), SHARE - 1000);
    }

    function test_IfEveryUpdateIsDisownedNobodyIsPaidForOne() public {
        _startedConsortium();
        for (uint32 i; i < 4; ++i) {
            _commitTo(i, keccak256("genesis"));
        }
        for (uint32 i; i < 4; ++i) {
            _openAs(i, i, keccak256("genesis"));
        }
        _assertPhase(Phase.Evaluation);
        _judge(0, new int64[](0));
        _advance();
        vm.assertEq(task.ledger().credits, 0, "nor is there anybody to share equally");
        _assertPhase(Phase.Aggregation);
        _agree(4);
        vm.assertEq(_number(), 2);
    }

    function test_ZeroVectorsPayNobodyForUpdatesAndABonusWaits() public {
        _startedConsortium();
        _commit(0);
        _commit(1);
        _commit(2);
        _commit(3);
        for (uint32 i; i < 3; ++i) {
            _open(i, i);
        }
        _advance(); // the stake of who did not open its update waits
        int64[] memory nothing = new int64[](2);
        (nothing[0], nothing[1]) = (type(int64).min, -1);
        for (uint32 i; i < 3; ++i) {
            _judge(i, i == 0 ? nothing : new int64[](2));
        }
        _judge(3, new int64[](3));
        for (uint32 i; i < 3; ++i) {
            _openScores(i, i == 0 ? nothing : new int64[](2));
        }
        _openScores(3, new int64[](3));
        vm.assertEq(task.population().bonus, STAKE);
        vm.assertEq(task.ledger().credits, POOL, "they agree, and are paid for it");
        vm.assertEq(_vested(3), SHARE);
        _agree(4);
        _consortiumRound(4);
        vm.assertEq(task.population().bonus, 0);
        vm.assertGe(task.ledger().credits, ROUND + STAKE + 2 * POOL - 1000);
    }

    function test_AnExtremeVectorIsAShareLikeAnyOther() public {
        _revealedConsortium();
        int64 most = type(int64).max;
        int64[][] memory vectors = _honest(_worth(4));
        for (uint256 i; i < 3; ++i) {
            vectors[3][i] = most;
        }
        _judgeAndOpen(vectors);
        vm.assertEq(_vested(3), _vested(0));
        vm.assertLe(task.ledger().credits, ROUND + POOL);
    }

    function test_OneDishonestJudgeOfFourMovesLittleAndIsNotPaid() public {
        _revealedConsortium();
        int64[][] memory vectors = _honest(_worth(4));
        vectors[3][0] = 1e9;
        vectors[3][1] = vectors[3][2] = 0; // all to member 0
        _judgeAndOpen(vectors);
        vm.assertLe(_vested(0), uint256(ROUND) * 26 / 100 + SHARE, "a quarter is its due");
        vm.assertLe(_vested(3), uint256(ROUND) * 26 / 100, "and nothing for the vector");
    }

    // ---------------------------------------------------------------- probes

    function test_JudgesWithAnotherProbeThanTheMajorityAreNotPaid() public {
        _revealedConsortium();
        bytes memory vector = _pack(_flat(4));
        for (uint32 i; i < 4; ++i) {
            _judgeWith(i, i == 0 ? keccak256("copied") : PROBE, vector);
        }
        for (uint32 i; i < 4; ++i) {
            consortium.revealScores(_number(), i, i == 0 ? keccak256("copied") : PROBE, vector, SALT);
        }
        vm.assertLe(_vested(0), ROUND / 4 + 1000);
        vm.assertGe(_vested(1), ROUND / 4 + SHARE - 1000);
    }

    function test_WithoutAMajorityOfProbesNobodyIsPaidForJudging() public {
        _revealedConsortium();
        bytes memory vector = _pack(_flat(4));
        for (uint32 i; i < 4; ++i) {
            _judgeWith(i, bytes32(uint256(i / 2)), vector);
        }
        for (uint32 i; i < 4; ++i) {
            consortium.revealScores(_number(), i, bytes32(uint256(i / 2)), vector, SALT);
        }
        vm.assertEq(task.ledger().credits, ROUND);
    }

    /// @dev Sixteen judges, more probes than are kept apart; the last eight have the same.
    function test_HalfOfTheJudgesAreNoMajorityHoweverManyProbesThereAre() public {
        _probesOfSixteen(8, 0);
    }

    function test_MoreThanHalfAreHoweverManyProbesThereAre() public {
        _probesOfSixteen(7, 9);
    }

    // ---------------------------------------------------------------- other settings

    function test_WithoutCommitAndRevealOfUpdatesScoresAreStillCommitted() public {
        TaskConfig memory c = _consortiumConfig();
        c.commitReveal = false;
        _startedConsortium(c, 4);
        for (uint32 i; i < 4; ++i) {
            vm.prank(_account(i));
            consortium.submit(_number(), i, _digest(1, i), SIZE);
        }
        _assertPhase(Phase.Evaluation);
        _judgeAndOpen(_honest(_worth(4)));
        _agree(4);
        vm.assertEq(_number(), 2);
    }

    function test_SixteenMembersTakeTwoWordsAVector() public {
        _revealedConsortium(_consortiumOf(16));
        uint256[] memory worth = _worth(16);
        worth[12] = 2e9;
        _judgeAndOpen(_honest(worth));
        vm.assertGe(_vested(12), 18 * uint256(_vested(3)) / 10 - SHARE);
        for (uint32 i; i < 12; ++i) {
            vm.assertGe(_vested(i), uint256(ROUND) * 58 / 1000, "one seventeenth each");
        }
        _agree(16);
        vm.assertEq(_number(), 2);
    }

    function test_CreditsVestAsTrainersDo() public {
        TaskConfig memory c = _consortiumConfig();
        c.vestingRounds = 1;
        _startedConsortium(c, 4);
        _consortiumRound(4);
        vm.assertEq(_vested(1), 0);
        uint64 unvested = _unvested(1);
        vm.assertGe(unvested, ROUND / 4 + SHARE - 1000);
        _consortiumRound(4);
        vm.assertEq(_vested(1), unvested);
        _withdraw(1);
        vm.assertEq(_balance(_account(1)), unvested);
    }

    function test_AConsortiumRelaysNothing() public {
        _startedConsortium();
        vm.expectRevert(ITrainingTask.RelayNotAllowed.selector);
        consortium.commitBatch(_number(), "");
    }

    function test_AnUnopenedUpdateCostsItsStake() public {
        _startedConsortium();
        for (uint32 i; i < 4; ++i) {
            _commit(i);
        }
        _open(0, 0);
        _open(1, 1);
        _advance();
        vm.assertEq(_stakeOf(2), 0);
        vm.assertEq(_stakeOf(3), 0);
        vm.assertTrue(_inCohort(2) && !_isSuspended(2));
        vm.assertEq(task.population().bonus, 2 * STAKE);
    }

    // ---------------------------------------------------------------- pieces

    function _commitScoresAs(uint32 account, uint32 index) private {
        vm.prank(_account(account));
        consortium.commitScores(_number(), index, bytes32(0));
    }

    /// @dev The number at place `i` of packed ones.
    function _value(bytes memory packed, uint256 i) private pure returns (uint256 value) {
        for (uint256 b; b < 8; ++b) {
            value = value << 8 | uint8(packed[8 * i + b]);
        }
    }

    function _expectPhaseStarted(Vm.Log memory log, Phase phase, uint256 duration) private view {
        vm.assertEq(log.topics[0], ITrainingTask.PhaseStarted.selector);
        vm.assertEq(uint256(log.topics[2]), uint256(phase));
        vm.assertEq(abi.decode(log.data, (uint40)), vm.getBlockTimestamp() + duration);
    }

    /// @dev The first `different` of sixteen have a probe of their own each, the others the same; `paid` are paid.
    function _probesOfSixteen(uint32 different, uint256 paid) private {
        TaskConfig memory c = _consortiumOf(16);
        _revealedConsortium(c);
        bytes memory vector = _pack(_flat(16));
        for (uint32 i; i < 16; ++i) {
            _judgeWith(i, bytes32(uint256(i < different ? i : 99)), vector);
        }
        for (uint32 i; i < 16; ++i) {
            consortium.revealScores(_number(), i, bytes32(uint256(i < different ? i : 99)), vector, SALT);
        }
        vm.assertLe(task.ledger().credits, ROUND + paid * (POOL / 16));
        vm.assertGe(task.ledger().credits + 1000, ROUND + paid * (POOL / 16));
    }
}
