// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What is hashed and signed
library Commitments {
    bytes32 internal constant COMMIT_TYPEHASH = keccak256("Commit(uint32 round,uint32 index,bytes32 commitment)");
    bytes32 internal constant JOIN_TYPEHASH = keccak256("Join(address account)");
    bytes32 internal constant LEAVE_TYPEHASH = keccak256("Leave(uint32 index)");

    /// @dev Bound to chain, task, round and member, so that a copied commitment opens for nobody else.
    function commitment(uint32 round, uint32 index, bytes32 digest, uint32 size, bytes16 salt)
        internal
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), round, index, digest, size, salt));
    }
}
