// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {ITaskFactory} from "../src/interfaces/ITaskFactory.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Permit, Phase, Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Making tasks: funding, permits, tokens that are refused, configurations that contradict themselves
contract FactoryTest is TaskFixture {
    function test_ATaskKnowsItsConfigurationBudgetAndPublisher() public {
        TaskConfig memory c = _config();
        (c.publisher, c.decimals) = (stranger, 7); // the factory writes the caller's and the token's instead
        _create(c);
        TaskConfig memory stored = abi.decode(task.configuration(), (TaskConfig));
        vm.assertEq(stored.publisher, publisher);
        (c.publisher, c.decimals) = (publisher, 18);
        vm.assertEq(keccak256(abi.encode(stored)), keccak256(abi.encode(c)));
        vm.assertEq(task.ledger().escrow, BUDGET);
        vm.assertEq(task.model().digest, c.genesisDigest);
        vm.assertEq(task.model().size, c.genesisSize);
        vm.assertEq(task.evaluatorAt(1).account, standby);
        vm.assertEq(task.inBaseUnits(3), 3e9);
        vm.assertEq(task.round().deadline, vm.getBlockTimestamp() + 100);
        // The last field of the configuration, read by the contract itself.
        _bond(0);
        for (uint32 i; i < 4; ++i) {
            _join(i);
        }
        for (uint256 i; i < 4; ++i) {
            _advance();
        }
        vm.assertEq(task.round().deadline, vm.getBlockTimestamp() + c.closingDuration);
    }

    function test_TheBudgetMayComeByPermit() public {
        token.transfer(publisher, uint256(BUDGET) * 1e9);
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        Permit memory p = Permit(uint256(BUDGET) * 1e9, vm.getBlockTimestamp(), 0, 0, 0);
        bytes32 structHash = keccak256(abi.encode(typeHash, publisher, address(factory), p.value, 0, p.deadline));
        (p.v, p.r, p.s) =
            vm.sign(1_000_001, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
        vm.prank(publisher);
        address made = factory.createTask(ITaskFactory.Kind.Crowdsourcing, _config(), _evaluators(), BUDGET, p);
        vm.assertEq(token.balanceOf(made), p.value);
    }

    function test_AKindWithoutImplementationIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(ITaskFactory.UnsupportedKind.selector, ITaskFactory.Kind.Consortium));
        factory.createTask(ITaskFactory.Kind.Consortium, _config(), _evaluators(), BUDGET, _noPermit());
    }

    function test_NeitherATaskNorTheImplementationIsInitialisedAgain() public {
        _create(_config());
        vm.expectRevert(ITrainingTask.AlreadyInitialized.selector);
        task.initialize(_evaluators(), BUDGET);
        vm.expectRevert(ITrainingTask.AlreadyInitialized.selector);
        implementation.initialize(_evaluators(), BUDGET);
    }

    function test_TheImplementationIsNobodysTask() public {
        vm.assertEq(uint256(implementation.round().phase), uint256(Phase.Cancelled));
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Cancelled));
        implementation.advance();
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Cancelled));
        implementation.join(stranger, _noPermit(), "");
    }

    // ---------------------------------------------------------------- tokens

    function test_ATokenThatTakesAFeeIsRefusedForTheBudget() public {
        _expectTokenRefused(new FeeToken(18, 100), ITrainingTask.UnsupportedToken.selector);
    }

    function test_ATokenWithTooFewDecimalsIsRefused() public {
        _expectTokenRefused(new FeeToken(0, 0), ITrainingTask.UnsupportedToken.selector);
        _expectTokenRefused(new FeeToken(8, 0), ITrainingTask.UnsupportedToken.selector);
    }

    function test_NineDecimalsAreEnough() public {
        _expectTokenTaken(new FeeToken(9, 0), BUDGET);
    }

    function test_ThirtySixDecimalsAreNotTooMany() public {
        _expectTokenTaken(new FeeToken(36, 0), uint256(BUDGET) * 1e27);
    }

    function test_ATokenThatStartsTakingAFeeIsRefusedForTheStake() public {
        FeeToken fee = _feeTask();
        fee.setFee(1);
        vm.prank(_account(0));
        vm.expectRevert(ITrainingTask.UnsupportedToken.selector);
        task.join(_account(0), _noPermit(), "");
    }

    function test_ATokenThatRevertsIsRefused() public {
        TaskConfig memory c = _config();
        c.token = address(new RevertingToken());
        vm.expectRevert(RevertingToken.Refused.selector);
        factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
    }

    function test_WithoutAllowanceNothingIsMade() public {
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientAllowance.selector);
        factory.createTask(ITaskFactory.Kind.Crowdsourcing, _config(), _evaluators(), BUDGET, _noPermit());
    }

    function test_ATokenCannotReenter() public {
        FeeToken fee = _feeTask();
        fee.callDuringTransfer(address(task), abi.encodeCall(task.join, (stranger, _noPermit(), "")));
        vm.prank(_account(0));
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        task.join(_account(0), _noPermit(), "");
    }

    // ---------------------------------------------------------------- configurations

    function test_ContradictionsAreRefused() public {
        TaskConfig memory c = _config();
        c.rounds = 0;
        _expectRefused(c);
        c = _config();
        c.minTrainers = 0;
        _expectRefused(c);
        c = _config();
        c.capacity = 1;
        _expectRefused(c);
        c = _config();
        (c.capacity, c.selection) = (65_537, Selection.Random);
        _expectRefused(c);
        c = _config();
        c.maxUpdateSize = 0;
        _expectRefused(c);
        c = _config();
        c.rate = 1;
        _expectRefused(c);
        c = _config();
        c.roundBudget = 0;
        _expectRefused(c);
        c = _config();
        c.capacity = 2_049;
        _expectRefused(c);
        c = _config();
        (c.selection, c.cohortSize) = (Selection.FirstCome, 0);
        _expectRefused(c);
        c = _config();
        c.cohortSize = 2_049;
        _expectRefused(c);
        c = _config();
        c.vestingRounds = 17;
        _expectRefused(c);
        c = _config();
        c.aggregator = aggregator;
        c.aggregationDuration = 0;
        _expectRefused(c);
    }

    function test_WhatIsJustAllowedIsTaken() public {
        TaskConfig memory c = _config();
        (c.vestingRounds, c.capacity, c.cohortSize) = (16, 2_048, 2_048);
        _create(c);
        TaskConfig memory stored = abi.decode(task.configuration(), (TaskConfig));
        vm.assertEq(stored.vestingRounds, 16);
        vm.assertEq(stored.cohortSize, 2_048);
    }

    function test_WithoutAPermitNoneIsAskedFor() public {
        TaskConfig memory c = _config();
        vm.expectCall(address(token), abi.encodeWithSelector(IERC20Permit.permit.selector), 0);
        _create(c);
        _join(0);
    }

    function test_WithoutAStakeTheTokenIsNotAsked() public {
        TaskConfig memory c = _config();
        c.stake = 0;
        _create(c);
        vm.expectCall(address(token), abi.encodeWithSelector(IERC20.transferFrom.selector), 0);
        vm.prank(_account(0));
        task.join(_account(0), _noPermit(), "");
    }

    /// @dev A signature that nobody made recovers to the zero address, for which nobody joins.
    function test_NobodyJoinsForTheZeroAddress() public {
        TaskConfig memory c = _config();
        c.stake = 0;
        _create(c);
        vm.expectRevert(ITrainingTask.InvalidSignature.selector);
        task.join(address(0), _noPermit(), new bytes(65));
    }

    function test_EveryPhaseNeedsTime() public {
        TaskConfig memory c = _config();
        c.enrolmentDuration = 0;
        _expectRefused(c);
        c = _config();
        c.trainingDuration = 0;
        _expectRefused(c);
        c = _config();
        c.revealDuration = 0;
        _expectRefused(c);
        c = _config();
        c.evaluationDuration = 0;
        _expectRefused(c);
        c = _config();
        c.closingDuration = 0;
        _expectRefused(c);
    }

    /// @dev A phase of one block would be nobody's but who makes the block's.
    function test_NoPhaseIsShorterThanTheFactorysLeast() public {
        TaskConfig memory c = _config();
        c.enrolmentDuration = LEAST - 1;
        _expectRefused(c);
        c = _config();
        c.trainingDuration = LEAST - 1;
        _expectRefused(c);
        c = _config();
        c.revealDuration = LEAST - 1;
        _expectRefused(c);
        c = _config();
        c.evaluationDuration = LEAST - 1;
        _expectRefused(c);
        c = _config();
        c.closingDuration = LEAST - 1;
        _expectRefused(c);
        c = _config();
        (c.aggregator, c.aggregationDuration) = (aggregator, LEAST - 1);
        _expectRefused(c);
        c = _config();
        c.enrolmentDuration = c.trainingDuration = c.revealDuration = LEAST;
        c.evaluationDuration = c.closingDuration = LEAST;
        _create(c);
    }

    function test_AFactoryNeedsAnImplementationAndALeastDuration() public {
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        vm.deployCode("TaskFactory.sol:TaskFactory", abi.encode(address(0), address(0), address(0), LEAST));
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        vm.deployCode("TaskFactory.sol:TaskFactory", abi.encode(implementation, address(0), address(0), 0));
    }

    function test_ATokenCannotChangeItsDecimalsLater() public {
        FeeToken fee = _feeTask();
        fee.setDecimals(9);
        vm.prank(_account(0));
        task.join(_account(0), _noPermit(), "");
        vm.assertEq(fee.balanceOf(address(task)), (uint256(BUDGET) + STAKE) * 1e9, "as many units as before");
        fee.setDecimals(0);
        _later(100);
        task.advance();
        task.refund();
        vm.assertEq(fee.balanceOf(address(task)), uint256(STAKE) * 1e9);
    }

    function test_ATokenWithTooManyDecimalsIsRefused() public {
        _expectTokenRefused(new FeeToken(37, 0), ITrainingTask.UnsupportedToken.selector);
    }

    function test_MoneyThatDoesNotAddUpIsRefused() public {
        TaskConfig memory c = _config();
        c.rounds = 5; // 5 × 250 > 1000
        _expectRefused(c);
        c = _config();
        c.bond = 250 * ONE - 1;
        _expectRefused(c);
        c = _config();
        (c.roundBudget, c.rate) = (0, ONE); // a round's share of the budget is 250
        c.bond = 250 * ONE - 1;
        _expectRefused(c);
        c = _config();
        c.stake = type(uint56).max / 65_536;
        _expectRefused(c);
    }

    function test_EvaluatorsAreOneToSixteen() public {
        TaskConfig memory c = _config();
        _fundFactory();
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, new address[](0), BUDGET, _noPermit());
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, new address[](17), BUDGET, _noPermit());
        factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, new address[](16), BUDGET, _noPermit());
    }

    // ---------------------------------------------------------------- pieces

    function _expectRefused(TaskConfig memory c) private {
        _fundFactory();
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
    }

    function _fundFactory() private {
        token.approve(address(factory), type(uint256).max);
    }

    function _expectTokenRefused(FeeToken fee, bytes4 reason) private {
        TaskConfig memory c = _config();
        c.token = address(fee);
        fee.approve(address(factory), type(uint256).max);
        vm.expectRevert(reason);
        factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
    }

    /// @dev A task is made with this token, whose budget is so many of its base units.
    function _expectTokenTaken(FeeToken fee, uint256 units) private {
        TaskConfig memory c = _config();
        c.token = address(fee);
        fee.approve(address(factory), units);
        address made = factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
        vm.assertEq(fee.balanceOf(made), units);
    }

    function _feeTask() private returns (FeeToken fee) {
        fee = new FeeToken(18, 0);
        TaskConfig memory c = _config();
        c.token = address(fee);
        fee.approve(address(factory), type(uint256).max);
        task = CrowdsourcingTask(
            factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit())
        );
        fee.transfer(_account(0), 1e24);
        vm.prank(_account(0));
        fee.approve(address(task), type(uint256).max);
    }
}

/// @dev Burns a part of every transfer, calls back when told to.
contract FeeToken is ERC20 {
    uint8 private _decimals;
    uint256 private _perMille;
    address private _target;
    bytes private _call;

    constructor(uint8 decimals_, uint256 perMille) ERC20("Fee", "FEE") {
        _decimals = decimals_;
        _mint(msg.sender, type(uint160).max);
        _perMille = perMille;
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    function setDecimals(uint8 decimals_) external {
        _decimals = decimals_;
    }

    function setFee(uint256 perMille) external {
        _perMille = perMille;
    }

    function callDuringTransfer(address target, bytes calldata call) external {
        (_target, _call) = (target, call);
    }

    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = from == address(0) ? 0 : value * _perMille / 1000;
        if (fee != 0) super._update(from, address(0), fee);
        super._update(from, to, value - fee);
        if (_target != address(0)) {
            (bool done, bytes memory result) = _target.call(_call);
            if (!done) {
                assembly ("memory-safe") {
                    revert(add(result, 0x20), mload(result))
                }
            }
        }
    }
}

contract RevertingToken {
    error Refused();

    function decimals() external pure returns (uint8) {
        return 18;
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        revert Refused();
    }
}
