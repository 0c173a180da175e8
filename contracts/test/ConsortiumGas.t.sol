// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.sol";
import {GasMeter} from "./GasMeter.sol";

/// @title Gas per member and round of a consortium in steady state, whole transactions, beside the prototype's
/// @notice Writes `gas/consortium.json`.
/// forge-config: default.isolate = true
contract ConsortiumGasTest is ConsortiumFixture, GasMeter {
    struct Cost {
        uint256 commit;
        uint256 reveal;
        uint256 commitScores;
        uint256 revealScores; // the last one settles
        uint256 submitModel; // the one that decides ends the round
        uint256 largest; // transaction
    }

    string private _table;

    /// @dev Above the prototype's 227, 235 and 269 thousand by 15 % at most, which kept no list of digests.
    function test_GasPerMemberAndRound() public {
        uint256[6] memory sums;
        for (uint256 i; i < 6; ++i) {
            sums[i] = _cell([uint32(4), 6, 10][i % 3], i >= 3);
        }
        vm.writeFile("gas/consortium.json", string.concat("{", _table, "\n}\n"));
        vm.assertLe(sums[0], 262_000, "n = 4");
        vm.assertLe(sums[1], 260_000, "n = 6");
        vm.assertLe(sums[2], 309_000, "n = 10");
    }

    /// @dev The most members there can be, all of whom settle in one transaction.
    function test_TheLargestConsortiumFitsATransaction() public {
        Cost memory cost = _steadyState(16, true);
        vm.assertLe(cost.largest, 16_777_216, "EIP-7825");
    }

    function _cell(uint32 members, bool unique) private returns (uint256 sum) {
        Cost memory cost = _steadyState(members, unique);
        string memory name = string.concat("consortium, n = ", vm.toString(members), unique ? ", digests owned" : "");
        string memory line = string.concat('\n  "', name, '": {"commit": ', vm.toString(cost.commit / members));
        line = string.concat(line, ', "reveal": ', vm.toString(cost.reveal / members));
        line = string.concat(line, ', "commit scores": ', vm.toString(cost.commitScores / members));
        line = string.concat(line, ', "reveal scores and settle": ', vm.toString(cost.revealScores / members));
        line = string.concat(line, ', "agree on the model": ', vm.toString(cost.submitModel / members));
        sum = (cost.commit + cost.reveal + cost.commitScores + cost.revealScores + cost.submitModel) / members;
        line = string.concat(line, ', "sum": ', vm.toString(sum));
        line = string.concat(line, ', "largest transaction": ', vm.toString(cost.largest), "}");
        _table = bytes(_table).length == 0 ? line : string.concat(_table, ",", line);
    }

    /// @dev Costs of the third round.
    function _steadyState(uint32 members, bool unique) private returns (Cost memory cost) {
        TaskConfig memory c = _consortiumConfig();
        (c.capacity, c.stake, c.uniqueDigests) = (members, 0, unique);
        founders = members;
        _startedConsortium(c, members);
        for (uint256 i; i < 3; ++i) {
            cost = _measuredRound(members);
        }
    }

    function _measuredRound(uint32 members) private returns (Cost memory cost) {
        uint32 number = _number();
        for (uint32 i; i < members; ++i) {
            bytes32 commitment = _commitment(i, _digest(number, i), SIZE);
            cost.commit += _by(i, abi.encodeCall(task.commit, (_number(), i, commitment)), cost);
        }
        for (uint32 i; i < members; ++i) {
            bytes memory opening = _opening(i, _digest(number, i), SIZE);
            cost.reveal += _by(i, abi.encodeCall(task.reveal, (_number(), i, opening)), cost);
        }
        bytes[] memory vectors = new bytes[](members);
        for (uint32 i; i < members; ++i) {
            vectors[i] = _vector(number, i, members);
            bytes32 commitment = _scoreCommitment(i, PROBE, vectors[i]);
            cost.commitScores += _by(i, abi.encodeCall(consortium.commitScores, (_number(), i, commitment)), cost);
        }
        _assertPhase(Phase.ScoreReveal);
        for (uint32 i; i < members; ++i) {
            bytes memory call = abi.encodeCall(consortium.revealScores, (_number(), i, PROBE, vectors[i], SALT));
            cost.revealScores += _by(i, call, cost);
        }
        _assertPhase(Phase.Aggregation);
        bytes32 model = _modelOf(number).digest;
        for (uint32 i; i < members && _number() == number; ++i) {
            cost.submitModel += _by(i, abi.encodeCall(task.submitModel, (number, model, SIZE)), cost);
        }
        vm.assertEq(_number(), number + 1);
        for (uint32 i; i < members; ++i) {
            vm.assertGe(_vested(i), uint256(number) * ROUND / members / 2, "paid");
        }
    }

    /// @dev Scores are what they mostly are: around the update's worth, with the noise of each judge's own samples.
    function _vector(uint32 number, uint32 judge, uint32 members) private pure returns (bytes memory) {
        int64[] memory scores = new int64[](members - 1);
        for (uint32 t; t < members; ++t) {
            uint256 noise = uint256(keccak256(abi.encode(number, judge, t))) % 4e8;
            if (t != judge) scores[t < judge ? t : t - 1] = int64(uint64(8e8 + noise)) * int64(uint64(10 + t % 3));
        }
        return _pack(scores);
    }

    function _by(uint32 index, bytes memory call, Cost memory cost) private returns (uint256 spent) {
        spent = _transact(address(task), _account(index), call);
        if (spent > cost.largest) cost.largest = spent;
    }
}
