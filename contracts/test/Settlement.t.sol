// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Settlement} from "../src/libraries/Settlement.sol";
import {Cheats} from "./Cheats.sol";

/// @title The settlement against the textbook, and what holds of it whatever judges do
/// @dev `share[i][t]` is what judge i gives target t, of 10⁹.
contract SettlementTest is Cheats {
    uint256 private constant ONE = 1e18;

    struct Vectors {
        uint256 members;
        uint256 targets; // bitmap
        uint256 judges; // bitmap
        uint256[16][16] share;
    }

    // ---------------------------------------------------------------- equal to the textbook

    function testFuzz_ScoresAndDistancesAreTheTextbooks(uint256 seed) public pure {
        Vectors memory v = _random(seed);
        (uint256[] memory scores, uint256[] memory distances) = _settle(v);
        uint256[] memory parts = _parts(v, 3);
        for (uint256 i; i < v.members; ++i) {
            vm.assertEq(scores[i], parts[i] / 1e9, "score");
            uint256 distance;
            for (uint256 t; t < v.members; ++t) {
                if (t == i || !_in(v.targets, t) || !_in(v.judges, i)) continue;
                uint256 value = v.share[i][t] * (ONE - parts[i]) / 1e9;
                distance += value > parts[t] ? value - parts[t] : parts[t] - value;
            }
            vm.assertEq(distances[i], distance, "distance");
        }
    }

    /// @dev Three honest members of true worth 4 : 1 : 1. No judge scores itself, which flattens what one pass finds.
    function test_ThreePassesComeNearTheTruth() public pure {
        Vectors memory v;
        (v.members, v.targets, v.judges) = (3, 7, 7);
        (v.share[0][1], v.share[0][2]) = (5e8, 5e8);
        (v.share[1][0], v.share[1][2]) = (8e8, 2e8);
        (v.share[2][0], v.share[2][1]) = (8e8, 2e8);
        uint256[] memory once = _parts(v, 1);
        vm.assertEq(once[0] * 100 / once[1], 228);
        (uint256[] memory scores,) = _settle(v);
        vm.assertEq(scores[0] * 100 / scores[1], 363);
        vm.assertEq(scores[1], scores[2]);
    }

    // ---------------------------------------------------------------- what always holds

    /// @dev All of a whole is given out but for what is rounded down, less than a unit a target; or nothing at all.
    function testFuzz_ScoresSumToAWhole(uint256 seed) public pure {
        Vectors memory v = _random(seed);
        (uint256[] memory scores,) = _settle(v);
        uint256 sum;
        uint256 targets;
        for (uint256 i; i < v.members; ++i) {
            sum += scores[i];
            if (_in(v.targets, i)) ++targets;
            else vm.assertEq(scores[i], 0, "who is no target has no score");
        }
        vm.assertLe(sum, 1e9, "a whole at most");
        if (sum != 0) vm.assertGe(sum + targets, 1e9, "rounded down");
    }

    function testFuzz_TheOrderOfMembersDoesNotMatter(uint256 seed) public pure {
        Vectors memory v = _random(seed);
        uint256[] memory order = new uint256[](v.members);
        for (uint256 i; i < v.members; ++i) {
            uint256 j = uint256(keccak256(abi.encode(seed, "order", i))) % (i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        Vectors memory moved;
        moved.members = v.members;
        for (uint256 i; i < v.members; ++i) {
            if (_in(v.targets, order[i])) moved.targets |= 1 << i;
            if (_in(v.judges, order[i])) moved.judges |= 1 << i;
            for (uint256 t; t < v.members; ++t) {
                moved.share[i][t] = v.share[order[i]][order[t]];
            }
        }
        (uint256[] memory scores, uint256[] memory distances) = _settle(v);
        (uint256[] memory movedScores, uint256[] memory movedDistances) = _settle(moved);
        for (uint256 i; i < v.members; ++i) {
            vm.assertEq(movedScores[i], scores[order[i]], "score");
            vm.assertEq(movedDistances[i], distances[order[i]], "distance");
        }
    }

    /// @dev With fewer than half of a target's judges dishonest, its median lies, before normalisation and in each pass,
    /// within what honest judges' weighted shares span, whatever the dishonest say.
    function testFuzz_AMinorityCannotMoveAMedianOutOfTheHonestRange(uint256 seed, uint256 pass) public pure {
        Vectors memory v = _random(seed);
        v.targets = v.judges = (1 << v.members) - 1;
        uint256[] memory before = _parts(v, pass % 3);
        for (uint256 t; t < v.members; ++t) {
            // Honest judges of t are near each other, a minority says anything at all.
            uint256 minority = (v.members - 2) / 2;
            (uint256 lowest, uint256 highest) = (type(uint256).max, 0);
            uint256 dishonest;
            for (uint256 i; i < v.members; ++i) {
                uint256 dice = uint256(keccak256(abi.encode(seed, "dishonest", t, i)));
                if (i == t) continue;
                if (dishonest < minority && dice % 2 == 0) {
                    ++dishonest;
                    v.share[i][t] = dice % 6 < 2 ? 0 : dice % 6 < 4 ? 1e9 : (dice >> 8) % 1e9;
                    continue;
                }
                v.share[i][t] = 2e8 + (dice >> 8) % 1e8;
                uint256 value = v.share[i][t] * (ONE - before[i]) / 1e9;
                if (value < lowest) lowest = value;
                if (value > highest) highest = value;
            }
            uint256 median = _median(v, before, t);
            vm.assertGe(median, lowest, "lowest honest");
            vm.assertLe(median, highest, "highest honest");
        }
    }

    /// @dev What a judge can do for itself. Given the parts before a pass, its vector does not enter its own median at all;
    /// so in every pass its own part is at most what normalisation gives it when it calls all others worthless:
    /// median / (median + Σ of the others' medians with its values at zero).
    function testFuzz_AJudgeRaisesItselfByNormalisationAlone(uint256 seed, uint256 judge) public pure {
        Vectors memory v = _random(seed);
        judge %= v.members;
        v.targets |= 1 << judge;
        v.judges |= 1 << judge;
        for (uint256 pass; pass < 3; ++pass) {
            uint256[] memory before = _parts(v, pass);
            uint256 own = _median(v, before, judge);
            uint256 sum = own;
            uint256[16] memory vector = v.share[judge];
            for (uint256 t; t < v.members; ++t) {
                v.share[judge][t] = 0;
            }
            vm.assertEq(_median(v, before, judge), own, "its own median is not its own to move");
            for (uint256 t; t < v.members; ++t) {
                if (t != judge && _in(v.targets, t)) sum += _median(v, before, t);
            }
            v.share[judge] = vector;
            uint256 most = sum == 0 ? 0 : own * ONE / sum;
            vm.assertLe(_parts(v, pass + 1)[judge], sum == 0 ? before[judge] : most, "its part");
        }
        (uint256[] memory scores,) = _settle(v);
        vm.assertEq(scores[judge], _parts(v, 3)[judge] / 1e9, "its score");
    }

    // ---------------------------------------------------------------- vectors to shares

    function testFuzz_SharesAreOfPositiveScores(int64[9] memory given, uint256 judged) public view {
        judged = 0;
        uint256 sum;
        bytes memory packed;
        for (uint256 i; i < 9; ++i) {
            packed = abi.encodePacked(packed, given[i]);
            judged |= 1 << (i + i / 4); // places 0 to 3, 5 to 8, 10
            if (given[i] > 0) sum += uint64(given[i]);
        }
        (uint256 low, uint256 high) = this.sharesOf(packed, judged);
        for (uint256 i; i < 9; ++i) {
            uint256 place = i + i / 4;
            uint256 share = (place < 8 ? low >> (32 * place) : high >> (32 * (place - 8))) & 0xffffffff;
            vm.assertEq(share, given[i] > 0 ? uint64(given[i]) * uint256(1e9) / sum : 0);
            if (place < 8) low &= ~(uint256(0xffffffff) << (32 * place));
            else high &= ~(uint256(0xffffffff) << (32 * (place - 8)));
        }
        vm.assertEq(low | high, 0, "none for who is not judged");
    }

    function test_TheMostExtremeScoresAreShares() public view {
        (uint256 low,) = this.sharesOf(abi.encodePacked(type(int64).max, type(int64).max, type(int64).min), 7);
        vm.assertEq(low, uint256(5e8) << 32 | 5e8);
        (low,) = this.sharesOf(abi.encodePacked(type(int64).min, int64(-1), int64(0)), 7);
        vm.assertEq(low, 0);
        (low,) = this.sharesOf("", 0);
        vm.assertEq(low, 0);
    }

    function testFuzz_PackedAreTheChosenInOrder(uint64[16] memory given, uint256 places) public pure {
        places &= 0xffff;
        uint256[] memory values = new uint256[](16);
        bytes memory expected;
        for (uint256 i; i < 16; ++i) {
            values[i] = given[i];
            if (_in(places, i)) expected = abi.encodePacked(expected, given[i]);
        }
        vm.assertEq(Settlement.pack(values, places), expected);
    }

    function sharesOf(bytes calldata scores, uint256 judged) external pure returns (uint256, uint256) {
        return Settlement.shares(scores, judged);
    }

    // ---------------------------------------------------------------- the textbook

    /// @dev The parts after `passes`, as the protocol says it.
    function _parts(Vectors memory v, uint256 passes) private pure returns (uint256[] memory parts) {
        parts = new uint256[](v.members);
        for (uint256 pass; pass < passes; ++pass) {
            uint256[] memory medians = new uint256[](v.members);
            uint256 sum;
            for (uint256 t; t < v.members; ++t) {
                if (_in(v.targets, t)) sum += medians[t] = _median(v, parts, t);
            }
            for (uint256 t; t < v.members; ++t) {
                parts[t] = sum == 0 ? 0 : medians[t] * ONE / sum;
            }
        }
    }

    function _median(Vectors memory v, uint256[] memory parts, uint256 t) private pure returns (uint256) {
        uint256[] memory values = new uint256[](v.members);
        uint256 count;
        for (uint256 i; i < v.members; ++i) {
            if (i == t || !_in(v.judges, i)) continue;
            values[count++] = v.share[i][t] * (ONE - parts[i]) / 1e9;
        }
        if (count == 0) return 0;
        for (uint256 i; i < count; ++i) {
            for (uint256 j; j + 1 < count - i; ++j) {
                if (values[j] > values[j + 1]) (values[j], values[j + 1]) = (values[j + 1], values[j]);
            }
        }
        return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    }

    /// @dev Two to sixteen members; some are no targets, some do not judge; vectors of all kinds.
    function _random(uint256 seed) private pure returns (Vectors memory v) {
        v.members = _bound(_dice(seed, 0), 2, 16);
        uint256 all = (1 << v.members) - 1;
        v.targets = all & (_dice(seed, 1) % 2 == 0 ? all : _dice(seed, 2));
        v.judges = all & (_dice(seed, 3) % 2 == 0 ? all : _dice(seed, 4));
        for (uint256 i; i < v.members; ++i) {
            uint256 kind = _dice(seed, 100 + i) % 4; // near each other, anything, all to one, nothing
            uint256[16] memory scores;
            uint256 sum;
            for (uint256 t; t < v.members; ++t) {
                if (t == i || !_in(v.targets, t)) continue;
                uint256 dice = _dice(seed, 1000 + 16 * i + t);
                scores[t] = kind == 0 ? 1e9 + dice % 1e8 : kind == 1 ? dice % 1e12 : kind == 2 && dice % 8 == 0 ? 1 : 0;
                sum += scores[t];
            }
            for (uint256 t; t < v.members && sum != 0; ++t) {
                v.share[i][t] = scores[t] * 1e9 / sum;
            }
        }
    }

    function _settle(Vectors memory v) private pure returns (uint256[] memory, uint256[] memory) {
        uint256[] memory lanes = new uint256[](2 * v.members);
        for (uint256 i; i < v.members; ++i) {
            for (uint256 t; t < v.members; ++t) {
                lanes[2 * i + t / 8] |= v.share[i][t] << (t % 8 * 32);
            }
        }
        return Settlement.settle(v.targets, v.judges, lanes);
    }

    function _in(uint256 bitmap, uint256 place) private pure returns (bool) {
        return bitmap >> place & 1 == 1;
    }

    function _dice(uint256 seed, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
