// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {FuzzTarget} from "./FuzzTarget.sol";
import {Handler} from "./Handler.sol";
import {Variants} from "./Variants.sol";

/// @title What holds after any moves in any order
contract InvariantsTest is FuzzTarget {
    Handler private handler;

    function setUp() public {
        handler = Handler(vm.deployCode("Handler.sol:Handler"));
        handler.setUp();
    }

    function _target() internal view override returns (address) {
        return address(handler);
    }

    function _moves() internal view override returns (bytes4[] memory selectors) {
        selectors = new bytes4[](24);
        selectors[0] = handler.join.selector;
        selectors[1] = handler.leave.selector;
        selectors[2] = handler.bondStandby.selector;
        selectors[3] = handler.commit.selector;
        selectors[4] = handler.commitAsStranger.selector;
        selectors[5] = handler.open.selector;
        selectors[6] = handler.withdraw.selector;
        selectors[7] = handler.cancelAsStranger.selector;
        selectors[8] = handler.cancel.selector;
        selectors[9] = handler.refund.selector;
        selectors[10] = handler.passTime.selector;
        for (uint256 i; i < 3; ++i) {
            selectors[11 + i] = handler.commitAll.selector;
            selectors[14 + i] = handler.openAll.selector;
            selectors[17 + i] = handler.evaluate.selector;
        }
        selectors[20] = handler.objectTo.selector;
        selectors[21] = handler.objectAll.selector;
        selectors[22] = handler.clear.selector;
        selectors[23] = handler.withdrawBond.selector;
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
        vm.assertEq(
            handler.credited(), handler.withdrawn() + handler.forfeited() + ledgerCredits, "earned, then only moved"
        );
    }

    function invariant_ARoundPaysExactlyItsPayout() external view {
        vm.assertEq(handler.wrongPayouts(), 0);
    }

    function invariant_PhasesMoveForward() external view {
        vm.assertEq(handler.phasesBack(), 0);
    }

    function invariant_OnlyMembersOfTheCohortCommitInTime() external view {
        vm.assertEq(handler.outsidersCommitted(), 0);
    }

    function invariant_OnlyWhoRevealedObjectsInTime() external view {
        vm.assertEq(handler.wrongObjections(), 0);
    }

    function invariant_OnlyThePublisherCancels() external view {
        vm.assertEq(handler.strangersCancelled(), 0);
    }

    function invariant_CountsAgreeWithTheBitmaps() external view {
        (,, bool agree) = handler.counts();
        vm.assertTrue(agree);
    }

    /// @dev The handler does get somewhere: scripted moves pay a round.
    function test_TheHandlerPlaysWholeRounds() external {
        handler.passTime();
        for (uint256 i; i < 6; ++i) {
            handler.commitAll();
            handler.openAll();
            handler.evaluate([int64(3), 1, 1, 1, 1, 1, 1, 1], uint32(i % 2), 3);
        }
        vm.assertEq(handler.roundsPaid(), 6);
        vm.assertEq(handler.wrongPayouts(), 0);
    }

    /// @dev And objections do remove an evaluator.
    function test_TheHandlerUpholdsObjections() external {
        handler.passTime();
        handler.bondStandby();
        handler.commitAll();
        handler.openAll();
        handler.evaluate([int64(3), 1, 1, 1, 1, 1, 1, 1], 0, 3);
        handler.objectAll(0);
        vm.assertEq(handler.upheld(), 1);
        vm.assertEq(handler.wrongPayouts(), 0);
        vm.assertEq(handler.wrongObjections(), 0);
    }
}

