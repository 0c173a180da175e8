// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {FuzzTarget} from "./FuzzTarget.sol";
import {ConsortiumHandler} from "./ConsortiumHandler.sol";

/// @title What holds of a consortium after any moves in any order
contract ConsortiumInvariantsTest is FuzzTarget {
    ConsortiumHandler private handler;

    function setUp() public {
        handler = ConsortiumHandler(vm.deployCode("ConsortiumHandler.sol:ConsortiumHandler"));
        handler.setUp();
    }

    function _target() internal view override returns (address) {
        return address(handler);
    }

    function _moves() internal view override returns (bytes4[] memory selectors) {
        selectors = new bytes4[](34);
        selectors[0] = handler.join.selector;
        selectors[1] = handler.leave.selector;
        selectors[2] = handler.commit.selector;
        selectors[3] = handler.judge.selector;
        selectors[4] = handler.openScores.selector;
        selectors[5] = handler.voteModel.selector;
        selectors[6] = handler.propose.selector;
        selectors[7] = handler.vote.selector;
        selectors[8] = handler.voteAll.selector;
        selectors[9] = handler.withdraw.selector;
        selectors[10] = handler.withdrawBond.selector;
        selectors[11] = handler.cancel.selector;
        selectors[12] = handler.refund.selector;
        selectors[13] = handler.passTime.selector;
        for (uint256 i; i < 4; ++i) {
            selectors[14 + i] = handler.commitAll.selector;
            selectors[18 + i] = handler.openAll.selector;
            selectors[22 + i] = handler.judgeAll.selector;
            selectors[26 + i] = handler.openScoresAll.selector;
            selectors[30 + i] = handler.voteModelAll.selector;
        }
    }

    /// @dev Nothing is given to the task but by its own functions, so what it owes is what it has.
    function invariant_MoneyIsConserved() external view {
        (uint256 owed, uint256 balance) = handler.holdings();
        vm.assertEq(owed, balance, "escrow + credits + stakes + bonds");
        (uint256 credits, uint256 stakes, uint256 bonds) = handler.totals();
        (uint256 ledgerCredits, uint256 ledgerStakes, uint256 ledgerBonds) = handler.ledgerTotals();
        vm.assertEq(credits, ledgerCredits, "credits");
        vm.assertEq(stakes, ledgerStakes, "stakes");
        vm.assertEq(bonds, ledgerBonds, "bonds");
        vm.assertLe(handler.withdrawn() + ledgerCredits, handler.credited(), "nothing but what rounds credited");
    }

    function invariant_ARoundPaysExactlyItsPayout() external view {
        vm.assertEq(handler.wrongPayouts(), 0);
    }

    function invariant_PhasesMoveForward() external view {
        vm.assertEq(handler.phasesBack(), 0);
    }

    function invariant_OnlyMembersOfTheCohortActAndInTime() external view {
        vm.assertEq(handler.outsidersActed(), 0);
    }

    function invariant_CountsAgreeWithTheBitmaps() external view {
        vm.assertTrue(handler.countsAgree());
    }

    /// @dev After every run: deadlines alone bring the task to its end, and the money home.
    function afterInvariant() external {
        handler.runOut();
        vm.assertEq(handler.stuck(), 0);
    }

    /// @dev The handler does get somewhere: scripted moves pay whole rounds.
    function test_TheHandlerPlaysWholeRounds() external {
        handler.passTime();
        int64[16] memory given;
        for (uint256 i; i < 16; ++i) {
            given[i] = int64(uint64((1 << 30) + i * 65_536 + 1));
        }
        uint256 all = type(uint256).max;
        for (uint256 i; i < 6; ++i) {
            handler.commitAll(all);
            handler.openAll();
            handler.judgeAll(given, all);
            handler.openScoresAll(all);
            handler.voteModelAll(all);
        }
        vm.assertEq(handler.roundsSettled(), 6);
        vm.assertEq(handler.roundsAgreed(), 6);
        vm.assertEq(handler.wrongPayouts(), 0);
        handler.runOut();
        vm.assertEq(handler.stuck(), 0);
    }

    /// @dev And votes do expel.
    function test_TheHandlerExpels() external {
        handler.passTime();
        handler.propose(0, 1, false);
        handler.voteAll(0);
        vm.assertEq(handler.expelled(), 1);
        vm.assertEq(handler.outsidersActed(), 0);
    }
}
