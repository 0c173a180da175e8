// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ConsortiumTask} from "../src/ConsortiumTask.sol";
import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {TaskFactory} from "../src/TaskFactory.sol";
import {ITaskFactory} from "../src/interfaces/ITaskFactory.sol";
import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title A consortium, and the moves of its honest members
/// @dev `task` is the same clone as `consortium`, for what every task does. The founders are the accounts of the first
/// members of the fixture; they all see the probe's digest `PROBE`.
abstract contract ConsortiumFixture is TaskFixture {
    uint64 internal constant ROUND = 200 * ONE;
    uint64 internal constant POOL = 40 * ONE;
    uint64 internal constant MEMBER_BOND = 20 * ONE;
    bytes32 internal constant PROBE = keccak256("probe");

    ConsortiumTask internal consortium;
    TaskFactory internal consortiumFactory;
    uint32 internal founders = 4;

    function setUp() public virtual override {
        super.setUp();
        address made = vm.deployCode("ConsortiumTask.sol:ConsortiumTask");
        consortiumFactory = TaskFactory(
            vm.deployCode("TaskFactory.sol:TaskFactory", abi.encode(implementation, made, address(0), LEAST))
        );
    }

    // ---------------------------------------------------------------- making tasks

    /// @dev Four members, four rounds of 200 tokens for updates and 40 for judging.
    function _consortiumConfig() internal view returns (TaskConfig memory c) {
        c = _config();
        c.publicAudit = false;
        c.roundBudget = ROUND;
        c.evaluationPool = POOL;
        c.tolerance = 5e8;
        c.bond = MEMBER_BOND;
    }

    function _founders() internal view returns (address[] memory list) {
        list = new address[](founders);
        for (uint32 i; i < founders; ++i) {
            list[i] = _account(i);
        }
    }

    function _createConsortium(TaskConfig memory c) internal {
        token.transfer(publisher, uint256(BUDGET) * 1e9);
        vm.startPrank(publisher);
        token.approve(address(consortiumFactory), type(uint256).max);
        consortium = ConsortiumTask(
            consortiumFactory.createTask(ITaskFactory.Kind.Consortium, c, _founders(), BUDGET, _noPermit())
        );
        vm.stopPrank();
        task = CrowdsourcingTask(address(consortium));
    }

    /// @dev A task whose first round has begun with `members` of the founders.
    function _startedConsortium(TaskConfig memory c, uint32 members) internal {
        _createConsortium(c);
        for (uint32 i; i < members; ++i) {
            _enrol(i);
        }
        if (_phase() == Phase.Enrolment) _advance();
        _assertPhase(Phase.Training);
    }

    function _startedConsortium() internal {
        _startedConsortium(_consortiumConfig(), founders);
    }

    /// @dev In the Evaluation phase of the first round, with an update of each founder.
    function _revealedConsortium(TaskConfig memory c) internal {
        _startedConsortium(c, founders);
        _commitAndOpen(founders);
    }

    function _revealedConsortium() internal {
        _revealedConsortium(_consortiumConfig());
    }

    /// @dev `count` founders and as many places.
    function _consortiumOf(uint32 count) internal returns (TaskConfig memory c) {
        c = _consortiumConfig();
        (founders, c.capacity) = (count, count);
    }

    /// @dev As member `index` of the fixture, which need not be its index in the task.
    function _enrol(uint32 index) internal {
        TaskConfig memory c = abi.decode(consortium.configuration(), (TaskConfig));
        _fund(_account(index), c.stake + c.bond);
        vm.prank(_account(index));
        consortium.join(_account(index), _noPermit(), "");
    }

    /// @dev By the votes of member 0 and of as many others as it takes.
    function _expel(uint32 index) internal {
        vm.prank(_account(0));
        uint256 proposal = consortium.propose(_account(index), false);
        for (uint32 i = 1; _isActive(index); ++i) {
            if (i == index) continue;
            vm.prank(_account(i));
            consortium.vote(proposal);
        }
    }

    // ---------------------------------------------------------------- a round

    function _scoreCommitment(uint32 index, bytes32 probe, bytes memory scores) internal view returns (bytes32) {
        return
            keccak256(abi.encode(block.chainid, address(consortium), _number(), index, probe, keccak256(scores), SALT));
    }

    function _judgeWith(uint32 index, bytes32 probe, bytes memory scores) internal {
        bytes32 commitment = _scoreCommitment(index, probe, scores);
        vm.prank(_account(index));
        consortium.commitScores(_number(), index, commitment);
    }

    function _judge(uint32 index, int64[] memory scores) internal {
        _judgeWith(index, PROBE, _pack(scores));
    }

    function _openScores(uint32 index, int64[] memory scores) internal {
        vm.prank(stranger);
        consortium.revealScores(_number(), index, PROBE, _pack(scores), SALT);
    }

    /// @dev Members 0 … `count` - 1 commit and open `vectors`.
    function _judgeAndOpen(int64[][] memory vectors) internal {
        for (uint32 i; i < vectors.length; ++i) {
            _judge(i, vectors[i]);
        }
        if (_phase() == Phase.Evaluation) _advance();
        for (uint32 i; i < vectors.length; ++i) {
            _openScores(i, vectors[i]);
        }
        _assertPhase(Phase.Aggregation);
    }

    /// @dev What `count` honest judges give for true values `worth`: each all but its own.
    function _honest(uint256[] memory worth) internal pure returns (int64[][] memory vectors) {
        vectors = new int64[][](worth.length);
        for (uint256 i; i < worth.length; ++i) {
            vectors[i] = new int64[](worth.length - 1);
            for (uint256 t; t < worth.length; ++t) {
                if (t != i) vectors[i][t < i ? t : t - 1] = int64(uint64(worth[t]));
            }
        }
    }

    function _worth(uint256 count) internal pure returns (uint256[] memory worth) {
        worth = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            worth[i] = 1e9;
        }
    }

    /// @dev The vector of a judge who gives all others the same.
    function _flat(uint256 count) internal pure returns (int64[] memory) {
        return _equal(count - 1);
    }

    /// @dev Members 0 … `count` - 1 commit what equal members deserve, and go on to ScoreReveal.
    function _judgeAll(uint32 count) internal {
        for (uint32 i; i < count; ++i) {
            _judge(i, _flat(founders));
        }
        if (_phase() == Phase.Evaluation) _advance();
        _assertPhase(Phase.ScoreReveal);
    }

    function _voteModel(uint32 index, bytes32 digest) internal {
        uint32 number = _number();
        vm.prank(_account(index));
        consortium.submitModel(number, digest, SIZE);
    }

    /// @dev As many votes for the same model as it takes.
    function _agree(uint32 members) internal {
        bytes32 digest = _modelOf(_number()).digest;
        for (uint32 i; i <= members / 2; ++i) {
            _voteModel(i, digest);
        }
    }

    /// @dev A whole round of `count` members of equal worth.
    function _consortiumRound(uint32 count) internal {
        _commitAndOpen(count);
        _judgeAndOpen(_honest(_worth(count)));
        _agree(count);
    }
}
