// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Four members' amounts in one storage slot
/// @notice Vested credits take 64 bits each. Unvested ones take 56, which leaves 32 for the round they are of.
library Lanes {
    function get64(uint256 word, uint256 lane) internal pure returns (uint64) {
        return uint64(word >> (lane * 64));
    }

    function clear64(uint256 word, uint256 lane) internal pure returns (uint256) {
        return word & ~(uint256(type(uint64).max) << (lane * 64));
    }

    function get56(uint256 word, uint256 lane) internal pure returns (uint64) {
        return uint56(word >> (lane * 56));
    }

    function clear56(uint256 word, uint256 lane) internal pure returns (uint256) {
        return word & ~(uint256(type(uint56).max) << (lane * 56));
    }

    function tag(uint256 word) internal pure returns (uint32) {
        return uint32(word >> 224);
    }

    /// @dev Move the four 56-bit amounts of one word into four 64-bit lanes and add them.
    function addAll(uint256 credits, uint256 unvested) internal pure returns (uint256) {
        for (uint256 lane; lane < 4; ++lane) {
            credits += uint256(get56(unvested, lane)) << (lane * 64);
        }
        return credits;
    }
}
