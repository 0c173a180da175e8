// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Content} from "./TaskTypes.sol";

/// @title A task whose rooter posts one Merkle root for a batch of commitments, instead of the commitments
/// @notice The weaker trust, for a sixth of the gas: signatures and openings are in lists in the store, where anybody can
/// check them, and not on chain. The rooter can leave a member out, which then acts directly, or mark one that never signed,
/// which shows only in the list; and where a list cannot be had, its members' updates are unknown in that round. Scores,
/// credits, stakes and escrow are as in every task.
/// @dev A leaf is keccak256(keccak256(abi.encode(uint32 index, bytes32 commitment))), pairs are hashed in ascending order, as
/// OpenZeppelin's `MerkleProof` and `StandardMerkleTree` do. `members` are bitmaps, 256 indices a word, lowest word first.
interface IRootedTask {
    /// @notice Only the task's rooter may post roots.
    error NotRooter(address caller);
    /// @notice Entries do not come to this contract: there are `commitRoot`, `revealRoot`, `revealProven`, and `commit`.
    error RootsOnly();

    /// @notice `members`, in index order from `firstPosition`, have committed to what the list says: for each of its entries,
    /// in ascending order, index (4 bytes) ‖ commitment (32) ‖ r (32) ‖ s (32) ‖ v (1).
    event RootCommitted(
        uint32 indexed round,
        uint32 indexed batch,
        uint32 firstPosition,
        bytes32 root,
        bytes32 listDigest,
        uint32 listSize,
        uint256[] members
    );
    /// @notice `members` have opened what the list says: for each of its entries, in ascending order,
    /// 0x01 ‖ index (4 bytes) ‖ digest (32) ‖ size (4) ‖ salt (16).
    event RootRevealed(
        uint32 indexed round, uint32 indexed batch, bytes32 listDigest, uint32 listSize, uint256[] members
    );

    /// @notice Commit for `members`, by the root over the entries of a list. Who is not in the cohort or has committed
    /// already is left out.
    function commitRoot(uint32 round, bytes32 root, Content calldata list, uint256[] calldata members) external;

    /// @notice Open for `members` what is in a list. Those not in the batch and those open already are left out.
    /// @param root of the batch, with `batchMembers` as its `RootCommitted` says them
    function revealRoot(
        uint32 round,
        uint256 batch,
        bytes32 root,
        uint256[] calldata batchMembers,
        Content calldata list,
        uint256[] calldata members
    ) external;

    /// @notice Open one commitment of a batch by its place in the tree; anyone may, and whom the rooter left out does. Who has
    /// committed by itself is a batch of its own, whose root is its leaf, with neither members nor a proof.
    /// @param root of the batch, with `batchMembers` as its `RootCommitted` says them
    /// @param opening 0x01 ‖ index (4 bytes) ‖ digest (32) ‖ size (4) ‖ salt (16)
    function revealProven(
        uint32 round,
        uint256 batch,
        bytes32 root,
        uint256[] calldata batchMembers,
        bytes calldata opening,
        bytes32[] calldata proof
    ) external;
}
