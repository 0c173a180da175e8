// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Escrow} from "./Escrow.sol";
import {MAX_COHORT, MAX_MEMBERS, Population, Selection, TaskConfig} from "./interfaces/TaskTypes.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Commitments} from "./libraries/Commitments.sol";

/// @title Who takes part: indices, ejection and the cohort of a round
abstract contract Membership is Escrow {
    using Bitmaps for mapping(uint256 => uint256);

    struct Member {
        address account;
        uint64 stake;
        uint32 since; // the round in which it joined; of an index that is free again the next free one, plus 1
    }

    Population internal _population;
    bytes32 internal _seed;
    mapping(uint256 index => Member) internal _members;
    /// @dev Index + 1, never zero again: an account joins a task once, so that neither leaving and coming back nor
    /// replaying a signed join undoes a suspension.
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

    /// @notice Counts of members and what later rounds pay beside their budgets.
    function population() external view returns (Population memory) {
        return _population;
    }

    /// @dev Indices that were never in a cohort are given out again: else whoever joins and leaves often enough would
    /// scatter the others over many slots, or use all indices up.
    function _addMember(address account, uint64 stake, uint32 capacity, uint32 round) internal returns (uint32 index) {
        Population storage p = _population;
        if (p.active >= capacity) revert TaskFull();
        if (_memberOf[account] != 0) revert AlreadyMember(account);
        if (p.free != 0) {
            index = p.free - 1;
            p.free = uint16(_members[index].since);
        } else {
            if (p.members >= MAX_MEMBERS) revert TaskFull();
            index = p.members++;
        }
        ++p.active;
        p.moved = true;
        _memberOf[account] = uint256(index) + 1;
        _members[index] = Member(account, stake, round);
        _active.add(index);
        emit TrainerJoined(index, account, stake);
    }

    /// @dev Take an active member out who leaves of its own accord; its stake turns into what it may take, and
    /// `forfeited`, what had not vested, joins what later rounds pay: leaving must not save what an ejection would take.
    function _removeMember(uint32 index, uint32 round, uint64 forfeited)
        internal
        returns (address account, uint64 stake)
    {
        Population storage p = _population;
        Member storage member = _members[index];
        (account, stake) = (member.account, member.stake);
        member.stake = 0;
        if (member.since == round && index < type(uint16).max && _givesIndicesAgain()) {
            member.account = address(0);
            (member.since, p.free) = (p.free, uint16(index + 1));
            _memberOf[account] = type(uint256).max; // was one, and has no index that another may have by now
        }
        _active.remove(index);
        --p.active;
        p.moved = true;
        p.bonus += forfeited;
        emit TrainerLeft(index, forfeited);
    }

    /// @dev Whether anybody may join, and so use indices up.
    function _givesIndicesAgain() internal pure virtual returns (bool) {
        return true;
    }

    /// @dev Check that `account` acts itself or has signed.
    function _authorize(address account, bytes32 structHash, bytes calldata signature) internal view {
        if (account == msg.sender) return;
        if (!Commitments.signedBy(account, Commitments.domainSeparator(), structHash, signature)) {
            revert InvalidSignature();
        }
    }

    /// @dev Take an active member out against its will; what has not vested joins what later rounds pay.
    function _eject(uint32 round, uint32 index, uint8 reason, bytes32 evidence, bool last, TaskConfig memory c)
        internal
    {
        Population storage p = _population;
        _active.remove(index);
        --p.active;
        p.moved = true;
        // After the last round nothing could be done with forfeits but return them to the publisher.
        uint64 forfeited = last ? 0 : _forfeit(index, round, c.vestingRounds);
        p.bonus += forfeited;
        emit TrainerEjected(round, index, reason, evidence, forfeited);
    }

    /// @dev Take the evaluator's ranking as the coming cohort; who is not eligible when it is drawn drops out.
    function _acceptRanking(uint256[] calldata ranking, TaskConfig memory c) internal {
        if (ranking.length == 0) return;
        uint256 words = Bitmaps.wordsFor(_population.members);
        if (c.selection != Selection.ScoreOrder || ranking.length > words) revert InvalidRanking();
        uint256 chosen;
        for (uint256 w; w < words; ++w) {
            uint256 word = w < ranking.length ? ranking[w] : 0;
            chosen += Bitmaps.popcount(word);
            _cohort[w] = word;
        }
        if (chosen > c.cohortSize) revert InvalidRanking();
        _population.ranked = true;
    }

    /// @dev Parole those whose suspension ends and draw the cohort of `round`.
    function _drawCohort(uint32 round, TaskConfig memory c)
        internal
        virtual
        returns (uint256[] memory cohort, uint256 size)
    {
        Population storage p = _population;
        uint256 words = Bitmaps.wordsFor(p.members);
        cohort = new uint256[](words);
        // Most rounds of most tasks: all of the last round's again, and nothing to write.
        if (c.selection == Selection.All && !p.moved && p.suspended == 0) {
            for (uint256 w; w < words; ++w) {
                cohort[w] = _cohort[w];
            }
            return (cohort, p.active);
        }
        for (uint256 w; w < words; ++w) {
            uint256 eligible = _active[w];
            if (p.suspended != 0) {
                _parole(round, w);
                eligible &= ~_suspended[w];
            }
            cohort[w] = eligible;
            size += Bitmaps.popcount(eligible);
        }
        uint256 limit = c.selection == Selection.All ? MAX_COHORT : c.cohortSize;
        if (size > limit) {
            if (p.ranked || c.selection == Selection.FirstCome) _fill(cohort, limit, p.ranked);
            else _sample(cohort, size, limit);
            size = limit;
        }
        p.ranked = false;
        p.moved = false;
        for (uint256 w; w < words; ++w) {
            _cohort[w] = cohort[w];
        }
    }

    function _parole(uint32 round, uint256 w) private {
        uint256 word = _paroles[round][w] & _suspended[w];
        if (word == 0) return;
        _suspended[w] &= ~word;
        _population.suspended -= uint32(Bitmaps.popcount(word));
        emit TrainersReinstated(round, w, word);
    }

    /// @dev Keep the ranked of the eligible, then those who joined first until the cohort is full: a ranking
    /// chooses, it cannot shrink the cohort.
    function _fill(uint256[] memory cohort, uint256 limit, bool ranked) private view {
        uint256[] memory chosen = new uint256[](cohort.length);
        if (ranked) {
            for (uint256 w; w < cohort.length; ++w) {
                chosen[w] = _cohort[w] & cohort[w];
                limit -= Bitmaps.popcount(chosen[w]);
            }
        }
        for (uint256 w; w < cohort.length; ++w) {
            uint256 more = cohort[w] & ~chosen[w];
            uint256 count = Bitmaps.popcount(more);
            if (count > limit) {
                uint256 rest = more;
                for (; limit != 0; --limit) {
                    rest &= rest - 1;
                }
                more ^= rest;
            } else {
                limit -= count;
            }
            cohort[w] = chosen[w] | more;
        }
    }

    /// @dev Keep a uniform sample without replacement of the `count` eligible: ranks among them are drawn with
    /// rejection, those to drop when more than half stay; so the work is bounded by the cohort, however many
    /// indices have been given out. The seed chains over model digests: `prevrandao` or a block hash would let
    /// a block's maker choose.
    function _sample(uint256[] memory cohort, uint256 count, uint256 limit) private view {
        bool dropping = limit * 2 > count;
        uint256 wanted = dropping ? count - limit : limit;
        uint256[] memory drawn = new uint256[]((count >> 8) + 2);
        bytes32 seed = _seed;
        unchecked {
            for (uint256 draw; wanted != 0; ++draw) {
                uint256 rank = uint256(keccak256(abi.encode(seed, draw))) % count;
                uint256 bit = 1 << (rank & 0xff);
                if (drawn[rank >> 8] & bit == 0) {
                    drawn[rank >> 8] |= bit;
                    --wanted;
                }
            }
            uint256 next;
            for (uint256 w; w < cohort.length; ++w) {
                uint256 word = cohort[w];
                // The drawn ranks of this word's members; a shift by 256 is zero.
                uint256 size = Bitmaps.popcount(word);
                uint256 bits = drawn[next >> 8] >> (next & 0xff) | drawn[(next >> 8) + 1] << (256 - (next & 0xff));
                if (size < 256) bits &= (1 << size) - 1;
                next += size;
                uint256 picked = bits;
                if (size < 256) {
                    picked = 0;
                    for (uint256 rest = word; bits != 0; rest &= rest - 1) {
                        if (bits & 1 != 0) picked |= rest & (~rest + 1);
                        bits >>= 1;
                    }
                }
                cohort[w] = dropping ? word & ~picked : picked;
            }
        }
    }
}
