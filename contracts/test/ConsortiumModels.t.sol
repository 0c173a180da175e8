// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsortiumTask} from "../src/interfaces/IConsortiumTask.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Vm} from "./Cheats.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.sol";

/// @title Agreement on a consortium's next model: more than half of the cohort name the same content
contract ConsortiumModelsTest is ConsortiumFixture {
    bytes32 private constant MODEL = keccak256("agreed");

    function test_MoreThanHalfOfTheCohortAgree() public {
        _settled(_consortiumConfig());
        vm.expectEmit(address(consortium));
        emit ITrainingTask.ModelSubmitted(1, _account(2), MODEL, SIZE);
        _voteModel(2, MODEL);
        _voteModel(0, MODEL);
        _assertPhase(Phase.Aggregation);
        vm.recordLogs();
        _voteModel(3, MODEL);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[1].topics[0], ITrainingTask.RoundFinalized.selector);
        vm.assertEq(logs[1].data, abi.encode(MODEL, SIZE, task.ledger().credits));
        vm.assertEq(_number(), 2);
        vm.assertEq(task.model().digest, MODEL);
        vm.assertEq(task.round().payout, task.ledger().credits, "trainers' and judges'");
    }

    function test_AVoteIsCastOnceByMembersOfTheCohortInTime() public {
        founders = 5;
        TaskConfig memory c = _consortiumConfig();
        c.capacity = 5;
        _startedConsortium(c, 4);
        _enrol(4);
        _refuseVote(0, MODEL, abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Training));
        _commitAndOpen(4);
        _advance();
        _assertPhase(Phase.Aggregation);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, stranger));
        vm.prank(stranger);
        consortium.submitModel(1, MODEL, SIZE);
        _refuseVote(4, MODEL, abi.encodeWithSelector(ITrainingTask.NotInCohort.selector, 4));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongRound.selector, 1));
        vm.prank(_account(0));
        consortium.submitModel(2, MODEL, SIZE);
        _voteModel(0, MODEL);
        _refuseVote(0, keccak256("changed its mind"), abi.encodeWithSelector(IConsortiumTask.AlreadyVoted.selector, 0));
        _expel(1);
        _refuseVote(1, MODEL, abi.encodeWithSelector(IConsortiumTask.NotAllowed.selector, _account(1)));
        uint256 deadline = task.round().deadline;
        _later(500);
        _refuseVote(2, MODEL, abi.encodeWithSelector(ITrainingTask.DeadlinePassed.selector, deadline));
    }

    function test_AModelOfAnotherSizeIsAnother() public {
        _settled(_consortiumConfig());
        _voteModel(0, MODEL);
        _voteModel(1, MODEL);
        vm.prank(_account(2));
        consortium.submitModel(1, MODEL, SIZE + 1);
        _assertPhase(Phase.Aggregation);
        _voteModel(3, MODEL);
        vm.assertEq(_number(), 2);
        vm.assertEq(task.model().size, SIZE);
    }

    function test_WithoutAgreementTheModelIsKeptAndCreditsStand() public {
        _settled(_consortiumConfig());
        uint256 credits = task.ledger().credits;
        _voteModel(0, MODEL);
        _voteModel(1, MODEL);
        _voteModel(2, keccak256("another"));
        _voteModel(3, keccak256("another"));
        _assertPhase(Phase.Aggregation);
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 2);
        vm.assertEq(task.model().digest, keccak256("genesis"));
        vm.assertEq(task.ledger().credits, credits);
    }

    function test_WithoutAgreementTwiceInARowTheTaskIsCancelled() public {
        _settled(_consortiumConfig());
        _advance();
        _commitAndOpen(4);
        _advance();
        _assertPhase(Phase.Aggregation);
        vm.recordLogs();
        _advance();
        _assertPhase(Phase.Cancelled);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[1].data, abi.encode(uint8(4)));
        _everythingGoesHome();
    }

    function test_AgreementInBetweenStartsTheCountAgain() public {
        _settled(_consortiumConfig());
        _advance();
        _consortiumRound(4);
        _commitAndOpen(4);
        _advance();
        _advance();
        _assertPhase(Phase.Training);
        vm.assertEq(_number(), 4);
    }

    /// @dev More different models than are kept apart: nobody can have a majority any more, and nothing breaks.
    function test_AsManyModelsAsMembersAgreeOnNone() public {
        _settled(_consortiumOf(16));
        for (uint32 i; i < 8; ++i) {
            _voteModel(i, bytes32(uint256(i)));
        }
        for (uint32 i = 8; i < 16; ++i) {
            _voteModel(i, MODEL);
        }
        _assertPhase(Phase.Aggregation);
        _refuseVote(15, MODEL, abi.encodeWithSelector(IConsortiumTask.AlreadyVoted.selector, 15));
        _advance();
        vm.assertEq(task.model().digest, keccak256("genesis"));
    }

    function test_TheEighthDifferentModelCanStillWin() public {
        _settled(_consortiumOf(16));
        for (uint32 i; i < 7; ++i) {
            _voteModel(i, bytes32(uint256(i)));
        }
        for (uint32 i = 7; i < 16; ++i) {
            _assertPhase(Phase.Aggregation);
            _voteModel(i, MODEL);
        }
        vm.assertEq(task.model().digest, MODEL);
    }

    // ---------------------------------------------------------------- a named aggregator

    function test_ANamedAggregatorProposesAndTheOthersConfirm() public {
        TaskConfig memory c = _consortiumConfig();
        c.aggregator = _account(2);
        _settled(c);
        _refuseVote(0, MODEL, abi.encodeWithSelector(IConsortiumTask.NotProposed.selector, MODEL));
        _voteModel(2, MODEL);
        bytes32 another = keccak256("another");
        _refuseVote(0, another, abi.encodeWithSelector(IConsortiumTask.NotProposed.selector, another));
        _refuseVote(2, another, abi.encodeWithSelector(IConsortiumTask.AlreadyVoted.selector, 2));
        _voteModel(0, MODEL);
        _voteModel(1, MODEL);
        vm.assertEq(task.model().digest, MODEL);
    }

    function test_ASilentAggregatorCostsTwoRoundsAtMost() public {
        TaskConfig memory c = _consortiumConfig();
        c.aggregator = _account(2);
        _settled(c);
        _advance();
        _commitAndOpen(4);
        _advance();
        _advance();
        _assertPhase(Phase.Cancelled);
        _everythingGoesHome();
    }

    // ---------------------------------------------------------------- pieces

    /// @dev In the Aggregation phase of the first round.
    function _settled(TaskConfig memory c) private {
        _revealedConsortium(c);
        _judgeAndOpen(_honest(_worth(founders)));
    }

    function _refuseVote(uint32 index, bytes32 digest, bytes memory reason) private {
        uint32 number = _number();
        vm.expectRevert(reason);
        vm.prank(_account(index));
        consortium.submitModel(number, digest, SIZE);
    }

    function _everythingGoesHome() private {
        for (uint32 i; i < founders; ++i) {
            _withdraw(i);
            consortium.withdrawBond(i);
        }
        consortium.refund();
        vm.assertEq(token.balanceOf(address(consortium)), 0);
    }
}
