// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITaskFactory} from "../src/interfaces/ITaskFactory.sol";
import {ITrainingTask} from "../src/interfaces/ITrainingTask.sol";
import {Phase, Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.sol";

/// @title Making consortia, and the configurations of them that contradict themselves
contract ConsortiumFactoryTest is ConsortiumFixture {
    function test_AConsortiumKnowsItsConfigurationAndFounders() public {
        TaskConfig memory c = _consortiumConfig();
        _createConsortium(c);
        (c.publisher, c.decimals) = (publisher, 18);
        vm.assertEq(consortium.configuration(), abi.encode(c));
        for (uint32 i; i < 4; ++i) {
            vm.assertTrue(consortium.isAllowed(_account(i)));
        }
        vm.assertEq(task.ledger().escrow, BUDGET);
        // The last field of the configuration, read by the contract itself.
        for (uint32 i; i < 4; ++i) {
            _enrol(i);
        }
        for (uint256 i; i < 4; ++i) {
            _advance();
        }
        vm.assertEq(task.round().deadline, vm.getBlockTimestamp() + c.closingDuration);
    }

    function test_NeitherAConsortiumNorItsImplementationIsInitialisedAgain() public {
        _createConsortium(_consortiumConfig());
        vm.expectRevert(ITrainingTask.AlreadyInitialized.selector);
        consortium.initialize(_founders(), BUDGET);
        ITrainingTask bare = ITrainingTask(consortiumFactory.consortium());
        vm.expectRevert(abi.encodeWithSelector(ITrainingTask.WrongPhase.selector, Phase.Cancelled));
        bare.advance();
    }

    function test_ContradictionsAreRefused() public {
        TaskConfig memory c = _consortiumConfig();
        c.capacity = 17;
        _expectRefused(c);
        c = _consortiumConfig();
        c.minTrainers = 5; // more than there are founders, and nobody is admitted before the rounds
        c.capacity = 5;
        _expectRefused(c);
        c = _consortiumConfig();
        (c.selection, c.cohortSize) = (Selection.Random, 3);
        _expectRefused(c);
        c = _consortiumConfig();
        c.relayed = true;
        _expectRefused(c);
        c = _consortiumConfig();
        (c.roundBudget, c.rate) = (0, ONE);
        _expectRefused(c);
        c = _consortiumConfig();
        c.rate = ONE;
        _expectRefused(c);
        c = _consortiumConfig();
        c.aggregationDuration = 0;
        _expectRefused(c);
        c = _consortiumConfig();
        c.tolerance = 0;
        _expectRefused(c);
        c = _consortiumConfig();
        (c.commitReveal, c.revealDuration) = (false, 0);
        _expectRefused(c);
        c = _consortiumConfig();
        c.aggregator = aggregator; // no founder
        _expectRefused(c);
        c = _consortiumConfig();
        c.rounds = 0;
        _expectRefused(c);
    }

    function test_MoneyThatDoesNotAddUpIsRefused() public {
        TaskConfig memory c = _consortiumConfig();
        c.evaluationPool = 50 * ONE + 1; // four rounds of 250
        _expectRefused(c);
        c.evaluationPool = 50 * ONE;
        _createConsortium(c);
        c = _consortiumConfig();
        c.bond = type(uint56).max / 256;
        _expectRefused(c);
    }

    function test_ABondMayBeAnyAmount() public {
        TaskConfig memory c = _consortiumConfig();
        c.bond = 0;
        _createConsortium(c);
        c.bond = 1;
        _createConsortium(c);
        c.bond = 1_000 * ONE;
        _createConsortium(c);
    }

    function test_FoundersAreTwoToSixteenAndDistinct() public {
        TaskConfig memory c = _consortiumConfig();
        founders = 1;
        c.minTrainers = 1;
        _expectRefused(c);
        founders = 17;
        _expectRefused(c);
        address[] memory twice = new address[](3);
        (twice[0], twice[1], twice[2]) = (_account(0), _account(1), _account(0));
        token.approve(address(consortiumFactory), type(uint256).max);
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        consortiumFactory.createTask(ITaskFactory.Kind.Consortium, c, twice, BUDGET, _noPermit());
        founders = 16;
        _createConsortium(c);
        founders = 2;
        _createConsortium(c);
    }

    function test_ANamedAggregatorIsAFounder() public {
        TaskConfig memory c = _consortiumConfig();
        c.aggregator = _account(3);
        _createConsortium(c);
        c.aggregator = _account(0);
        _createConsortium(c);
    }

    function test_ACrowdHasNeitherAPoolNorATolerance() public {
        TaskConfig memory c = _config();
        token.approve(address(consortiumFactory), type(uint256).max);
        (c.roundBudget, c.evaluationPool) = (200 * ONE, ONE);
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        consortiumFactory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
        (c.evaluationPool, c.tolerance) = (0, 1);
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        consortiumFactory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
        c.tolerance = 0;
        consortiumFactory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), BUDGET, _noPermit());
    }

    function _expectRefused(TaskConfig memory c) private {
        address[] memory list = _founders();
        token.approve(address(consortiumFactory), type(uint256).max);
        vm.expectRevert(ITrainingTask.InvalidConfig.selector);
        consortiumFactory.createTask(ITaskFactory.Kind.Consortium, c, list, BUDGET, _noPermit());
    }
}
