// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Content, Phase, Sanction, Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {TaskFactory} from "../src/TaskFactory.sol";
import {GasMeter} from "./GasMeter.sol";
import {Scattered} from "./Scattered.sol";
import {TaskFixture} from "./TaskFixture.sol";

/// @title Every call that loops fits a transaction (EIP-7825), in the largest task with members as scattered as they can be
/// @dev 65,536 indices and a cohort of 2,048, each in a slot of its own wherever nothing else is said; vesting on, slots
/// cold. Written to `gas/largest.json`.
/// forge-config: default.isolate = true
/// forge-config: ci.isolate = true
contract CapTest is TaskFixture, GasMeter {
    uint256 private constant CAP = 16_777_216;
    uint32 private constant INDICES = 65_536;
    uint32 private constant STEP = 32;
    uint160 private constant FIRST = 1 << 100;

    Scattered private large;
    string private _table;

    function setUp() public override {
        super.setUp();
        address made = vm.deployCode("Scattered.sol:Scattered");
        factory =
            TaskFactory(vm.deployCode("TaskFactory.sol:TaskFactory", abi.encode(made, address(0), address(0), LEAST)));
    }

    function test_EveryLoopFitsATransaction() public {
        _evaluation(Selection.All, 0, "evaluation");
        _evaluation(Selection.All, 2, "evaluation, vesting");
        _evaluation(Selection.Random, 2, "evaluation, vesting, next cohort drawn");
        _evaluation(Selection.ScoreOrder, 2, "evaluation, vesting, ranked");
        _equalSplit();
        _unopened(false, "unopened, slashed");
        _unopened(true, "unopened, suspended");
        _parole();
        _objection();
        _batches();
        _withdrawal();
        vm.writeFile("gas/largest.json", string.concat("{", _table, "\n}\n"));
    }

    // ---------------------------------------------------------------- calls

    function _evaluation(Selection selection, uint8 vesting, string memory name) private {
        _started(selection, vesting, false, selection == Selection.All ? STEP : 2);
        large.play(true);
        if (vesting != 0) large.ageCredits();
        int64[] memory scores = new int64[](task.round().revealed);
        for (uint256 i; i < scores.length; ++i) {
            scores[i] = int64(uint64(1e6 + i));
        }
        uint256[] memory ranking = new uint256[](0);
        if (selection == Selection.ScoreOrder) (, ranking) = large.chosen();
        bytes memory call = abi.encodeCall(
            task.submitEvaluation,
            (1, _pack(scores), _modelOf(1), Content(keccak256("report"), 300), new Sanction[](0), ranking)
        );
        _measure(name, evaluator, call);
        vm.assertEq(_number(), 2);
        _credits(name, _pack(scores));
    }

    function _equalSplit() private {
        _started(Selection.All, 2, false, STEP);
        large.play(true);
        large.ageCredits();
        vm.warp(task.round().deadline);
        _measure("equal split", stranger, abi.encodeCall(task.advance, ()));
        _assertPhase(Phase.Cancelled);
        _credits("equal split", "");
        (uint32[] memory who,) = large.chosen();
        _assertCredited(who, 250 * ONE);
    }

    /// @dev Go on with the credits until all are written.
    function _credits(string memory name, bytes memory scores) private {
        uint256 calls;
        uint256 most;
        for (; large.due().payout != 0; ++calls) {
            uint256 spent = _transact(address(task), stranger, abi.encodeCall(task.credit, (scores)));
            if (spent > most) most = spent;
        }
        vm.assertGe(calls, 2);
        _note(string.concat(name, ", going on"), most);
    }

    /// @dev Nobody's part of `payout` is missing, once all is written.
    function _assertCredited(uint32[] memory who, uint256 payout) private view {
        uint256 credited;
        for (uint256 i; i < who.length; ++i) {
            credited += _vested(who[i]) + _unvested(who[i]);
        }
        vm.assertGe(credited, payout);
    }

    function _unopened(bool relayed, string memory name) private {
        _started(Selection.All, 2, relayed, STEP);
        large.play(false);
        vm.warp(task.round().deadline);
        uint256 most;
        uint256 calls;
        for (; _phase() == Phase.Reveal; ++calls) {
            uint256 spent = _transact(address(task), stranger, abi.encodeCall(task.advance, ()));
            if (spent > most) most = spent;
        }
        _note(name, most);
        vm.assertGe(calls, 2);
        vm.assertEq(_number(), 2);
        if (relayed) vm.assertEq(uint256(task.population().suspended), 2_048);
        else vm.assertEq(uint256(task.ledger().stakes), 0);
    }

    /// @dev All 65,536 members' suspensions end at once, and a cohort is drawn of them.
    function _parole() private {
        _started(Selection.Random, 0, false, 1);
        large.suspendAll(2, 0);
        vm.warp(task.round().deadline);
        _measure("void round, everybody's suspension ends", stranger, abi.encodeCall(task.advance, ()));
        vm.assertEq(uint256(task.population().suspended), 0);
        vm.assertEq(uint256(task.round().cohort), 2_048);
    }

    function _objection() private {
        _started(Selection.Random, 0, false, 2);
        _bond(1);
        large.play(true);
        uint256 revealed = task.round().revealed;
        (uint32[] memory who,) = large.chosen();
        vm.prank(evaluator);
        task.submitEvaluation(
            1, new bytes(8 * revealed), _modelOf(1), Content("r", 1), new Sanction[](0), new uint256[](0)
        );
        uint32 last = large.objectToAll(1);
        _measure(
            "deciding objection", address(FIRST + last), abi.encodeCall(task.object, (uint32(1), last, true, bytes("")))
        );
        vm.assertEq(_number(), 3);
        vm.prank(publisher);
        task.cancel();
        _advance();
        _measure("forfeited bond", stranger, abi.encodeCall(task.withdrawBond, (0)));
        _credits("forfeited bond", "");
        _assertCredited(who, BOND);
    }

    /// @dev 256 signed commitments and openings, each in a word of its own.
    function _batches() private {
        TaskConfig memory c = _large(Selection.All, 0, true);
        c.uniqueDigests = true;
        _create(c);
        large = Scattered(address(task));
        _bond(0);
        large.populate(INDICES, 256, FIRST, 0);
        _advance();
        bytes memory signed;
        bytes memory opened;
        for (uint32 i; i < 256; ++i) {
            large.give(i * 256, _account(i));
            bytes32 commitment = _commitment(i * 256, _digest(1, i), SIZE);
            signed = abi.encodePacked(signed, _signedEntry(i * 256, commitment, 1, _key(i)));
            opened = abi.encodePacked(opened, _opening(i * 256, _digest(1, i), SIZE));
        }
        _measure("batch of commitments", stranger, abi.encodeCall(task.commitBatch, (uint32(1), signed)));
        _assertPhase(Phase.Reveal);
        _measure("batch of openings", stranger, abi.encodeCall(task.reveal, (uint32(1), 0, opened)));
        _assertPhase(Phase.Evaluation);
    }

    /// @dev As many members as our keeper pays at once where 16 rounds vest: `agents/keeper.py`.
    function _withdrawal() private {
        _started(Selection.All, 16, false, STEP);
        large.ageCredits();
        token.transfer(address(task), uint256(INDICES) * 1e9);
        uint32[] memory indices = new uint32[](50);
        for (uint32 i; i < 50; ++i) {
            indices[i] = i * STEP;
        }
        vm.prank(publisher);
        task.cancel();
        _measure("withdrawal of 50, vesting 16", stranger, abi.encodeCall(task.withdraw, (indices)));
    }

    // ---------------------------------------------------------------- pieces

    function _large(Selection selection, uint8 vesting, bool relayed) private view returns (TaskConfig memory c) {
        c = _config();
        (c.selection, c.vestingRounds, c.relayed) = (selection, vesting, relayed);
        (c.uniqueDigests, c.stake) = (false, relayed ? 0 : STAKE);
        (c.capacity, c.cohortSize) = selection == Selection.All ? (2_048, 0) : (INDICES, 2_048);
    }

    function _started(Selection selection, uint8 vesting, bool relayed, uint32 step) private {
        TaskConfig memory c = _large(selection, vesting, relayed);
        _create(c);
        large = Scattered(address(task));
        _bond(0);
        large.populate(INDICES, step, FIRST, c.stake);
        token.transfer(address(task), uint256(c.stake) * (INDICES / step) * 1e9);
        _advance();
        _assertPhase(Phase.Training);
    }

    function _measure(string memory name, address sender, bytes memory call) private {
        _note(name, _transact(address(task), sender, call));
    }

    function _note(string memory name, uint256 spent) private {
        string memory line = string.concat('\n  "', name, '": ', vm.toString(spent));
        _table = bytes(_table).length == 0 ? line : string.concat(_table, ",", line);
        vm.assertLe(spent, CAP, name);
    }
}