/// @title The same, in one go, for tasks of every other kind
abstract contract VariantInvariants is FuzzTarget {
    Variants internal handler;

    function _start(Variants.Kind kind) internal {
        handler = Variants(vm.deployCode("Variants.sol:Variants"));
        handler.setUpAs(kind);
    }

    function _target() internal view override returns (address) {
        return address(handler);
    }

    function _moves() internal view override returns (bytes4[] memory selectors) {
        bytes4[18] memory once = [
            handler.join.selector,
            handler.leave.selector,
            handler.bondStandby.selector,
            handler.commit.selector,
            handler.open.selector,
            handler.withdraw.selector,
            handler.cancel.selector,
            handler.refund.selector,
            handler.passTime.selector,
            handler.objectTo.selector,
            handler.objectAll.selector,
            handler.clear.selector,
            handler.withdrawBond.selector,
            handler.commitBatch.selector,
            handler.commitBatch.selector,
            handler.nameModel.selector,
            handler.nameModel.selector,
            handler.turn.selector
        ];
        selectors = new bytes4[](27);
        for (uint256 i; i < 18; ++i) {
            selectors[i] = once[i];
        }
        for (uint256 i; i < 3; ++i) {
            selectors[18 + i] = handler.commitAll.selector;
            selectors[21 + i] = handler.openAll.selector;
            selectors[24 + i] = handler.evaluate.selector;
        }
    }

    function invariant_NothingGoesWrong() external view {
        (uint256 owed, uint256 balance) = handler.holdings();
        vm.assertEq(owed, balance, "escrow + credits + stakes + bonds");
        (uint256 credits, uint256 stakes, uint256 bonds) = handler.totals();
        (uint256 ledgerCredits, uint256 ledgerStakes, uint256 ledgerBonds) = handler.ledgerTotals();
        vm.assertEq(credits, ledgerCredits, "credits");
        vm.assertEq(stakes, ledgerStakes, "stakes");
        vm.assertEq(bonds, ledgerBonds, "bonds");
        vm.assertEq(handler.wrongPayouts() + handler.phasesBack() + handler.outsidersCommitted(), 0);
        vm.assertEq(handler.wrongObjections() + handler.strangersCancelled(), 0);
        (,, bool agree) = handler.counts();
        vm.assertTrue(agree);
    }
}

contract RelayedInvariantsTest is VariantInvariants {
    function setUp() public {
        _start(Variants.Kind.Relayed);
    }

    function test_TheHandlerBringsBatches() external {
        handler.passTime();
        for (uint32 i; i < 5; ++i) {
            handler.commitBatch(i);
        }
        vm.assertEq(handler.acts(), 5);
        handler.openAll();
        handler.evaluate([int64(3), 1, 1, 1, 1, 1, 1, 1], 0, 3);
        vm.assertEq(handler.roundsPaid(), 1);
    }
}

contract RankedInvariantsTest is VariantInvariants {
    function setUp() public {
        _start(Variants.Kind.Ranked);
    }
}

contract AggregatedInvariantsTest is VariantInvariants {
    function setUp() public {
        _start(Variants.Kind.Aggregated);
    }

    function test_TheHandlerNamesModels() external {
        handler.passTime();
        handler.commitAll();
        handler.openAll();
        handler.evaluate([int64(3), 1, 1, 1, 1, 1, 1, 1], 0, 3);
        handler.nameModel("m");
        vm.assertEq(handler.acts(), 1);
    }
}

contract HostileTokenInvariantsTest is VariantInvariants {
    function setUp() public {
        _start(Variants.Kind.HostileToken);
    }

    /// @dev Whatever the token did meanwhile: once it is a token again, everybody can be paid.
    function test_WhoIsOwedIsPaidOnceTheTokenIsOneAgain() external {
        handler.passTime();
        handler.commitAll();
        handler.openAll();
        handler.evaluate([int64(3), 1, 1, 1, 1, 1, 1, 1], 1, 3);
        for (uint8 how = 1; how < 5; ++how) {
            handler.turn(how);
            try handler.withdraw(0) {} catch {}
            (uint256 owed, uint256 balance) = handler.holdings();
            vm.assertEq(owed, balance, vm.toString(how));
        }
        handler.turn(0);
        handler.withdraw(0);
        (uint256 owed_, uint256 balance_) = handler.holdings();
        vm.assertEq(owed_, balance_);
    }
}
