// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Escrow} from "./Escrow.sol";
import {Sanction, Selection, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";

/// @title Who takes part: indices, suspension, ejection and the cohort of a round
abstract contract Membership is Escrow, EIP712 {
    using Bitmaps for mapping(uint256 => uint256);

    uint256 internal constant MAX_MEMBERS = 65_536;
    uint256 internal constant MAX_COHORT = 2_048;

    /// @dev Reason code of a suspension that the contract itself decides.
    uint8 internal constant REASON_NOT_REVEALED = 1;

    struct Member {
        address account;
        uint64 stake;
    }

    struct Population {
        uint32 members; // indices given out
        uint32 active; // neither left nor ejected
        uint32 suspended; // active, but out for a while
        bool ranked; // the coming cohort was chosen by the evaluator
        uint64 bonus; // slashed and forfeited: on top of the next round's budget
    }

    Population internal _population;
    bytes32 internal _seed;
    mapping(uint256 index => Member) internal _members;
    /// @dev Index + 1; an ejected account keeps its entry and so cannot come back, one that left may.
    mapping(address account => uint256) internal _memberOf;
    mapping(uint256 word => uint256) internal _active;
    mapping(uint256 word => uint256) internal _suspended;
    mapping(uint256 word => uint256) internal _cohort;
    /// @dev Whose suspension ends when a round starts.
    mapping(uint256 round => mapping(uint256 word => uint256)) internal _paroles;

    /// @notice The member's account and stake, and whether it is active, suspended, in the cohort.
    function memberAt(uint32 index) external view returns (Member memory, bool, bool, bool) {
        return (_members[index], _active.has(index), _suspended.has(index), _cohort.has(index));
    }

    /// @notice Counts of members and what the next round's budget gains.
    function population() external view returns (Population memory) {
        return _population;
    }

    function _addMember(address account, uint64 stake, uint32 capacity) internal returns (uint32 index) {
        Population storage p = _population;
        if (p.active >= capacity || p.members >= MAX_MEMBERS) revert TaskFull();
        if (_memberOf[account] != 0) revert AlreadyMember(account);
        index = p.members++;
        ++p.active;
        _memberOf[account] = uint256(index) + 1;
        _members[index] = Member(account, stake);
        _active.add(index);
        emit TrainerJoined(index, account, stake);
    }

    /// @dev Forget an active member who leaves of its own accord; its stake turns into what it may take.
    function _removeMember(uint32 index) internal returns (address account, uint64 stake) {
        Population storage p = _population;
        Member storage member = _members[index];
        (account, stake) = (member.account, member.stake);
        member.stake = 0;
        delete _memberOf[account];
        _active.remove(index);
        --p.active;
        if (_suspended.has(index)) {
            _suspended.remove(index);
            --p.suspended;
        }
        emit TrainerLeft(index);
    }

    /// @dev Check that `account` acts itself or has signed.
    function _authorize(address account, bytes32 structHash, bytes calldata signature) internal view {
        if (account == msg.sender) return;
        if (ECDSA.recover(_hashTypedDataV4(structHash), signature) != account) revert InvalidSignature();
    }

    function _suspend(uint32 round, uint32 index, uint32 rounds, uint8 reason, bytes32 evidence) internal {
        uint32 until = round + 1 + rounds;
        _suspended.add(index);
        _paroles[until].add(index);
        ++_population.suspended;
        emit TrainerSuspended(round, index, until, reason, evidence);
    }

    /// @dev Apply the evaluator's sanctions within their limits: ejection only from suspension, at most a
    /// quarter of the active members a round; neither may leave fewer than `minTrainers`.
    function _sanction(uint32 round, Sanction[] calldata sanctions, TaskConfig memory c) internal {
        if (sanctions.length == 0) return;
        Population storage p = _population;
        uint256 quarter = p.active / 4;
        uint256 ejected;
        for (uint256 i; i < sanctions.length; ++i) {
            Sanction calldata s = sanctions[i];
            bool suspended = _suspended.has(s.index);
            if (!_active.has(s.index) || suspended != (s.rounds == 0)) revert SanctionNotAllowed(s.index);
            if (s.rounds != 0) {
                if (p.active - p.suspended <= c.minTrainers) revert SanctionLimit(c.minTrainers);
                _suspend(round, s.index, s.rounds, s.reason, s.evidence);
                continue;
            }
            if (++ejected > quarter || p.active <= c.minTrainers) revert SanctionLimit(quarter);
            _active.remove(s.index);
            _suspended.remove(s.index);
            --p.active;
            --p.suspended;
            uint64 forfeited = _forfeit(s.index, round, c.vestingRounds);
            p.bonus += forfeited;
            emit TrainerEjected(round, s.index, s.reason, s.evidence, forfeited);
        }
    }

    /// @dev Take the evaluator's ranking as the coming cohort.
    function _acceptRanking(uint256[] calldata ranking, TaskConfig memory c) internal {
        if (c.selection != Selection.ScoreOrder) {
            if (ranking.length != 0) revert InvalidRanking();
            return;
        }
        Population storage p = _population;
        uint256 words = Bitmaps.wordsFor(p.members);
        uint256 eligible = p.active - p.suspended;
        uint256 chosen;
        if (ranking.length != words) revert InvalidRanking();
        for (uint256 w; w < words; ++w) {
            if (ranking[w] & ~(_active[w] & ~_suspended[w]) != 0) revert InvalidRanking();
            chosen += Bitmaps.popcount(ranking[w]);
            _cohort[w] = ranking[w];
        }
        if (chosen != (eligible < c.cohortSize ? eligible : c.cohortSize)) revert InvalidRanking();
        p.ranked = true;
    }

    /// @dev Parole those whose suspension ends and draw the cohort of `round`.
    function _drawCohort(uint32 round, TaskConfig memory c) internal returns (uint256[] memory cohort, uint256 size) {
        Population storage p = _population;
        uint256 words = Bitmaps.wordsFor(p.members);
        cohort = new uint256[](words);
        for (uint256 w; w < words; ++w) {
            _parole(round, w);
            uint256 eligible = _active[w] & ~_suspended[w];
            // A ranked member may have left between the ranking and now.
            cohort[w] = p.ranked ? _cohort[w] & eligible : eligible;
            size += Bitmaps.popcount(cohort[w]);
        }
        uint256 limit = c.selection == Selection.All ? MAX_COHORT : c.cohortSize;
        if (!p.ranked && size > limit) {
            if (c.selection == Selection.FirstCome) _keepFirst(cohort, limit);
            else cohort = _sample(cohort, size, limit, p.members);
            size = limit;
        }
        p.ranked = false;
        for (uint256 w; w < words; ++w) {
            _cohort[w] = cohort[w];
        }
    }

    function _parole(uint32 round, uint256 w) private {
        uint256 word = _paroles[round][w] & _suspended[w];
        if (word == 0) return;
        _suspended[w] &= ~word;
        _population.suspended -= uint32(Bitmaps.popcount(word));
        for (uint256 bit; bit < 256; ++bit) {
            if (word & (1 << bit) != 0) emit TrainerReinstated(round, uint32((w << 8) | bit));
        }
    }

    function _keepFirst(uint256[] memory cohort, uint256 limit) private pure {
        uint256 kept;
        for (uint256 w; w < cohort.length; ++w) {
            uint256 inWord = Bitmaps.popcount(cohort[w]);
            while (kept + inWord > limit) {
                cohort[w] &= ~_highest(cohort[w]);
                --inWord;
            }
            kept += inWord;
        }
    }

    function _highest(uint256 word) private pure returns (uint256 bit) {
        for (bit = 1 << 255; word & bit == 0; bit >>= 1) {}
    }

    /// @dev Uniform sample without replacement by rejection; of the complement when more than half is wanted.
    /// The seed chains over model digests: `prevrandao` or a block hash would let a block's maker choose.
    function _sample(uint256[] memory eligible, uint256 count, uint256 limit, uint256 members)
        private
        view
        returns (uint256[] memory chosen)
    {
        bool complement = limit * 2 > count;
        uint256 wanted = complement ? count - limit : limit;
        chosen = new uint256[](eligible.length);
        bytes32 seed = _seed;
        for (uint256 draw; wanted != 0; ++draw) {
            uint256 index = uint256(keccak256(abi.encode(seed, draw))) % members;
            uint256 bit = 1 << (index & 0xff);
            if (eligible[index >> 8] & bit != 0 && chosen[index >> 8] & bit == 0) {
                chosen[index >> 8] |= bit;
                --wanted;
            }
        }
        if (complement) {
            for (uint256 w; w < chosen.length; ++w) {
                chosen[w] = eligible[w] & ~chosen[w];
            }
        }
    }
}
