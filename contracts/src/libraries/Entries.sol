// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Packed entries of a batch in memory, written in place
/// @dev In assembly: `bytes.concat` and `abi.encodePacked` would copy a batch of n entries n times. The caller has made
/// room for what it writes.
library Entries {
    /// @dev Make `buffer` shorter.
    function cut(bytes memory buffer, uint256 length) internal pure {
        assembly ("memory-safe") {
            mstore(buffer, length)
        }
    }

    /// @dev Copy the first 36 bytes of a signed entry, index (4) ‖ commitment (32), from `start` of `signed`.
    function copyEntry(bytes memory buffer, uint256 place, bytes calldata signed, uint256 start) internal pure {
        assembly ("memory-safe") {
            calldatacopy(add(add(buffer, 0x20), mul(place, 36)), add(signed.offset, start), 36)
        }
    }

    /// @dev Write index (4) ‖ commitment (32).
    function putEntry(bytes memory buffer, uint256 place, uint32 index, bytes32 commitment) internal pure {
        assembly ("memory-safe") {
            let p := add(add(buffer, 0x20), mul(place, 36))
            mstore(p, shl(224, index))
            mstore(add(p, 4), commitment)
        }
    }

    /// @dev Write index (4) ‖ digest (32) ‖ size (4) ‖ commit position (4).
    function putUpdate(bytes memory buffer, uint256 place, uint32 index, bytes32 digest, uint32 size, uint32 position)
        internal
        pure
    {
        assembly ("memory-safe") {
            let p := add(add(buffer, 0x20), mul(place, 44))
            // In this order each write covers what the one before spilt over its field.
            mstore(p, shl(224, index))
            mstore(add(p, 12), or(shl(32, size), position))
            mstore(add(p, 4), digest)
        }
    }
}
