// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title What is hashed and signed
library Commitments {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("bcfl TrainingTask");
    bytes32 private constant VERSION_HASH = keccak256("1");

    bytes32 private constant COMMIT_TYPEHASH = keccak256("Commit(uint32 round,uint32 index,bytes32 commitment)");
    bytes32 internal constant JOIN_TYPEHASH = keccak256("Join(address account)");
    bytes32 internal constant LEAVE_TYPEHASH = keccak256("Leave(uint32 round,uint32 index)");
    bytes32 internal constant OBJECT_TYPEHASH = keccak256("Object(uint32 round,uint32 index,bool blames)");

    /// @dev The EIP-712 domain of this clone; computed, as a constructor's caching would not reach clones.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }

    /// @dev Whether `account` signed `structHash`: r (32) ‖ s (32) ‖ v (1), low s only.
    function signedBy(address account, bytes32 domain, bytes32 structHash, bytes calldata signature)
        internal
        pure
        returns (bool)
    {
        if (signature.length != 65) return false;
        (address signer,,) = ECDSA.tryRecover(
            MessageHashUtils.toTypedDataHash(domain, structHash),
            uint8(signature[64]),
            bytes32(signature[:32]),
            bytes32(signature[32:64])
        );
        return signer != address(0) && signer == account;
    }

    /// @dev EIP-712's hash of the struct `Commit`.
    function commitHash(uint256 round, uint256 index, uint256 hash) internal pure returns (bytes32 structHash) {
        bytes32 typeHash = COMMIT_TYPEHASH;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, typeHash)
            mstore(add(p, 0x20), round)
            mstore(add(p, 0x40), index)
            mstore(add(p, 0x60), hash)
            structHash := keccak256(p, 0x80)
        }
    }

    /// @dev Bound to chain, task, round and member, so that a copied commitment opens for nobody else.
    function commitment(uint32 round, uint32 index, bytes32 digest, uint32 size, bytes16 salt)
        internal
        view
        returns (bytes32 hash)
    {
        // keccak256(abi.encode(...)) in place: a thousand of these would allocate a quarter of a megabyte.
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, chainid())
            mstore(add(p, 0x20), address())
            mstore(add(p, 0x40), round)
            mstore(add(p, 0x60), index)
            mstore(add(p, 0x80), digest)
            mstore(add(p, 0xa0), size)
            mstore(add(p, 0xc0), salt)
            hash := keccak256(p, 0xe0)
        }
    }

    /// @dev A judge's, bound in the same way.
    function scoreCommitment(uint32 round, uint32 index, bytes32 probeDigest, bytes32 scoresHash, bytes16 salt)
        internal
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), round, index, probeDigest, scoresHash, salt));
    }
}
