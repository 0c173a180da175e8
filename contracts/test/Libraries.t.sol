// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmaps} from "../src/libraries/Bitmaps.sol";
import {Lanes} from "../src/libraries/Lanes.sol";
import {Cheats} from "./Cheats.sol";

/// @title Bitmaps and lanes against the obvious way of writing them
contract LibrariesTest is Cheats {
    using Bitmaps for mapping(uint256 => uint256);

    mapping(uint256 word => uint256) private _words;

    function testFuzz_PopcountCountsBits(uint256 word) public pure {
        uint256 count;
        for (uint256 bit; bit < 256; ++bit) {
            count += (word >> bit) & 1;
        }
        vm.assertEq(Bitmaps.popcount(word), count);
    }

    function test_PopcountOfFullAndEmptyWords() public pure {
        vm.assertEq(Bitmaps.popcount(0), 0);
        vm.assertEq(Bitmaps.popcount(type(uint256).max), 256);
        vm.assertEq(Bitmaps.popcount(type(uint256).max - 1), 255);
    }

    function testFuzz_IndicesAreTheSetBitsAscending(uint256[3] memory given, uint256 sparse) public pure {
        uint256[] memory words = new uint256[](4);
        (words[0], words[1], words[2], words[3]) = (given[0], 0, given[1] & sparse & given[2], given[2]);
        uint256[] memory list = Bitmaps.indices(words);
        uint256 next;
        for (uint256 index; index < 1024; ++index) {
            if ((words[index >> 8] >> (index & 0xff)) & 1 == 1) vm.assertEq(list[next++], index);
        }
        vm.assertEq(list.length, next);
    }

    function testFuzz_AddedAndRemovedMembers(uint16 one, uint16 other) public {
        vm.assume(one != other);
        _words.add(one);
        _words.add(other);
        _words.add(one);
        vm.assertTrue(_words.has(one) && _words.has(other));
        _words.remove(one);
        vm.assertFalse(_words.has(one));
        vm.assertTrue(_words.has(other));
    }

    function testFuzz_LanesKeepToThemselves(uint64[4] memory credits, uint32 round) public pure {
        uint256 full;
        uint256 unvested = uint256(round) << 224;
        for (uint256 lane; lane < 4; ++lane) {
            full |= uint256(credits[lane]) << (lane * 64);
            unvested |= uint256(credits[lane] >> 8) << (lane * 56);
        }
        vm.assertEq(Lanes.tag(unvested), round);
        for (uint256 lane; lane < 4; ++lane) {
            vm.assertEq(Lanes.get64(full, lane), credits[lane]);
            vm.assertEq(Lanes.get56(unvested, lane), credits[lane] >> 8);
            vm.assertEq(Lanes.get64(Lanes.clear64(full, lane), lane), 0);
            vm.assertEq(Lanes.clear56(unvested, lane) | (uint256(credits[lane] >> 8) << (lane * 56)), unvested);
            vm.assertEq(Lanes.get56(Lanes.clear56(unvested, lane), lane), 0);
        }
    }

    function testFuzz_AddAllMovesEveryLane(uint56[4] memory vested, uint56[4] memory more, uint32 round) public pure {
        uint256 credits;
        uint256 unvested = uint256(round) << 224;
        for (uint256 lane; lane < 4; ++lane) {
            credits |= uint256(vested[lane]) << (lane * 64);
            unvested |= uint256(more[lane]) << (lane * 56);
        }
        uint256 sum = Lanes.addAll(credits, unvested);
        for (uint256 lane; lane < 4; ++lane) {
            vm.assertEq(Lanes.get64(sum, lane), uint256(vested[lane]) + more[lane]);
        }
    }
}
