// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Content, Phase, Sanction, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {GasMeter} from "./GasMeter.sol";
import {Rooting} from "./Rooting.sol";

/// @title Gas per trainer and round in steady state, whole transactions, beside the prototype's
/// @notice Writes `gas/rounds.json`.
/// forge-config: default.isolate = true
contract GasTest is Rooting, GasMeter {
    struct Cost {
        uint256 commit;
        uint256 reveal;
        uint256 score;
        uint256 largest; // transaction
    }

    /// @dev Above the table of before the audit (ADR 8) by 5 % at most.
    uint256 private constant TOLERANCE = 105;

    enum Intake {
        Direct,
        Relayed,
        Rooted
    }

    string private _table;

    function setUp() public override {
        super.setUp();
        _makeRooted();
    }

    function test_GasPerTrainerAndRound() public {
        _cell("direct", Intake.Direct, 10, 107_683);
        _cell("relayed", Intake.Relayed, 10, 32_374);
        _cell("rooted", Intake.Rooted, 10, 32_374);
        _cell("direct", Intake.Direct, 1000, 97_224);
        _cell("relayed", Intake.Relayed, 1000, 13_270);
        _cell("rooted", Intake.Rooted, 1000, 2_000);
        vm.writeFile("gas/rounds.json", string.concat("{", _table, "\n}\n"));
    }

    function _cell(string memory name, Intake intake, uint32 members, uint256 before) private {
        Cost memory cost = _steadyState(members, intake);
        uint256[3] memory each = [cost.commit / members, cost.reveal / members, cost.score / members];
        string memory line = string.concat('\n  "', name, ", n = ", vm.toString(members), '": {"commit": ');
        line = string.concat(line, vm.toString(each[0]), ', "reveal": ', vm.toString(each[1]));
        line = string.concat(line, ', "score and credit": ', vm.toString(each[2]));
        uint256 sum = each[0] + each[1] + each[2];
        line = string.concat(line, ', "sum": ', vm.toString(sum));
        line = string.concat(line, ', "largest transaction": ', vm.toString(cost.largest), "}");
        _table = bytes(_table).length == 0 ? line : string.concat(_table, ",", line);
        vm.assertLe(sum, before * TOLERANCE / 100, string.concat(name, " ", vm.toString(members)));
        vm.assertLe(cost.largest, 16_777_216, "EIP-7825");
    }

    /// @dev Costs of the third round.
    function _steadyState(uint32 members, Intake intake) private returns (Cost memory cost) {
        TaskConfig memory c = _rootedConfig(members);
        c.relayed = intake != Intake.Direct;
        if (intake != Intake.Rooted) c.rooter = address(0);
        _create(c);
        _bond(0);
        for (uint32 i; i < members; ++i) {
            vm.prank(_account(i));
            task.join(_account(i), _noPermit(), "");
        }
        _assertPhase(Phase.Training);
        for (uint256 i; i < 3; ++i) {
            if (intake == Intake.Rooted) cost = _rootedRound(members);
            else cost = intake == Intake.Relayed ? _relayedRound(members) : _directRound(members);
        }
    }

    function _directRound(uint32 members) private returns (Cost memory cost) {
        uint32 number = _number();
        for (uint32 i; i < members; ++i) {
            bytes32 commitment = _commitment(i, _digest(number, i), SIZE);
            uint256 spent =
                _transact(address(task), _account(i), abi.encodeCall(task.commit, (_number(), i, commitment)));
            cost.commit += spent;
            if (spent > cost.largest) cost.largest = spent;
        }
        _assertPhase(Phase.Reveal);
        for (uint32 i; i < members; ++i) {
            bytes32 digest = _digest(number, i);
            bytes memory call = abi.encodeCall(task.reveal, (_number(), i, _opening(i, digest, SIZE)));
            cost.reveal += _transact(address(task), _account(i), call);
        }
        _score(members, cost);
    }

    function _relayedRound(uint32 members) private returns (Cost memory cost) {
        uint32 number = _number();
        uint32 batches = (members + 255) / 256;
        for (uint32 b; b < batches; ++b) {
            uint32 count = b == batches - 1 ? members - b * 256 : 256;
            bytes memory signed = new bytes(count * 101);
            for (uint32 i; i < count; ++i) {
                _write(signed, i * 101, _signed(b * 256 + i));
            }
            uint256 spent = _transact(address(task), stranger, abi.encodeCall(task.commitBatch, (_number(), signed)));
            cost.commit += spent;
            if (spent > cost.largest) cost.largest = spent;
        }
        _assertPhase(Phase.Reveal);
        for (uint32 b; b < batches; ++b) {
            uint32 count = b == batches - 1 ? members - b * 256 : 256;
            bytes memory entries = new bytes(count * 57);
            for (uint32 i; i < count; ++i) {
                uint32 index = b * 256 + i;
                _write(entries, i * 57, _opening(index, _digest(number, index), SIZE));
            }
            cost.reveal += _transact(address(task), stranger, abi.encodeCall(task.reveal, (_number(), b, entries)));
        }
        _score(members, cost);
    }

    function _rootedRound(uint32 members) private returns (Cost memory cost) {
        uint32 number = _number();
        uint256[] memory words = _words(_range(0, members));
        bytes32 root = keccak256("root");
        bytes memory call = abi.encodeCall(_rootedTask().commitRoot, (number, root, _list("commitments"), words));
        cost.commit = _transact(address(task), rooter, call);
        _assertPhase(Phase.Reveal);
        call = abi.encodeCall(_rootedTask().revealRoot, (number, 0, root, words, _list("openings"), words));
        cost.reveal = _transact(address(task), rooter, call);
        _score(members, cost);
    }

    function _write(bytes memory buffer, uint256 start, bytes memory piece) private pure {
        assembly ("memory-safe") {
            mcopy(add(add(buffer, 0x20), start), add(piece, 0x20), mload(piece))
        }
    }

    /// @dev Scores are what they mostly are: six significant digits, four in five positive.
    function _score(uint32 members, Cost memory cost) private {
        int64[] memory scores = new int64[](members);
        for (uint256 i; i < members; ++i) {
            int64 size = int64(uint64(uint256(keccak256(abi.encode(_number(), i))) % 1e9));
            scores[i] = i % 5 == 4 ? -size : size;
        }
        uint32 number = _number();
        bytes memory call = abi.encodeCall(
            task.submitEvaluation,
            (
                number,
                _pack(scores),
                _modelOf(number),
                Content(keccak256("report"), 300),
                new Sanction[](0),
                new uint256[](0)
            )
        );
        cost.score = _transact(address(task), evaluator, call);
        if (cost.score > cost.largest) cost.largest = cost.score;
        vm.assertEq(_number(), number + 1);
    }
}
