// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Reads without bounds checks, for loops whose caller has checked the length
/// @dev The checks would cost a third of what a trainer's round costs.
library Unchecked {
    /// @dev The 32 bytes of `data` from `start`.
    function word(bytes calldata data, uint256 start) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(add(data.offset, start))
        }
    }

    /// @dev The word of `list` at `place`.
    function get(uint256[] memory list, uint256 place) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(list, 0x20), shl(5, place)))
        }
    }

    function put(uint256[] memory list, uint256 place, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(list, 0x20), shl(5, place)), value)
        }
    }
}
