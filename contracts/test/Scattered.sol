// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrowdsourcingTask} from "../src/CrowdsourcingTask.sol";
import {Content, MAX_COHORT, Permit, Phase, TaskConfig} from "../src/interfaces/TaskTypes.sol";
import {Bitmaps} from "../src/libraries/Bitmaps.sol";
import {Configuration} from "../src/libraries/Configuration.sol";
import {Credits} from "../src/libraries/Credits.sol";
import {Lanes} from "../src/libraries/Lanes.sol";

/// @title A task with its state in a test's hands: the largest, and members as far from each other as indices allow
/// @dev Made by the factory like any other, so that its clone has a configuration; populated before the first round.
contract Scattered is CrowdsourcingTask {
    using Bitmaps for mapping(uint256 => uint256);

    /// @dev `members` indices are given out; every `step`-th is an active member's, whose account is `first` + index.
    function populate(uint32 members, uint32 step, uint160 first, uint64 stake) external {
        for (uint32 i; i < members; i += step) {
            _members[i] = Member(address(first + i), stake, 0);
            _active.add(i);
        }
        _population.members = members;
        _population.active = members / step;
        _population.moved = true;
        _ledger.stakes = stake * (members / step);
    }

    function give(uint32 index, address account) external {
        _members[index].account = account;
    }

    /// @dev Every active member is suspended until `round` starts, but for `sparing` of them.
    function suspendAll(uint32 round, uint32 sparing) external {
        uint32 suspended;
        for (uint256 w; w < Bitmaps.wordsFor(_population.members); ++w) {
            for (uint256 i = w << 8; i < (w + 1) << 8; ++i) {
                if (!_active.has(i)) continue;
                if (sparing != 0) {
                    --sparing;
                } else {
                    _suspended.add(i);
                    _paroles[round].add(i);
                    ++suspended;
                }
            }
        }
        _population.suspended = suspended;
    }

    /// @dev The whole cohort has committed; `revealing`: it has revealed too, and is to be evaluated.
    function play(bool revealing) external {
        uint256 number = _round.number;
        for (uint256 w; w < Bitmaps.wordsFor(_population.members); ++w) {
            _committed[number][w] = _cohort[w];
            if (revealing) _revealed[number][w] = _cohort[w];
        }
        _round.committed = _round.cohort;
        _round.everCommitted = true;
        if (revealing) _round.revealed = _round.cohort;
        TaskConfig memory c = Configuration.load();
        _enter(revealing ? Phase.Evaluation : Phase.Reveal, revealing ? c.evaluationDuration : c.revealDuration);
    }

    /// @dev Unvested credits of an old round in every slot and place of the ring, which have to be moved first.
    function ageCredits() external {
        uint256 places = Configuration.load().vestingRounds + 1;
        for (uint256 slot; slot < _population.members / 4; ++slot) {
            if (_active[slot >> 6] >> ((slot & 63) << 2) & 0xf == 0) continue;
            for (uint256 ring; ring < places; ++ring) {
                _book.unvested[ring][slot] = 1 | 1 << 56 | 1 << 112 | 1 << 168;
            }
        }
        _ledger.credits += uint64(_population.members); // at least what was made up
    }

    /// @dev All but the last who is needed have objected.
    function objectToAll(uint32 round) external returns (uint32 last) {
        uint256 revealers;
        for (uint256 w; w < Bitmaps.wordsFor(_population.members); ++w) {
            revealers += Bitmaps.popcount(_revealed[round][w]);
        }
        uint256 wanted = 2 * revealers / 3;
        _objections_(round, wanted);
        for (uint32 i = _population.members; i != 0;) {
            if (_revealed[round].has(--i)) return i;
        }
    }

    /// @dev `_objections` is private: found by its place in the layout, which the tests of objections would miss too.
    function _objections_(uint32 round, uint256 count) private {
        bytes32 slot = keccak256(abi.encode(uint256(round), uint256(26)));
        uint256 counts = count | count << 128;
        assembly ("memory-safe") {
            sstore(slot, counts)
        }
    }

    function chosen() external view returns (uint32[] memory list, uint256[] memory words) {
        words = new uint256[](Bitmaps.wordsFor(_population.members));
        for (uint256 w; w < words.length; ++w) {
            words[w] = _cohort[w];
        }
        uint256[] memory found = Bitmaps.indices(words);
        list = new uint32[](found.length);
        for (uint256 i; i < found.length; ++i) {
            list[i] = uint32(found[i]);
        }
    }

    function due() external view returns (Credits.Due memory) {
        return _book.due;
    }
}
