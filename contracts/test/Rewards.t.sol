// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {ICrowdsourcingTask} from "../src/interfaces/ICrowdsourcingTask.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Content, Phase, Sanction, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Scores, rewards, vesting, withdrawals, bonds and what returns to the publisher
contract RewardsTest is TaskFixture {
    // ---------------------------------------------------------------- scores to rewards

    function test_ARoundBudgetIsSharedByPositiveScores() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _evaluate(_scores(3e9, -7e9, 1e9, 0));
        vm.assertEq(_vested(0), uint64(250 * ONE) * 3 / 4);
        vm.assertEq(_vested(1), 0);
        vm.assertEq(_vested(2), uint64(250 * ONE) / 4);
        vm.assertEq(task.ledger().escrow, 750 * ONE);
    }

    function test_TheRemainderGoesToTheHighestScoreLowestIndex() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _evaluate(_scores(1, 2, 2, 2));
        uint64 part = uint64(250 * ONE) * 2 / 7;
        vm.assertEq(_vested(1), 250 * ONE - uint64(250 * ONE) / 7 - 2 * part);
        vm.assertEq(_vested(2), part);
    }

    function test_RatePaysPerScoreUnit() public {
        _rateTask(10 * ONE);
        _commitAndOpen(4);
        _evaluate(_scores(1e9, 5e8, -1e9, 25e7));
        vm.assertEq(_vested(0), 10 * ONE);
        vm.assertEq(_vested(1), 5 * ONE);
        vm.assertEq(_vested(3), 25 * ONE / 10);
        vm.assertEq(task.ledger().credits, 175 * ONE / 10);
    }

    function test_RatePaysNoMoreThanTheEscrow() public {
        _rateTask(1_000 * ONE);
        _commitAndOpen(4);
        _evaluate(_scores(3e9, 1e9, 0, 0));
        vm.assertEq(_vested(0), 750 * ONE);
        vm.assertEq(task.ledger().escrow, 0);
        _round(4);
        vm.assertEq(task.ledger().credits, BUDGET, "nothing left to pay");
    }

    function test_SlashedStakeIsPaidByRateToo() public {
        _rateTask(100 * ONE);
        _oneOpens();
        _evaluate(_equal(1));
        vm.assertEq(_vested(0), 100 * ONE + 3 * STAKE);
        vm.assertEq(task.population().bonus, 0);
    }

    /// @dev A round of little work does not share out by its chances what was lost in rounds of much.
    function test_ABonusAtMostDoublesWhatARoundPays() public {
        _rateTask(ONE);
        _oneOpens();
        _evaluate(_equal(1));
        vm.assertEq(_vested(0), 2 * ONE);
        vm.assertEq(task.population().bonus, 3 * STAKE - ONE);
        vm.assertEq(task.ledger().escrow, BUDGET + 3 * STAKE - 2 * ONE);
    }

    /// @dev By rate the rounds' own pay may take all there is, and with it what waited.
    function test_ABonusIsNeverMoreThanTheEscrow() public {
        _rateTask(BUDGET / 4);
        _round(4);
        vm.assertEq(task.ledger().escrow, 0);
        _oneOpens();
        int64[] memory scores = new int64[](1);
        scores[0] = 8e7;
        _evaluate(scores);
        vm.assertEq(_vested(0), BUDGET / 4 + 3 * STAKE, "20 of its own, 10 of 20 more");
        vm.assertEq(task.population().bonus, 0);
        vm.assertEq(task.ledger().escrow, 0);
    }

    function test_WithoutAPositiveScoreNothingIsPaid() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        _evaluate(_scores(0, -1, type(int64).min, 0));
        vm.assertEq(task.ledger().credits, 0);
        vm.assertEq(task.ledger().escrow, BUDGET);
    }

    function test_ABonusWaitsForARoundThatPays() public {
        _started(_config(), 4);
        _commit(0);
        _advance();
        _advance();
        _commitAndOpen(3);
        int64[] memory nothing = new int64[](3);
        _evaluate(nothing);
        vm.assertEq(task.population().bonus, STAKE);
        _round(3);
        vm.assertEq(task.ledger().credits, 250 * ONE + STAKE);
    }

    function test_ThereIsOneScoreForEachRevealed() public {
        _started(_config(), 4);
        _commitAndOpen(4);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.WrongScoreCount.selector, 4));
        vm.prank(evaluator);
        task.submitEvaluation(1, _pack(_equal(3)), _modelOf(1), _modelOf(1), new Sanction[](0), new uint256[](0));
    }

    function test_TheLargestScoresAndBudgetDoNotOverflow() public {
        TaskConfig memory c = _config();
        c.stake = 0;
        c.bond = 250 * ONE;
        (c.roundBudget, c.rate) = (0, type(uint64).max);
        c.rounds = 1e9;
        _create(c, 70_000_000 * ONE);
        _bond(0);
        for (uint32 i; i < 4; ++i) {
            _join(i);
        }
        _commitAndOpen(4);
        int64 most = type(int64).max;
        _evaluate(_scores(most, most, most, most));
        vm.assertEq(task.ledger().credits, 70_000_000 * ONE);
        vm.assertEq(_vested(3), 17_500_000 * ONE);
    }

    // ---------------------------------------------------------------- vesting

    function test_WithoutVestingCreditsAreTheMembersAtOnce() public {
        _started(_config(), 4);
        _round(4);
        _withdraw(2);
        vm.assertEq(_balance(_account(2)), uint64(250 * ONE) / 4);
    }

    function test_CreditsOfOneRoundVestWithTheNext() public {
        _vestingTask(1, 4);
        uint64 part = uint64(250 * ONE) / 4;
        _round(4);
        vm.assertEq(_unvested(0), part);
        vm.assertEq(_vested(0), 0);
        _round(4);
        vm.assertEq(_vested(0), part);
        vm.assertEq(_unvested(0), part);
        _withdraw(0);
        vm.assertEq(_balance(_account(0)), part);
        vm.assertEq(_vested(0), 0);
    }

    function test_VestingOfThreeRoundsWrapsItsRing() public {
        _vestingTask(3, 9);
        uint64 budget = uint64(BUDGET) / 9;
        for (uint64 number = 1; number <= 9; ++number) {
            _round(4);
            (uint64 vested, uint64 unvested) = task.creditOf(1);
            uint64 part = budget / 4;
            vm.assertEq(vested, number > 3 ? (number - 3) * part : 0);
            vm.assertEq(unvested, (number > 3 ? 3 : number) * part);
        }
        _advance();
        vm.assertEq(_unvested(1), 0);
        vm.assertEq(_vested(1), 9 * (budget / 4), "completion vests");
        _withdraw(1);
        vm.assertEq(_balance(_account(1)), 9 * (budget / 4) + STAKE);
    }

    function test_VoidRoundsVestToo() public {
        _vestingTask(1, 4);
        _round(4);
        _advance();
        vm.assertEq(_vested(0), uint64(250 * ONE) / 4);
    }

    function test_AWithdrawalTakesOneMembersLaneAlone() public {
        _vestingTask(1, 4);
        _round(4);
        _round(4);
        _round(4);
        _withdraw(1);
        vm.assertEq(_vested(1), 0);
        vm.assertEq(_vested(0), uint64(250 * ONE) / 2);
        vm.assertEq(_vested(2), uint64(250 * ONE) / 2);
        vm.assertEq(_unvested(1), uint64(250 * ONE) / 4);
    }

    function test_EjectionForfeitsTheUnvestedToTheNextRound() public {
        _vestingTask(1, 4);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 3);
        uint64 part = uint64(250 * ONE) / 4;
        vm.assertEq(_unvested(3), part);
        _commitAndOpen(3);
        _evaluateAndSanction(_equal(3), 3, 0);
        vm.assertEq(_unvested(3) + _vested(3), 0, "the last round's credits are gone");
        vm.assertEq(task.population().bonus, part);
        vm.assertEq(task.ledger().credits, 500 * ONE - part);
        _round(3);
        vm.assertEq(task.ledger().credits, 750 * ONE, "and the others have earned them");
    }

    function test_EjectionLeavesWhatHasVested() public {
        _vestingTask(1, 5);
        _round(4);
        _commitAndOpen(4);
        _evaluateAndSanction(_scores(1e9, 1e9, 1e9, 0), 3, 3);
        _commitAndOpen(3);
        _evaluateAndSanction(_equal(3), 3, 0);
        vm.assertEq(_vested(3), uint64(BUDGET) / 5 / 4);
    }

    function test_NothingIsForfeitedWhenNoRoundFollows() public {
        _vestingTask(3, 2);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 3);
        _commitAndOpen(3);
        _evaluateAndSanction(_equal(3), 3, 0);
        vm.assertFalse(_isActive(3));
        vm.assertEq(_unvested(3), uint64(250 * ONE) / 4);
    }

    function test_NothingIsForfeitedToAPublisherWhoCancelled() public {
        _vestingTask(3, 4);
        _commitAndOpen(4);
        _evaluateAndSanction(_equal(4), 3, 3);
        vm.prank(publisher);
        task.cancel();
        _commitAndOpen(3);
        _evaluateAndSanction(_equal(3), 3, 0);
        vm.assertEq(_vested(3), uint64(250 * ONE) / 4);
    }

    // ---------------------------------------------------------------- withdrawals and refunds

    function test_AnyoneWithdrawsForMembersToTheirOwnAddresses() public {
        _started(_config(), 4);
        _round(4);
        uint32[] memory indices = new uint32[](4);
        (indices[0], indices[1], indices[2], indices[3]) = (0, 3, 3, 77);
        vm.prank(stranger);
        task.withdraw(indices);
        vm.assertEq(_balance(_account(0)), uint64(250 * ONE) / 4);
        vm.assertEq(_balance(_account(3)), uint64(250 * ONE) / 4);
        vm.assertEq(_balance(stranger), 0);
        vm.assertEq(task.ledger().credits, uint64(250 * ONE) / 2);
    }

    function test_StakesReturnOnlyAtTheEnd() public {
        _started(_config(), 4);
        _withdraw(0);
        vm.assertEq(_balance(_account(0)), 0);
        vm.prank(publisher);
        task.cancel();
        _withdraw(0);
        _withdraw(0);
        vm.assertEq(_balance(_account(0)), STAKE);
    }

    function test_OnlyWhatNobodyEarnedReturnsAndOnlyAtTheEnd() public {
        _started(_config(), 4);
        _round(4);
        vm.expectRevert(ITrainingTask.TaskNotEnded.selector);
        task.refund();
        for (uint256 i; i < 4; ++i) {
            _advance();
        }
        task.refund();
        task.refund();
        vm.assertEq(_balance(publisher), 750 * ONE);
        for (uint32 i; i < 4; ++i) {
            _withdraw(i);
        }
        vm.assertEq(token.balanceOf(address(task)) / 1e9, BOND, "the bond waits for the validation set");
    }

    /// @dev Else a publisher and an evaluator who scores nobody could share what others lost.
    function test_WhatWasSlashedAndCameToNoBudgetIsNobodys() public {
        _started(_config(), 4);
        for (uint32 i; i < 4; ++i) {
            _commit(i);
        }
        for (uint32 i; i < 3; ++i) {
            _open(i, i);
        }
        _advance();
        vm.assertEq(uint256(task.population().bonus), STAKE);
        vm.prank(publisher);
        task.cancel();
        _evaluate(new int64[](3));
        _assertPhase(Phase.Cancelled);
        task.refund();
        task.refund();
        vm.assertEq(_balance(publisher), BUDGET);
        vm.assertEq(uint256(task.ledger().escrow), STAKE);
    }

    /// @dev Members far from each other, with many between them who did not take part.
    function test_ADisownedDigestIsFoundWhereverItsMemberIs() public {
        TaskConfig memory c = _config();
        c.capacity = 300;
        _started(c, 300);
        uint32[4] memory who = [uint32(0), 20, 57, 299];
        for (uint32 i; i < 4; ++i) {
            _commitTo(who[i], i < 2 ? _digest(1, who[i]) : _digest(1, who[i - 2]));
        }
        _advance();
        for (uint32 i; i < 4; ++i) {
            _openAs(i, who[i], i < 2 ? _digest(1, who[i]) : _digest(1, who[i - 2]));
        }
        for (uint256 i = 2; i < 4; ++i) {
            int64[] memory scores = new int64[](4);
            scores[i] = -1;
            bytes memory packed = _pack(scores);
            vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.DigestNotOwned.selector, who[i]));
            vm.prank(evaluator);
            task.submitEvaluation(1, packed, _modelOf(1), Content("r", 1), new Sanction[](0), new uint256[](0));
        }
        _advance(); // silent: owners share equally
        vm.assertEq(_vested(0) + _vested(20), 250 * ONE + BOND / 2);
        vm.assertEq(_vested(57) + _vested(299), 0);
    }

    function test_AnEmptyEscrowPaysNothingMore() public {
        _rateTask(type(uint64).max);
        _round(4);
        vm.assertEq(uint256(task.ledger().escrow), 0);
        vm.assertEq(uint256(task.ledger().credits), BUDGET);
        _round(4);
        vm.assertEq(uint256(task.ledger().credits), BUDGET);
        vm.assertEq(_number(), 3);
    }

    /// @dev Once lost, a stake is lost: a second fault of the member costs nothing, and nobody is paid of it.
    function test_WhoHasNoStakeLeftLosesNone() public {
        _started(_config(), 4);
        for (uint256 round = 1; round <= 2; ++round) {
            for (uint32 i; i < 4; ++i) {
                _commit(i);
            }
            for (uint32 i = 1; i < 4; ++i) {
                _open(i, i);
            }
            _advance();
            vm.assertEq(uint256(task.population().bonus), round == 1 ? STAKE : 0);
            _evaluate(_equal(3));
        }
        vm.assertEq(uint256(task.ledger().credits), 500 * ONE + STAKE);
        vm.assertEq(uint256(task.ledger().stakes), 3 * STAKE);
    }

    function test_TheSmallestCreditIsForfeitedToo() public {
        TaskConfig memory c = _config();
        (c.vestingRounds, c.roundBudget) = (2, 4);
        _started(c, 4);
        _round(4);
        vm.assertEq(_unvested(3), 1);
        vm.expectEmit(address(task));
        emit ITrainingTask.TrainerLeft(3, 1);
        _leave(3);
        vm.assertEq(_unvested(3), 0);
    }

    // ---------------------------------------------------------------- credits, some at a time

    /// @dev 1,800 members are 450 slots, and a call writes 376 of them.
    function test_CreditsThatDoNotFitAreWrittenByWhoeverGoesOn() public {
        TaskConfig memory c = _config();
        (c.capacity, c.stake, c.uniqueDigests) = (1_800, 0, false);
        c.commitReveal = false;
        _create(c);
        _bond(0);
        for (uint32 i; i < 1_800; ++i) {
            vm.prank(_account(i));
            task.join(_account(i), _noPermit(), "");
        }
        for (uint32 i; i < 1_800; ++i) {
            vm.prank(_account(i));
            task.submit(1, i, _digest(1, i), SIZE);
        }
        int64[] memory scores = new int64[](1_800);
        uint256 sum;
        for (uint256 i; i < 1_800; ++i) {
            scores[i] = i % 7 == 3 ? -int64(1) : int64(uint64(1e6 + i * i));
            if (scores[i] > 0) sum += uint64(scores[i]);
        }
        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.CreditsWritten(1, 376);
        _evaluate(scores);
        vm.assertEq(_number(), 2, "the next round has begun");
        vm.assertEq(uint256(task.ledger().credits), 250 * ONE, "all of it has left the escrow");
        vm.assertEq(_vested(1_799), 0);
        vm.assertGe(_vested(0), 1);
        _withdraw(0);

        vm.expectRevert(ICrowdsourcingTask.NothingToCredit.selector);
        task.credit("");
        scores[0] += 1;
        bytes memory wrong = _pack(scores);
        vm.expectRevert(ICrowdsourcingTask.NothingToCredit.selector);
        task.credit(wrong);
        scores[0] -= 1;
        for (uint32 i; i < 1_800; ++i) {
            vm.prank(_account(i));
            task.submit(2, i, _digest(2, i), SIZE);
        }
        address active = evaluator;
        bytes memory packed = _pack(scores);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.CreditsPending.selector, 1));
        vm.prank(active);
        task.submitEvaluation(2, packed, _modelOf(2), Content("r", 1), new Sanction[](0), new uint256[](0));

        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.CreditsWritten(1, 0);
        vm.prank(stranger);
        task.credit(packed);
        vm.expectRevert(ICrowdsourcingTask.NothingToCredit.selector);
        task.credit(packed);
        uint256 total = _balance(_account(0));
        for (uint32 i = 1; i < 1_800; ++i) {
            uint256 part = scores[i] > 0 ? uint256(250 * ONE) * uint64(scores[i]) / sum : 0;
            if (i != 1_799) vm.assertEq(_vested(i), part, vm.toString(i));
            total += _vested(i);
        }
        vm.assertEq(total, 250 * ONE, "the remainder is the highest's");
        vm.prank(active);
        task.submitEvaluation(2, packed, _modelOf(2), Content("r", 1), new Sanction[](0), new uint256[](0));
    }

    // ---------------------------------------------------------------- bonds

    function test_OnlyTheListedEvaluatorBondsOnce() public {
        _create(_config());
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotEvaluator.selector, stranger));
        vm.prank(stranger);
        task.bond(0, bytes32(0), _noPermit());
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.NotEvaluator.selector, evaluator));
        vm.prank(evaluator);
        task.bond(7, bytes32(0), _noPermit());
        _bond(0);
        vm.assertEq(task.ledger().bonds, BOND);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsourcingTask.EvaluatorNotBondable.selector, 0));
        vm.prank(evaluator);
        task.bond(0, bytes32(0), _noPermit());
    }

    function test_BondingEndsWithTheRounds() public {
        TaskConfig memory c = _config();
        c.rounds = 1;
        _started(c, 2);
        _round(2);
        vm.expectPartialRevert(ITrainingTask.WrongPhase.selector);
        vm.prank(standby);
        task.bond(1, bytes32(0), _noPermit());
    }

    function test_APublicAuditHoldsTheBondUntilTheValidationSetIsOpened() public {
        _started(_config(), 4);
        _round(4);
        vm.expectRevert(ITrainingTask.TaskNotEnded.selector);
        task.withdrawBond(0);
        vm.expectRevert(ITrainingTask.TaskNotEnded.selector);
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        _end();
        vm.expectRevert(ICrowdsourcingTask.ValidationNotOpened.selector);
        task.withdrawBond(0);
        vm.expectRevert(ICrowdsourcingTask.WrongOpening.selector);
        task.openValidation(0, VALIDATION, bytes16(0));
        vm.expectEmit(address(task));
        emit ICrowdsourcingTask.ValidationOpened(0, VALIDATION, VALIDATION_SALT);
        vm.prank(stranger);
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        task.withdrawBond(0);
        task.withdrawBond(0);
        vm.assertEq(_balance(evaluator), BOND);
        vm.assertEq(task.ledger().bonds, 0);
    }

    function test_WithoutPublicAuditTheBondReturnsUnopened() public {
        TaskConfig memory c = _config();
        c.publicAudit = false;
        _started(c, 4);
        _round(4);
        _end();
        task.withdrawBond(0);
        vm.assertEq(_balance(evaluator), BOND);
    }

    function test_AnEvaluatorWhoServedAndFellSilentOpensForTheRestOfItsBond() public {
        _started(_config(), 4);
        _bond(1);
        _round(4);
        _commitAndOpen(4);
        _advance();
        _evaluate(_equal(4));
        _end();
        vm.expectRevert(ICrowdsourcingTask.ValidationNotOpened.selector);
        task.withdrawBond(0);
        task.openValidation(0, VALIDATION, VALIDATION_SALT);
        task.withdrawBond(0);
        vm.assertEq(_balance(evaluator), BOND / 2);
    }

    function test_AnEvaluatorWhoNeverServedHasNothingToOpen() public {
        _started(_config(), 4);
        _bond(1);
        _round(4);
        _end();
        task.withdrawBond(1);
        vm.assertEq(_balance(standby), BOND);
    }

    // ---------------------------------------------------------------- fuzz

    /// @dev A round pays exactly its payout whenever a score is positive, and each its floor at least.
    function testFuzz_RewardsSumToThePayout(int64[4] memory given, uint64 rate, bool byRate) public {
        TaskConfig memory c = _config();
        if (byRate) (c.roundBudget, c.rate) = (0, uint64(_bound(rate, 1, type(uint64).max)));
        _started(c, 4);
        _commitAndOpen(4);
        uint256 sum;
        for (uint256 i; i < 4; ++i) {
            if (given[i] > 0) sum += uint64(given[i]);
        }
        _evaluate(_scores(given[0], given[1], given[2], given[3]));
        uint256 due = byRate ? uint256(c.rate) * sum / 1e9 : 250 * ONE;
        uint256 payout = sum == 0 ? 0 : due < BUDGET ? due : BUDGET;
        uint256 credited;
        for (uint32 i; i < 4; ++i) {
            uint256 part = given[i] > 0 ? payout * uint64(given[i]) / sum : 0;
            vm.assertGe(_vested(i), part, "floor");
            vm.assertLe(_vested(i), part + 3, "remainder");
            credited += _vested(i);
        }
        vm.assertEq(credited, payout, "sum");
        vm.assertEq(task.ledger().escrow, BUDGET - payout);
    }

    /// @dev Whatever slots those scored share, and wherever the highest stands: each its floor, the first of the
    /// highest the remainder too, nobody else anything.
    function testFuzz_EveryoneIsCreditedInTheirOwnLane(int64[20] memory given, uint32 absent, bool vesting) public {
        TaskConfig memory c = _config();
        (c.capacity, c.vestingRounds) = (20, vesting ? 1 : 0);
        _started(c, 20);
        absent &= 0xffffe; // member 0 is there
        uint256 count;
        for (uint32 i; i < 20; ++i) {
            if (absent >> i & 1 == 0) _commit(i);
        }
        if (_phase() == Phase.Training) _advance();
        int64[] memory scores = new int64[](20);
        (uint256 sum, uint32 best, int64 highest) = (0, 0, 0);
        for (uint32 i; i < 20; ++i) {
            if (absent >> i & 1 != 0) continue;
            _open(count, i);
            scores[count++] = given[i];
            if (given[i] > 0) sum += uint64(given[i]);
            if (given[i] > highest) (highest, best) = (given[i], i);
        }
        assembly ("memory-safe") {
            mstore(scores, count)
        }
        _evaluate(scores);
        uint256 others;
        for (uint32 i; i < 20; ++i) {
            uint256 part = absent >> i & 1 == 0 && given[i] > 0 ? uint256(250 * ONE) * uint64(given[i]) / sum : 0;
            if (i == best) continue;
            vm.assertEq(uint256(_vested(i)) + _unvested(i), part, vm.toString(i));
            others += part;
        }
        vm.assertEq(uint256(_vested(best)) + _unvested(best), sum == 0 ? 0 : 250 * ONE - others, "best");
    }

    // ---------------------------------------------------------------- pieces

    function _rateTask(uint64 rate) private {
        TaskConfig memory c = _config();
        (c.roundBudget, c.rate) = (0, rate);
        _started(c, 4);
    }

    /// @dev Of four who committed; the others lose their stakes.
    function _oneOpens() private {
        for (uint32 i; i < 4; ++i) {
            _commit(i);
        }
        _open(0, 0);
        _advance();
    }

    function _vestingTask(uint8 vestingRounds, uint32 rounds) private {
        TaskConfig memory c = _config();
        (c.vestingRounds, c.rounds) = (vestingRounds, rounds);
        c.roundBudget = uint64(BUDGET) / rounds < BOND ? uint64(BUDGET) / rounds : 250 * ONE;
        _started(c, 4);
    }

    function _end() private {
        vm.prank(publisher);
        task.cancel();
        _advance();
    }

    /// @dev Nobody's part is a whole unit: all of it is a remainder, also in a slot that still has an earlier round's credits.
    function test_APayoutOfLessThanItsMembersIsAllRemainder() public {
        TaskConfig memory c = _config();
        (c.roundBudget, c.vestingRounds) = (2, 1);
        _started(c, 4);
        for (uint256 i; i < 3; ++i) {
            _round(4);
        }
        vm.assertEq(_vested(0) + _unvested(0), 6);
        vm.assertEq(_unvested(1), 0);
    }
}
