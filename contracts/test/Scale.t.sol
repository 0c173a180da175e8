// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Selection, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Bitmaps} from "../src/libraries/Bitmaps.sol";
import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {Cheats} from "./Cheats.sol";

/// @title The cohort at the largest populations: right size, uniform, and within a transaction's gas
contract ScaleTest is Cheats {
    uint256 private constant MOST_GAS = 16_777_216; // EIP-7825

    Drawer private drawer;

    function setUp() public {
        drawer = Drawer(vm.deployCode("Scale.t.sol:Drawer"));
    }

    /// @dev Any eligible set, any size: as many as asked for, all of them eligible.
    function testFuzz_ASampleHasItsSizeAndIsEligible(uint256[3] memory eligible, uint256 limit, bytes32 seed) public {
        uint256 count;
        for (uint256 w; w < 3; ++w) {
            count += Bitmaps.popcount(eligible[w]);
        }
        limit = _bound(limit, 1, 768);
        drawer.populate(eligible, 768, seed);
        (uint256[] memory cohort, uint256 size) = drawer.draw(Selection.Random, uint32(limit));
        vm.assertEq(size, count < limit ? count : limit);
        uint256 chosen;
        for (uint256 w; w < 3; ++w) {
            vm.assertEq(cohort[w] & ~eligible[w], 0, "eligible");
            chosen += Bitmaps.popcount(cohort[w]);
        }
        vm.assertEq(chosen, size);
    }

    /// @dev Four of sixteen, 1,600 times: each 400 ± 5 standard deviations (17.3).
    function test_TheSampleIsUniform() public {
        _uniform(4, 400, 87);
    }

    /// @dev Twelve of sixteen, where those who stay out are drawn.
    function test_TheSampleIsUniformWhereMostAreTaken() public {
        _uniform(12, 1200, 87);
    }

    function _uniform(uint32 limit, uint256 mean, uint256 tolerance) private {
        uint256[16] memory times;
        uint256[3] memory eligible = [uint256(0), 0x5555 << 100, 0x5555];
        for (uint256 i; i < 1600; ++i) {
            drawer.populate(eligible, 768, keccak256(abi.encode(i)));
            (uint256[] memory cohort,) = drawer.draw(Selection.Random, limit);
            for (uint256 bit; bit < 8; ++bit) {
                times[bit] += (cohort[1] >> (100 + 2 * bit)) & 1;
                times[8 + bit] += (cohort[2] >> (2 * bit)) & 1;
            }
        }
        for (uint256 i; i < 16; ++i) {
            vm.assertGe(times[i], mean - tolerance, "seldom");
            vm.assertLe(times[i], mean + tolerance, "often");
        }
    }

    /// @dev First come: the lowest indices, whatever the holes.
    function testFuzz_FirstComeTakesTheLowest(uint256[3] memory eligible, uint256 limit) public {
        limit = _bound(limit, 1, 768);
        drawer.populate(eligible, 768, 0);
        (uint256[] memory cohort,) = drawer.draw(Selection.FirstCome, uint32(limit));
        for (uint256 index; index < 768; ++index) {
            bool expected = (eligible[index >> 8] >> (index & 0xff)) & 1 == 1 && limit != 0;
            if (expected) --limit;
            vm.assertEq((cohort[index >> 8] >> (index & 0xff)) & 1 == 1, expected);
        }
    }

    function test_EverySelectionOfTheLargestPopulationFitsATransaction() public {
        vm.assertLe(_gasToDraw(Selection.FirstCome, type(uint256).max), MOST_GAS / 8, "first come");
        vm.assertLe(_gasToDraw(Selection.Random, type(uint256).max), MOST_GAS / 8, "random");
        // A hole in every word is the worst there is; with 2,048 scores (4.8M) it still fits.
        vm.assertLe(_gasToDraw(Selection.Random, type(uint256).max - 1), MOST_GAS * 6 / 10, "random with holes");
    }

    /// @dev Of a second draw, whose slots are written already, among 65,536 members.
    function _gasToDraw(Selection selection, uint256 word) private returns (uint256) {
        drawer = Drawer(vm.deployCode("Scale.t.sol:Drawer"));
        drawer.populate([word, word, word], 65_536, bytes32(uint256(1)));
        drawer.fill(65_536, word);
        drawer.draw(selection, 2_048);
        uint256 before = gasleft();
        drawer.draw(selection, 2_048);
        return before - gasleft();
    }

    /// @dev Indices given out and left again must not make drawing expensive.
    function test_ManyWhoLeftDoNotMakeDrawingExpensive() public {
        drawer.populate([uint256(3), 0, 0], 65_536, bytes32(uint256(1)));
        uint256 before = gasleft();
        drawer.draw(Selection.Random, 1);
        vm.assertLe(before - gasleft(), MOST_GAS / 4, "a quarter of a transaction");
    }
}

/// @dev The membership with its state in the test's hands.
contract Drawer is CrowdsourcingTask {
    function populate(uint256[3] memory eligible, uint32 members, bytes32 seed) external {
        for (uint256 w; w < 3; ++w) {
            _active[w] = eligible[w];
        }
        _population.members = members;
        _seed = seed;
    }

    function fill(uint256 members, uint256 word) external {
        for (uint256 w; w < members / 256; ++w) {
            _active[w] = word;
        }
    }

    function draw(Selection selection, uint32 cohortSize) external returns (uint256[] memory, uint256) {
        TaskConfig memory c;
        (c.selection, c.cohortSize) = (selection, cohortSize);
        return _drawCohort(1, c);
    }
}
