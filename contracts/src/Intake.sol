// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Membership} from "./Membership.sol";
import {ITrainingTask} from "./interfaces/ITrainingTask.sol";
import {Phase, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Commitments} from "./libraries/Commitments.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Entries} from "./libraries/Entries.sol";
import {Unchecked} from "./libraries/Unchecked.sol";

/// @title Commitments, batches, openings and who owns a digest
abstract contract Intake is Membership {
    using Bitmaps for mapping(uint256 => uint256);
    using Entries for bytes;
    using Unchecked for bytes;

    uint256 internal constant MAX_BATCH = 256;
    uint256 private constant SIGNED_ENTRY = 101; // index 4, commitment 32, r 32, s 32, v 1
    uint256 private constant ENTRY = 36; // index 4, commitment 32
    uint256 private constant CLOSED = 37; // tag 0, index 4, commitment 32
    uint256 internal constant OPENED = 57; // tag 1, index 4, digest 32, size 4, salt 16
    uint256 internal constant UPDATE = 44; // index 4, digest 32, size 4, position 4
    uint8 internal constant STANDS = 2; // bits of `Round.place`
    uint8 internal constant DOUBTED = 4;
    uint32 private constant TASK_OWNED = type(uint32).max;

    /// @dev One slot: every commit and opening writes it.
    struct Round {
        Phase phase;
        bool cancelRequested;
        bool everCommitted;
        uint8 modelMissed; // rounds in a row without an agreed model
        uint8 evaluator; // the active one
        uint32 number;
        uint40 deadline;
        uint16 cohort;
        uint16 committed;
        uint16 revealed;
        uint16 batches;
        uint64 payout; // credited in this round, while its model is awaited
        uint8 punished; // words of members whose faults of this Reveal are dealt with
        uint8 place; // bit 0: which of `_models` is the current one; STANDS: it is the last round's, and not undone; DOUBTED: somebody objects to it
    }

    /// @dev A batch slot is reused every round: the hash binds the round's commitments themselves.
    struct BatchSlot {
        uint32 firstPosition;
        bytes28 entries;
    }

    struct DigestOwner {
        uint32 round;
        uint32 position;
        uint32 index; // TASK_OWNED: the genesis or a global model
        bool owned;
    }

    Round internal _round;
    mapping(uint256 batch => BatchSlot) internal _batches;
    mapping(uint256 round => mapping(uint256 word => uint256)) internal _committed;
    mapping(uint256 round => mapping(uint256 word => uint256)) internal _revealed;
    /// @dev Revealed a digest that belongs to someone else.
    mapping(uint256 round => mapping(uint256 word => uint256)) internal _disowned;
    mapping(bytes32 digest => DigestOwner) internal _digests;

    /// @notice The current round's phase, deadline and counts.
    function round() external view returns (Round memory) {
        return _round;
    }

    /// @notice Whether the member has committed, revealed, and revealed somebody else's digest.
    function intakeOf(uint32 roundNumber, uint32 index) external view returns (bool, bool, bool) {
        return
            (_committed[roundNumber].has(index), _revealed[roundNumber].has(index), _disowned[roundNumber].has(index));
    }

    function digestOwner(bytes32 digest) external view returns (DigestOwner memory) {
        return _digests[digest];
    }

    function _requirePhase(Phase phase) internal view {
        if (_round.phase != phase) revert WrongPhase(_round.phase);
        if (block.timestamp >= _round.deadline) revert DeadlinePassed(_round.deadline);
    }

    /// @dev The same, in that round and no other.
    function _requirePhase(Phase phase, uint32 roundNumber) internal view {
        if (_round.number != roundNumber) revert WrongRound(_round.number);
        _requirePhase(phase);
    }

    /// @dev What follows when the last commitment or the last opening is in.
    function _everyoneCommitted(TaskConfig memory c) internal virtual;
    function _everyoneRevealed(TaskConfig memory c) internal virtual;

    /// @inheritdoc ITrainingTask
    function commit(uint32 roundNumber, uint32 index, bytes32 commitment) external {
        TaskConfig memory c = Configuration.load();
        if (!c.commitReveal) revert CommitRevealMismatch();
        _requireMayCommit(roundNumber, index);
        Round storage r = _round;
        uint32 position = r.committed;
        bytes memory entries = abi.encodePacked(index, commitment);
        _storeBatch(r, position, entries);
        _markCommitted(r, index);
        if (r.committed == r.cohort) _everyoneCommitted(c);
    }

    /// @inheritdoc ITrainingTask
    function commitBatch(uint32 roundNumber, bytes calldata entries) external virtual {
        TaskConfig memory c = Configuration.load();
        if (!c.relayed) revert RelayNotAllowed();
        if (!c.commitReveal) revert CommitRevealMismatch();
        _requirePhase(Phase.Training, roundNumber);
        uint256 count = entries.length / SIGNED_ENTRY;
        if (count == 0 || count > MAX_BATCH || entries.length % SIGNED_ENTRY != 0) revert MalformedBatch();
        bytes memory accepted = new bytes(count * ENTRY);
        Round storage r = _round;
        uint256 taken = _acceptSigned(roundNumber, entries, accepted);
        _shorten(accepted, taken * ENTRY);
        _storeBatch(r, r.committed, accepted);
        r.committed += uint16(taken);
        r.everCommitted = true;
        if (r.committed == r.cohort) _everyoneCommitted(c);
    }

    /// @inheritdoc ITrainingTask
    function reveal(uint32 roundNumber, uint256 batch, bytes calldata entries) external virtual {
        TaskConfig memory c = Configuration.load();
        _requirePhase(Phase.Reveal, roundNumber);
        Round storage r = _round;
        BatchSlot memory slot = _batches[batch];
        bytes memory updates = new bytes(entries.length / CLOSED * UPDATE);
        (uint256 taken, bytes28 hash) = _acceptOpenings(roundNumber, slot.firstPosition, entries, updates, c);
        if (batch >= r.batches || hash != slot.entries) revert UnknownBatch(batch);
        _shorten(updates, taken * UPDATE);
        r.revealed += uint16(taken);
        emit UpdatesSubmitted(roundNumber, updates);
        if (r.revealed == r.committed) _everyoneRevealed(c);
    }

    /// @inheritdoc ITrainingTask
    function submit(uint32 roundNumber, uint32 index, bytes32 digest, uint32 size) external virtual {
        TaskConfig memory c = Configuration.load();
        if (c.commitReveal) revert CommitRevealMismatch();
        if (size > c.maxUpdateSize) revert UpdateTooLarge(size);
        _requireMayCommit(roundNumber, index);
        Round storage r = _round;
        uint32 position = r.committed;
        _markCommitted(r, index);
        _revealed[roundNumber].add(index);
        ++r.revealed;
        if (c.uniqueDigests) _claim(digest, roundNumber, position, index);
        bytes memory updates = new bytes(UPDATE);
        updates.putUpdate(0, index, digest, size, position);
        emit UpdatesSubmitted(roundNumber, updates);
        if (r.committed == r.cohort) _everyoneCommitted(c);
    }

    /// @dev The task owns every model of its own, so that nobody is paid for sending one back.
    function _claimForTask(bytes32 digest) internal virtual {
        _digests[digest] = DigestOwner(_round.number, 0, TASK_OWNED, true);
    }

    function _requireMayCommit(uint32 roundNumber, uint32 index) private view {
        _requirePhase(Phase.Training, roundNumber);
        if (_members[index].account != msg.sender) revert NotMember(index);
        if (!_cohort.has(index)) revert NotInCohort(index);
        if (_committed[roundNumber].has(index)) revert AlreadyCommitted(index);
    }

    /// @dev Cut a buffer down to what was taken.
    function _shorten(bytes memory buffer, uint256 length) private pure {
        if (length == 0) revert NothingAccepted();
        buffer.cut(length);
    }

    /// @dev Mark those of the signed entries that count as committed, and copy them, without signatures.
    function _acceptSigned(uint32 roundNumber, bytes calldata entries, bytes memory accepted)
        private
        returns (uint256 taken)
    {
        bytes32 domain = Commitments.domainSeparator();
        mapping(uint256 => uint256) storage committed = _committed[roundNumber];
        // The word of `committed` at hand, written back when an entry of another comes.
        uint256 w = entries.word(0) >> 232;
        uint256 bits = committed[w];
        unchecked {
            for (uint256 start; start < entries.length; start += SIGNED_ENTRY) {
                uint256 index = entries.word(start) >> 224;
                if (index >> 8 != w) {
                    committed[w] = bits;
                    w = index >> 8;
                    bits = committed[w];
                }
                if (bits & (1 << (index & 0xff)) != 0 || !_cohort.has(index)) continue;
                bytes32 structHash = Commitments.commitHash(roundNumber, index, entries.word(start + 4));
                bytes calldata signature = entries[start + 36:start + SIGNED_ENTRY];
                if (!Commitments.signedBy(_members[index].account, domain, structHash, signature)) continue;
                bits |= 1 << (index & 0xff);
                accepted.copyEntry(taken++, entries, start);
            }
        }
        committed[w] = bits;
    }

    /// @dev Mark the members whose commitments are opened as revealed and pack their updates. `hash` is that of the
    /// batch as committed if every opening is right: the caller compares it, and a revert undoes what was marked.
    function _acceptOpenings(
        uint32 roundNumber,
        uint32 firstPosition,
        bytes calldata entries,
        bytes memory updates,
        TaskConfig memory c
    ) private returns (uint256 taken, bytes28 hash) {
        mapping(uint256 => uint256) storage revealed = _revealed[roundNumber];
        bytes memory committed = new bytes(entries.length / CLOSED * ENTRY);
        // The word of `revealed` at hand, written back when an entry of another comes.
        uint256 w = entries.word(1) >> 232;
        uint256 bits = revealed[w];
        uint256 place;
        unchecked {
            for (uint256 start; start < entries.length; ++place) {
                uint256 tag = entries.word(start) >> 248;
                uint32 index = uint32(entries.word(start + 1) >> 224);
                bytes32 digest = bytes32(entries.word(start + 5)); // closed: the commitment itself
                bytes32 commitment = digest;
                start += tag == 0 ? CLOSED : OPENED;
                if (tag > 1 || start > entries.length) revert MalformedBatch();
                if (tag == 1) {
                    uint32 size = uint32(entries.word(start - 20) >> 224);
                    bytes16 salt = bytes16(bytes32(entries.word(start - 16)));
                    commitment = Commitments.commitment(roundNumber, index, digest, size, salt);
                    if (index >> 8 != w) {
                        revealed[w] = bits;
                        w = index >> 8;
                        bits = revealed[w];
                    }
                    uint256 bit = 1 << (index & 0xff);
                    if (bits & bit == 0 && size <= c.maxUpdateSize) {
                        bits |= bit;
                        uint32 position = firstPosition + uint32(place);
                        if (c.uniqueDigests) _claim(digest, roundNumber, position, index);
                        updates.putUpdate(taken++, index, digest, size, position);
                    }
                }
                committed.putEntry(place, index, commitment);
            }
            committed.cut(place * ENTRY);
        }
        revealed[w] = bits;
        hash = bytes28(keccak256(committed));
    }

    function _markCommitted(Round storage r, uint32 index) private {
        _committed[r.number].add(index);
        ++r.committed;
        r.everCommitted = true;
    }

    function _storeBatch(Round storage r, uint32 firstPosition, bytes memory entries) private {
        uint16 batch = r.batches++;
        _batches[batch] = BatchSlot(firstPosition, _batchHash(entries));
        emit UpdatesCommitted(r.number, batch, firstPosition, entries);
    }

    /// @dev What an opening is checked against.
    function _batchHash(bytes memory entries) internal pure virtual returns (bytes28) {
        return bytes28(keccak256(entries));
    }

    /// @dev An earlier committer of the same round who opens later takes the digest over.
    function _claim(bytes32 digest, uint32 roundNumber, uint32 position, uint32 index) private {
        DigestOwner memory owner = _digests[digest];
        if (owner.owned && (owner.index == TASK_OWNED || owner.round < roundNumber || owner.position < position)) {
            _disowned[roundNumber].add(index);
            return;
        }
        if (owner.owned) _disowned[roundNumber].add(owner.index);
        _digests[digest] = DigestOwner(roundNumber, position, index, true);
    }
}
