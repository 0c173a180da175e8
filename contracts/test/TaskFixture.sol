// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {RewardToken} from "../src/RewardToken.sol";
import {TaskFactory} from "../src/TaskFactory.sol";
import {ITaskFactory} from "../src/interfaces/ITaskFactory.sol";
import {Content, Permit, Phase, Sanction, Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Cheats, Vm} from "./Cheats.sol";

/// @title A factory, a token, and the moves of honest participants
/// @dev Member i has index i, key `_key(i)`, and in round r submits the content `_digest(r, i)`.
abstract contract TaskFixture is Cheats {
    uint64 internal constant ONE = 1e9; // one token in 10⁻⁹
    uint64 internal constant BUDGET = 1_000 * ONE;
    uint64 internal constant STAKE = 10 * ONE;
    uint64 internal constant BOND = 250 * ONE;
    uint32 internal constant SIZE = 1_000;
    uint32 internal constant LEAST = 10; // seconds that a phase of this factory lasts at least

    bytes16 internal constant SALT = bytes16(keccak256("salt"));
    bytes16 internal constant VALIDATION_SALT = bytes16(keccak256("validation salt"));
    bytes32 internal constant VALIDATION = keccak256("validation set");

    address internal publisher = vm.addr(1_000_001);
    address internal evaluator = vm.addr(1_000_002);
    address internal standby = vm.addr(1_000_003);
    address internal aggregator = vm.addr(1_000_004);
    address internal stranger = vm.addr(1_000_005);

    RewardToken internal token;
    TaskFactory internal factory;
    CrowdsourcingTask internal implementation;
    CrowdsourcingTask internal task;

    uint256 private _now = 1_800_000_000;

    function setUp() public virtual {
        vm.warp(_now);
        // By artifact: `new` would make the compiler optimise the contracts once more for every test contract.
        implementation = CrowdsourcingTask(vm.deployCode("CrowdsourcingTask.sol:CrowdsourcingTask"));
        factory = TaskFactory(
            vm.deployCode("TaskFactory.sol:TaskFactory", abi.encode(implementation, address(0), address(0), LEAST))
        );
        token = RewardToken(
            vm.deployCode("RewardToken.sol:RewardToken", abi.encode("Reward", "RWD", 1e9 ether, address(this)))
        );
    }

    // ---------------------------------------------------------------- making tasks

    /// @dev Four trainers, four rounds, 250 tokens a round.
    function _config() internal view returns (TaskConfig memory c) {
        c.token = address(token);
        c.specDigest = keccak256("specification");
        c.specSize = 500;
        c.genesisDigest = keccak256("genesis");
        c.genesisSize = SIZE;
        c.maxUpdateSize = 2_000;
        c.rounds = 4;
        c.capacity = 4;
        c.minTrainers = 2;
        c.cohortSize = 2;
        c.commitReveal = true;
        c.uniqueDigests = true;
        c.publicAudit = true;
        c.faultSuspension = 1;
        c.stake = STAKE;
        c.bond = BOND;
        c.roundBudget = 250 * ONE;
        c.enrolmentDuration = 100;
        c.trainingDuration = 200;
        c.revealDuration = 300;
        c.evaluationDuration = 400;
        c.aggregationDuration = 500;
        c.closingDuration = 600;
    }

    function _evaluators() internal view returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (evaluator, standby);
    }

    function _create(TaskConfig memory c) internal {
        _create(c, BUDGET);
    }

    function _create(TaskConfig memory c, uint64 budget) internal {
        token.transfer(publisher, uint256(budget) * 1e9);
        vm.startPrank(publisher);
        token.approve(address(factory), type(uint256).max);
        task = CrowdsourcingTask(
            factory.createTask(ITaskFactory.Kind.Crowdsourcing, c, _evaluators(), budget, _noPermit())
        );
        vm.stopPrank();
    }

    /// @dev A task whose first round has begun with `members` trainers.
    function _started(TaskConfig memory c, uint32 members) internal {
        _create(c);
        _bond(0);
        for (uint32 i; i < members; ++i) {
            _join(i);
        }
        if (_phase() == Phase.Enrolment) _advance();
        _assertPhase(Phase.Training);
    }

    function _noPermit() internal pure returns (Permit memory) {}

    // ---------------------------------------------------------------- people

    function _key(uint32 index) internal pure returns (uint256) {
        return 1 + uint256(index);
    }

    function _account(uint32 index) internal pure returns (address) {
        return vm.addr(_key(index));
    }

    function _fund(address account, uint64 amount) internal {
        token.transfer(account, uint256(amount) * 1e9);
        vm.prank(account);
        token.approve(address(task), type(uint256).max);
    }

    function _join(uint32 index) internal {
        _fund(_account(index), STAKE);
        vm.prank(_account(index));
        task.join(_account(index), _noPermit(), "");
    }

    function _bond(uint256 place) internal {
        address account = _evaluators()[place];
        _fund(account, BOND);
        vm.prank(account);
        task.bond(place, keccak256(abi.encodePacked(VALIDATION_SALT, VALIDATION)), _noPermit());
    }

    function _leave(uint32 index) internal {
        vm.prank(_account(index));
        task.leave(_number(), index, "");
    }

    // ---------------------------------------------------------------- a round

    function _digest(uint32 number, uint32 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("update", number, index));
    }

    function _commitment(uint32 index, bytes32 digest, uint32 size) internal view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(task), _number(), index, digest, size, SALT));
    }

    function _commitTo(uint32 index, bytes32 digest) internal {
        bytes32 commitment = _commitment(index, digest, SIZE);
        vm.prank(_account(index));
        task.commit(_number(), index, commitment);
    }

    function _commit(uint32 index) internal {
        _commitTo(index, _digest(_number(), index));
    }

    /// @dev Open the direct commitment that took batch `batch`.
    function _openAs(uint256 batch, uint32 index, bytes32 digest) internal {
        task.reveal(_number(), batch, _opening(index, digest, SIZE));
    }

    function _open(uint256 batch, uint32 index) internal {
        _openAs(batch, index, _digest(_number(), index));
    }

    function _entry(uint32 index, bytes32 digest) internal view returns (bytes memory) {
        return abi.encodePacked(index, _commitment(index, digest, SIZE));
    }

    /// @dev An opened entry of `reveal`.
    function _opening(uint32 index, bytes32 digest, uint32 size) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), index, digest, size, SALT);
    }

    /// @dev A signed entry of a batch; `round` is the one signed for.
    function _signedEntry(uint32 index, bytes32 commitment, uint32 round, uint256 key)
        internal
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256("Commit(uint32 round,uint32 index,bytes32 commitment)");
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, _typed(keccak256(abi.encode(typeHash, round, index, commitment))));
        return abi.encodePacked(index, commitment, r, s, v);
    }

    function _signed(uint32 index) internal view returns (bytes memory) {
        bytes32 commitment = _commitment(index, _digest(_number(), index), SIZE);
        return _signedEntry(index, commitment, _number(), _key(index));
    }

    /// @dev Independent of the contract's own code: EIP-712 from its text.
    function _typed(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("bcfl TrainingTask"),
                keccak256("1"),
                block.chainid,
                address(task)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev Members 0 … `count` - 1 commit and open, in order.
    function _commitAndOpen(uint32 count) internal {
        for (uint32 i; i < count; ++i) {
            _commit(i);
        }
        if (_phase() == Phase.Training) _advance();
        for (uint32 i; i < count; ++i) {
            _open(i, i);
        }
        _assertPhase(Phase.Evaluation);
    }

    function _evaluate(int64[] memory scores) internal {
        _evaluateWith(scores, new Sanction[](0), new uint256[](0));
    }

    function _evaluateWith(int64[] memory scores, Sanction[] memory sanctions, uint256[] memory ranking) internal {
        uint32 number = _number();
        address active = task.evaluatorAt(task.round().evaluator).account;
        vm.prank(active);
        task.submitEvaluation(
            number, _pack(scores), _modelOf(number), Content(keccak256("report"), 300), sanctions, ranking
        );
    }

    function _sanctions(Sanction memory one) internal pure returns (Sanction[] memory list) {
        list = new Sanction[](1);
        list[0] = one;
    }

    function _evaluateAndSanction(int64[] memory scores, uint32 index, uint32 rounds) internal {
        _evaluateWith(scores, _sanctions(Sanction(index, rounds, 5, keccak256("evidence"))), new uint256[](0));
    }

    function _modelOf(uint32 number) internal pure returns (Content memory) {
        return Content(keccak256(abi.encode("model", number)), SIZE);
    }

    function _pack(int64[] memory scores) internal pure returns (bytes memory packed) {
        packed = new bytes(scores.length * 8);
        for (uint256 i; i < packed.length; ++i) {
            packed[i] = bytes8(uint64(scores[i / 8]))[i % 8];
        }
    }

    /// @dev `count` equal scores of 1.0.
    function _equal(uint256 count) internal pure returns (int64[] memory scores) {
        scores = new int64[](count);
        for (uint256 i; i < count; ++i) {
            scores[i] = 1e9;
        }
    }

    function _scores(int64 a, int64 b, int64 c, int64 d) internal pure returns (int64[] memory scores) {
        scores = new int64[](4);
        (scores[0], scores[1], scores[2], scores[3]) = (a, b, c, d);
    }

    /// @dev A whole round of `count` members with equal scores.
    function _round(uint32 count) internal {
        _commitAndOpen(count);
        _evaluate(_equal(count));
    }

    // ---------------------------------------------------------------- time and views

    function _later(uint256 duration) internal {
        _now += duration;
        vm.warp(_now);
    }

    /// @dev Let the phase's deadline come, and advance as a stranger.
    function _advance() internal {
        _now = task.round().deadline;
        vm.warp(_now);
        vm.prank(stranger);
        task.advance();
    }

    /// @dev The round, from its slot: a call would use up a `prank` or an `expectRevert` that is meant for the next one.
    function _number() internal view returns (uint32) {
        return uint32(uint256(vm.load(address(task), bytes32(uint256(13)))) >> 40);
    }

    /// @dev The round whose evaluation can be objected to now.
    function _objectable() internal view returns (uint32) {
        uint256 slot = uint256(vm.load(address(task), bytes32(uint256(13))));
        return uint8(slot) == uint8(Phase.Closing) || _number() == 0 ? _number() : _number() - 1;
    }

    function _phase() internal view returns (Phase) {
        return task.round().phase;
    }

    function _assertPhase(Phase expected) internal view {
        vm.assertEq(uint256(_phase()), uint256(expected), "phase");
    }

    function _vested(uint32 index) internal view returns (uint64 amount) {
        (amount,) = task.creditOf(index);
    }

    function _unvested(uint32 index) internal view returns (uint64 amount) {
        (, amount) = task.creditOf(index);
    }

    function _withdraw(uint32 index) internal {
        uint32[] memory indices = new uint32[](1);
        indices[0] = index;
        task.withdraw(indices);
    }

    /// @dev In 10⁻⁹ token.
    function _balance(address account) internal view returns (uint64) {
        return uint64(token.balanceOf(account) / 1e9);
    }

    function _inCohort(uint32 index) internal view returns (bool inCohort) {
        (,,, inCohort) = task.memberAt(index);
    }

    function _isSuspended(uint32 index) internal view returns (bool suspended) {
        (,, suspended,) = task.memberAt(index);
    }

    function _isActive(uint32 index) internal view returns (bool active) {
        (, active,,) = task.memberAt(index);
    }

    function _stakeOf(uint32 index) internal view returns (uint64) {
        (CrowdsourcingTask.Member memory member,,,) = task.memberAt(index);
        return member.stake;
    }

    /// @dev Logs of `topic` since `vm.recordLogs()`.
    function _count(Vm.Log[] memory logs, bytes32 topic) internal pure returns (uint256 count) {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) ++count;
        }
    }
}
