// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {CrowdsourcingTask} from "./CrowdsourcingTask.sol";
import {IRootedTask} from "./interfaces/IRootedTask.sol";
import {Content, Phase, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Commitments} from "./libraries/Commitments.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Entries} from "./libraries/Entries.sol";
import {Unchecked} from "./libraries/Unchecked.sol";

/// @title A crowd's task whose rooter commits and opens for many members by one root
contract RootedTask is CrowdsourcingTask, IRootedTask {
    using Bitmaps for mapping(uint256 => uint256);
    using Entries for bytes;
    using Unchecked for bytes;

    /// @inheritdoc IRootedTask
    function commitRoot(uint32 roundNumber, bytes32 root, Content calldata list, uint256[] calldata members) external {
        TaskConfig memory c = _requireRooter();
        _requirePhase(Phase.Training, roundNumber);
        uint256[] memory taken = members;
        for (uint256 w; w < taken.length; ++w) {
            taken[w] &= _cohort[w];
        }
        uint256 count = _mark(_committed[roundNumber], taken);
        Round storage r = _round;
        (uint32 first, uint16 batch) = (r.committed, r.batches++);
        _batches[batch] = BatchSlot(first, _hash(root, taken));
        r.committed += uint16(count);
        r.everCommitted = true;
        emit RootCommitted(roundNumber, batch, first, root, list.digest, list.size, taken);
        if (r.committed == r.cohort) _everyoneCommitted(c);
    }

    /// @inheritdoc IRootedTask
    function revealRoot(
        uint32 roundNumber,
        uint256 batch,
        bytes32 root,
        uint256[] calldata batchMembers,
        Content calldata list,
        uint256[] calldata members
    ) external {
        TaskConfig memory c = _requireRooter();
        _requirePhase(Phase.Reveal, roundNumber);
        _positionOf(batch, root, batchMembers);
        uint256[] memory taken = members;
        for (uint256 w; w < taken.length; ++w) {
            taken[w] &= batchMembers[w];
        }
        uint256 count = _mark(_revealed[roundNumber], taken);
        emit RootRevealed(roundNumber, uint32(batch), list.digest, list.size, taken);
        _countRevealed(count, c);
    }

    /// @inheritdoc IRootedTask
    function revealProven(
        uint32 roundNumber,
        uint256 batch,
        bytes32 root,
        uint256[] calldata batchMembers,
        bytes calldata opening,
        bytes32[] calldata proof
    ) external {
        TaskConfig memory c = Configuration.load();
        _requirePhase(Phase.Reveal, roundNumber);
        if (opening.length != OPENED) revert MalformedBatch();
        uint32 index = uint32(opening.word(1) >> 224);
        bytes32 digest = bytes32(opening.word(5));
        uint32 size = uint32(opening.word(37) >> 224);
        bytes16 salt = bytes16(bytes32(opening.word(41)));
        if (size > c.maxUpdateSize) revert UpdateTooLarge(size);
        uint32 position = _positionOf(batch, root, batchMembers) + uint32(_rank(batchMembers, index));
        bytes32 commitment = Commitments.commitment(roundNumber, index, digest, size, salt);
        if (!MerkleProof.verifyCalldata(proof, root, _leaf(index, commitment))) revert UnknownBatch(batch);
        if (_revealed[roundNumber].has(index)) revert NothingAccepted();
        _revealed[roundNumber].add(index);
        bytes memory update = new bytes(UPDATE);
        update.putUpdate(0, index, digest, size, position);
        emit UpdatesSubmitted(roundNumber, update);
        _countRevealed(1, c);
    }

    /// @dev What comes with entries has no room beside roots: who commits by itself is opened by `revealProven`, too.
    function commitBatch(uint32, bytes calldata) external pure override {
        revert RootsOnly();
    }

    function reveal(uint32, uint256, bytes calldata) external pure override {
        revert RootsOnly();
    }

    function submit(uint32, uint32, bytes32, uint32) external pure override {
        revert RootsOnly();
    }

    /// @dev Who commits by itself is a tree of one leaf, without members: `revealRoot` can mark nobody in it.
    function _batchHash(bytes memory entry) internal pure override returns (bytes28) {
        bytes32 commitment;
        assembly ("memory-safe") {
            commitment := mload(add(entry, 0x24))
        }
        return _hash(_leaf(uint32(bytes4(entry)), commitment), new uint256[](0));
    }

    /// @dev The contract sees no digests: the factory makes no rooted task where they have owners.
    function _claimForTask(bytes32) internal pure override {}

    function _requireRooter() private view returns (TaskConfig memory c) {
        c = Configuration.load();
        if (msg.sender != c.rooter) revert NotRooter(msg.sender);
    }

    /// @dev The position of the batch's first entry.
    function _positionOf(uint256 batch, bytes32 root, uint256[] memory members) private view returns (uint32) {
        BatchSlot memory slot = _batches[batch];
        if (batch >= _round.batches || _hash(root, members) != slot.entries) revert UnknownBatch(batch);
        return slot.firstPosition;
    }

    function _hash(bytes32 root, uint256[] memory members) private pure returns (bytes28) {
        return bytes28(keccak256(abi.encodePacked(root, members)));
    }

    /// @dev Hashed twice, so that no pair of hashes is taken for one.
    function _leaf(uint256 index, bytes32 commitment) private pure returns (bytes32 leaf) {
        // keccak256(bytes.concat(keccak256(abi.encode(index, commitment)))) in a quarter of the code.
        assembly ("memory-safe") {
            mstore(0x00, index)
            mstore(0x20, commitment)
            mstore(0x00, keccak256(0x00, 0x40))
            leaf := keccak256(0x00, 0x20)
        }
    }

    /// @dev Mark those of `members` who are not marked yet, and leave out the others.
    function _mark(mapping(uint256 => uint256) storage marked, uint256[] memory members)
        private
        returns (uint256 count)
    {
        for (uint256 w; w < members.length; ++w) {
            uint256 before = marked[w];
            uint256 word = members[w] & ~before;
            members[w] = word;
            if (word == 0) continue;
            marked[w] = before | word;
            count += Bitmaps.popcount(word);
        }
        if (count == 0) revert NothingAccepted();
    }

    /// @dev How many members of a batch come before this one, which is one of them, or alone.
    function _rank(uint256[] memory members, uint32 index) private pure returns (uint256 rank) {
        if (members.length == 0) return 0;
        uint256 w = index >> 8;
        uint256 bit = 1 << (index & 0xff);
        uint256 before = members[w];
        if (before & bit == 0) revert NothingAccepted();
        before &= bit - 1;
        while (true) {
            rank += Bitmaps.popcount(before);
            if (w == 0) return rank;
            before = members[--w];
        }
    }

    function _countRevealed(uint256 count, TaskConfig memory c) private {
        Round storage r = _round;
        r.revealed += uint16(count);
        if (r.revealed == r.committed) _everyoneRevealed(c);
    }
}
