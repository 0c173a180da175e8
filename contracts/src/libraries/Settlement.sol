// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Unchecked} from "./Unchecked.sol";

/// @title What a consortium's vectors of scores settle to
/// @notice Everything is by place in the round's cohort, sets as bitmaps. A vector is kept as shares of 10⁹, in lanes of 32
/// bits by place, eight a word. A judge weighs what it does not get itself; a target's part is the median of those who
/// judge it; three passes, as one flattens true shares.
/// @dev In assembly where members are multiplied by members: bounds checks and calls would double a settlement.
library Settlement {
    using Unchecked for uint256[];

    uint256 internal constant UNIT = 1e9; // a whole vector of shares; also how much finer parts are than scores
    uint256 private constant PASSES = 3;

    /// @dev Shares of the scores of `judged`, in their order, negative ones as zero; none where no score is positive.
    function shares(bytes calldata scores, uint256 judged) internal pure returns (uint256 low, uint256 high) {
        unchecked {
            uint256 sum;
            for (uint256 start; start < scores.length; start += 8) {
                sum += _positive(scores, start);
            }
            if (sum == 0) return (0, 0);
            uint256 next;
            for (uint256 lane; judged != 0; lane += 32) {
                if (judged & 1 != 0) {
                    uint256 share = _positive(scores, next) * UNIT / sum;
                    if (lane < 256) low |= share << lane;
                    else high |= share << (lane - 256);
                    next += 8;
                }
                judged >>= 1;
            }
        }
    }

    /// @dev Settle the vectors of `judges` on `targets`.
    /// @param lanes two words a place
    /// @return scores the targets' parts of 10⁹, all zero where no median is positive
    /// @return distances how far a judge is from the parts of 10¹⁸, over all targets but itself
    function settle(uint256 targets, uint256 judges, uint256[] memory lanes)
        internal
        pure
        returns (uint256[] memory scores, uint256[] memory distances)
    {
        uint256 places = lanes.length >> 1;
        uint256[] memory parts = new uint256[](places);
        distances = new uint256[](places);
        uint256[] memory weights = new uint256[](places);
        uint256[] memory columns = _columns(targets, judges, lanes, weights);
        uint256[] memory scratch = new uint256[](places + 1);
        for (uint256 pass; pass < PASSES; ++pass) {
            _weigh(parts, weights);
            _medians(targets, columns, scratch, parts);
        }
        _weigh(parts, weights);
        _measure(targets, columns, parts, weights, distances);
        scores = parts;
        for (uint256 place; place < places; ++place) {
            scores.put(place, parts.get(place) / UNIT);
        }
    }

    /// @dev 8 bytes each of the values of `places`.
    function pack(uint256[] memory values, uint256 places) internal pure returns (bytes memory packed) {
        packed = new bytes(8 * values.length + 24); // a whole word is written at each place
        assembly ("memory-safe") {
            let start := add(packed, 0x20)
            let next := start
            for { let value := add(values, 0x20) } places { value := add(value, 0x20) } {
                if and(places, 1) {
                    mstore(next, shl(192, mload(value)))
                    next := add(next, 8)
                }
                places := shr(1, places)
            }
            mstore(packed, sub(next, start))
        }
    }

    /// @dev The score at `start`, zero where it is negative.
    function _positive(bytes calldata scores, uint256 start) private pure returns (uint256 score) {
        assembly ("memory-safe") {
            score := shr(192, calldataload(add(scores.offset, start)))
            score := mul(score, lt(score, 0x8000000000000000))
        }
    }

    /// @dev For each target its judges, without itself: share (128 bits) and where the judge's weight is (128), and a zero.
    function _columns(uint256 targets, uint256 judges, uint256[] memory lanes, uint256[] memory weights)
        private
        pure
        returns (uint256[] memory columns)
    {
        uint256 places = weights.length;
        columns = new uint256[](places * (places + 1));
        assembly ("memory-safe") {
            let entry := add(columns, 0x20)
            for { let t := 0 } shr(t, targets) { t := add(t, 1) } {
                if iszero(and(shr(t, targets), 1)) { continue }
                let word := add(add(lanes, 0x20), shl(5, shr(3, t)))
                let shift := shl(5, and(t, 7))
                let weight := add(weights, 0x20)
                for { let rest := and(judges, not(shl(t, 1))) } rest { rest := shr(1, rest) } {
                    if and(rest, 1) {
                        mstore(entry, or(shl(128, and(shr(shift, mload(word)), 0xffffffff)), weight))
                        entry := add(entry, 0x20)
                    }
                    word := add(word, 0x40)
                    weight := add(weight, 0x20)
                }
                entry := add(entry, 0x20)
            }
        }
    }

    /// @dev A judge's weight is what it does not get itself.
    function _weigh(uint256[] memory parts, uint256[] memory weights) private pure {
        assembly ("memory-safe") {
            let end := shl(5, mload(parts))
            for { let place := 0 } lt(place, end) {} {
                place := add(place, 0x20)
                mstore(add(weights, place), sub(1000000000000000000, mload(add(parts, place))))
            }
        }
    }

    /// @dev Each target's part becomes the median of those who judge it, the middle or the mean of the two middle ones, and
    /// zero where there are none; then all are scaled to 10¹⁸, if one is positive. `scratch` takes the values, sorted as
    /// they come, after a zero that stops the search for a place.
    function _medians(uint256 targets, uint256[] memory columns, uint256[] memory scratch, uint256[] memory parts)
        private
        pure
    {
        assembly ("memory-safe") {
            let first := add(scratch, 0x40)
            let at := add(columns, 0x20)
            let part := add(parts, 0x20)
            let sum := 0
            for {} targets { targets := shr(1, targets) } {
                if and(targets, 1) {
                    let end := first
                    for { let entry := mload(at) } entry { entry := mload(at) } {
                        let value := div(mul(shr(128, entry), mload(and(entry, 0xffffffff))), 1000000000)
                        let place := end
                        for { let before := mload(sub(place, 0x20)) } gt(before, value) {
                            before := mload(sub(place, 0x20))
                        } {
                            mstore(place, before)
                            place := sub(place, 0x20)
                        }
                        mstore(place, value)
                        end := add(end, 0x20)
                        at := add(at, 0x20)
                    }
                    at := add(at, 0x20)
                    let count := shr(5, sub(end, first))
                    let middle := 0
                    if count {
                        let upper := add(first, shl(5, shr(1, count)))
                        let lower := sub(upper, shl(5, iszero(and(count, 1))))
                        middle := shr(1, add(mload(lower), mload(upper)))
                    }
                    mstore(part, middle)
                    sum := add(sum, middle)
                }
                part := add(part, 0x20)
            }
            if sum {
                for {} gt(part, add(parts, 0x20)) {} {
                    part := sub(part, 0x20)
                    mstore(part, div(mul(mload(part), 1000000000000000000), sum))
                }
            }
        }
    }

    /// @dev Add each target's part in a judge's distance.
    function _measure(
        uint256 targets,
        uint256[] memory columns,
        uint256[] memory parts,
        uint256[] memory weights,
        uint256[] memory distances
    ) private pure {
        assembly ("memory-safe") {
            let at := add(columns, 0x20)
            let part := add(parts, 0x20)
            for {} targets { targets := shr(1, targets) } {
                if and(targets, 1) {
                    let settled := mload(part)
                    for { let entry := mload(at) } entry { entry := mload(at) } {
                        let weight := and(entry, 0xffffffff)
                        let value := div(mul(shr(128, entry), mload(weight)), 1000000000)
                        let off := sub(value, settled)
                        if lt(value, settled) { off := sub(settled, value) }
                        let distance := add(distances, sub(weight, weights))
                        mstore(distance, add(mload(distance), off))
                        at := add(at, 0x20)
                    }
                    at := add(at, 0x20)
                }
                part := add(part, 0x20)
            }
        }
    }
}
